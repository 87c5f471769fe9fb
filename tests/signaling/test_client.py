"""The caller in Python: what it says, when, and what it hears."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from agent.events import CallStarted
from media.audio import AudioChunk, level_db, silence
from media.opus import Decoder
from server.settings import ServerSettings
from signaling.client import Caller, CallFailed
from signaling.recording import HeardFrame, Recording
from signaling.voice_track import VoiceTrack, is_voiced, level
from tests.signaling.phone import ICE, Parrot, phone, tone


def heard(at: float, samples: np.ndarray) -> HeardFrame:
    return HeardFrame(at, samples.astype(np.int16))


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
async def test_audio_of_any_rate_takes_the_time_it_takes(rate: int) -> None:
    """In audio that was sent exactly; by the clock never less. A busy machine may take longer."""
    track = VoiceTrack()
    decoder, sounding = Decoder(), 0

    async def send() -> None:
        nonlocal sounding
        while True:
            samples = decoder.decode(bytes(await track.recv()))
            sounding += level_db(samples) > -40

    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(send())
        said = await track.say(tone(0.2, rate))
        sending.cancel()
    assert said.begin < said.voice_end <= said.end
    assert said.end - said.begin > 0.15
    assert sounding == pytest.approx(10, abs=1), "frames of 20 ms"


async def test_the_end_of_the_voice_is_not_that_of_the_silence_after_it() -> None:
    track = VoiceTrack()
    voice = tone(0.2)
    audio = AudioChunk(np.concatenate([voice.samples, silence(0.4).samples]))

    async def send() -> None:
        while True:
            await track.recv()

    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(send())
        said = await track.say(audio)
        sending.cancel()
    assert said.end - said.voice_end > 0.2


def test_level_is_in_decibels_of_full_scale() -> None:
    full = np.full(960, 32_767, np.int16)
    assert level(full) == pytest.approx(0.0, abs=0.1)
    assert level((full // 10).astype(np.int16)) == pytest.approx(-20.0, abs=0.1)
    assert level(np.zeros(960, np.int16)) < -100
    assert not is_voiced(np.zeros(960, np.int16))


async def test_a_recording_has_silence_where_nothing_came() -> None:
    recording = Recording(began=10.0)
    loud = np.full(960, 9000)
    recording.frames += [heard(10.5, loud), heard(10.521, loud), heard(12.0, loud)]
    samples = recording.audio().samples
    assert len(samples) == round(2.02 * 48_000)
    assert not samples[: round(0.5 * 48_000)].any()
    assert samples[round(0.5 * 48_000) : round(0.54 * 48_000)].all()
    assert not samples[round(0.55 * 48_000) : round(2.0 * 48_000)].any()
    assert samples[round(2.0 * 48_000) :].all()
    assert len(recording.audio(16_000).samples) == pytest.approx(2.02 * 16_000, abs=2)
    assert recording.audio(since=11.0).seconds == pytest.approx(1.02)


async def test_voice_is_found_by_its_time() -> None:
    recording = Recording(began=0.0)
    quiet, loud = np.zeros(960), np.full(960, 9000)
    recording.frames += [heard(1.0, loud), heard(2.0, quiet), heard(3.0, loud), heard(4.0, quiet)]
    assert recording.first_voice(0.0) == 1.0
    assert recording.first_voice(1.5) == 3.0
    assert recording.first_voice(3.5) is None
    assert recording.last_voice() == 3.0
    assert await recording.next_voice(1.5) == 3.0


async def test_a_caller_hears_itself_from_a_parrot_after_the_way_there_and_back() -> None:
    async with phone() as line, line.caller() as caller:
        await asyncio.sleep(0.3)
        said = await caller.say(tone(0.5))
        await asyncio.sleep(0.5)
        begin = caller.recording.first_voice(said.begin)
        end = caller.recording.last_voice()
        assert begin is not None and end is not None
        assert end - begin == pytest.approx(0.5, abs=0.15)
        echo = caller.recording.audio(16_000, since=begin).samples[:8000].astype(float)
        spectrum = np.abs(np.fft.rfft(echo * np.hanning(len(echo))))
        assert np.argmax(spectrum) * 16_000 / len(echo) == pytest.approx(440, abs=5)


async def test_messages_of_a_kind_are_waited_for_one_by_one() -> None:
    async with phone() as line, line.caller() as caller:
        for _ in range(3):
            caller.send({"type": "ping"})
        first = await caller.wait_for("pong")
        second = await caller.wait_for("pong")
        assert first is not second
        assert first["received"] <= second["received"]


async def test_waiting_ends_when_the_call_or_the_time_does() -> None:
    async with phone() as line, line.caller() as caller:
        with pytest.raises(CallFailed, match="no 'turn.finished' within"):
            await caller.wait_for("turn.finished", within=0.05)
        await caller.wait_for("call.started")
        await caller.hang_up()
        with pytest.raises(CallFailed, match=r"ended \(hangup\) before any"):
            await caller.wait_for("turn.finished", within=10)
        with pytest.raises(CallFailed):
            await caller.say(tone(0.1))


async def test_a_refusal_is_told_with_its_status() -> None:
    async with phone(server=ServerSettings(max_calls=1)) as line, line.caller():
        with pytest.raises(CallFailed) as failure:
            async with line.caller():
                pass
        assert (failure.value.status, failure.value.code) == (503, "busy")


async def test_media_that_cannot_be_connected_fails_the_call() -> None:
    nowhere = ICE.model_copy(update={"advertised": "192.0.2.200", "connect_timeout": 0.5})
    async with phone(ice=nowhere) as line:
        deaf = ICE.model_copy(update={"advertised": "192.0.2.201", "connect_timeout": 0.3})
        with pytest.raises(CallFailed) as failure:
            async with Caller(line.url, settings=deaf):
                pass
        assert failure.value.code == "not_connected"


async def test_messages_sent_before_the_channel_opened_are_not_lost() -> None:
    class Eager(Parrot):
        async def run(self) -> None:
            for _ in range(5):
                self.seat.emit(CallStarted(at=0.0, language="en"))
            await super().run()

    async with phone(Eager) as line, line.caller() as caller:
        for _ in range(6):
            await caller.wait_for("call.started")
