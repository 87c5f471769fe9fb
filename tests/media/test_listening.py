from __future__ import annotations

import asyncio
from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc import AudioStreamTrack, MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from media.audio import AudioChunk, Samples
from media.feedback import follow_reports
from media.listening import listen
from media.microphone import Microphone
from media.speaker import Speaker
from tests.media.clocks import stopwatch
from tests.media.peers import Playing, line
from tests.virtual_time import virtual


def tone(seconds: float, rate: int) -> Samples:
    turns = np.arange(round(seconds * rate)) * 440 * 2 * np.pi / rate
    return (np.sin(turns) * 10_000).astype(np.int16)


def pitch(samples: Samples, rate: int = 16_000) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


class Scripted(MediaStreamTrack):
    """A remote track: frames (stereo, 48 kHz) at the given times, then its end."""

    kind = "audio"

    def __init__(self, times: list[float]) -> None:
        super().__init__()
        self._times = times
        self._clock = stopwatch()

    async def recv(self) -> av.AudioFrame:
        if not self._times:
            raise MediaStreamError
        await asyncio.sleep(self._times[0] - self._clock())
        self._times.pop(0)
        frame = av.AudioFrame.from_ndarray(
            np.full((1, 1920), 5_000, np.int16), format="s16", layout="stereo"
        )
        frame.sample_rate, frame.time_base = 48_000, Fraction(1, 48_000)
        return frame


@virtual
async def test_a_remote_track_becomes_16_khz_chunks_and_its_end_closes_the_microphone() -> None:
    microphone = Microphone()
    await listen(Scripted([n * 0.02 for n in range(50)]), microphone)
    chunks = [chunk async for chunk in microphone]
    assert 48 <= len(chunks) <= 50
    assert all(len(chunk) == 320 and chunk.rate == 16_000 for chunk in chunks)
    assert int(chunks[10].samples[100]) == pytest.approx(5_000, abs=5)


@virtual
async def test_time_goes_on_while_nothing_arrives() -> None:
    microphone = Microphone()
    await listen(Scripted([n * 0.02 for n in [*range(10), *range(60, 70)]]), microphone)
    loud = [bool(chunk.samples.max()) async for chunk in microphone]
    assert 19 + 42 <= len(loud) <= 20 + 50
    assert loud.count(False) >= 40
    assert loud[0] and loud[-1]


class Attentive(Speaker):
    """A speaker that tells when a round trip was measured."""

    measured: asyncio.Event

    def hear_back(self, round_trip: float) -> None:
        super().hear_back(round_trip)
        self.measured.set()


async def test_a_call_is_heard_and_spoken_over_two_real_peers() -> None:
    """The whole stock path: aiortc's sender and receiver on both sides."""
    microphone, speaker, measured = Microphone(), Attentive(), asyncio.Event()
    speaker.measured = measured
    heard_by_caller: list[Samples] = []

    async with line(Playing(tone(1.5, 48_000), 48_000), speaker.track) as call:
        listening = asyncio.create_task(listen(call.receiver.track, microphone))
        reports = asyncio.create_task(follow_reports(call.sender, speaker))

        async def caller_listens() -> None:
            track = call.caller.getReceivers()[0].track
            while True:
                frame = await track.recv()
                heard_by_caller.append(frame.to_ndarray().reshape(-1, 2)[:, 0])

        caller = asyncio.create_task(caller_listens())
        await speaker.play(AudioChunk(tone(1.0, 22_050), 22_050))
        chunks: list[Samples] = []
        async with asyncio.timeout(10):
            await speaker.drained()
            async for chunk in microphone:
                chunks.append(chunk.samples)
                if np.abs(np.concatenate(chunks[-25:])).max() < 5 and len(chunks) > 75:
                    break
        async with asyncio.timeout(10):
            await measured.wait()
        reports.cancel()
        caller.cancel()
    await listening

    said = np.concatenate(chunks)
    loud = np.flatnonzero(np.abs(said) > 3000)
    assert (loud[-1] - loud[0]) / 16_000 == pytest.approx(1.5, abs=0.1)
    assert pitch(said[loud[0] + 1600 : loud[0] + 17_600]) == pytest.approx(440, abs=3)
    answer = np.concatenate(heard_by_caller)
    loud = np.flatnonzero(np.abs(answer) > 3000)
    assert (loud[-1] - loud[0]) / 48_000 == pytest.approx(1.0, abs=0.05)
    assert pitch(answer[loud[0] + 4800 : loud[0] + 43_200], 48_000) == pytest.approx(440, abs=3)
    assert 0.06 < speaker.delay < 0.2


@pytest.mark.parametrize("codec", ["audio/PCMU", "audio/PCMA", "audio/G722"])
async def test_callers_of_the_telephone_codecs_are_heard(codec: str) -> None:
    microphone = Microphone()
    async with line(Playing(tone(1.0, 48_000), 48_000), AudioStreamTrack(), codec=codec) as call:
        listening = asyncio.create_task(listen(call.receiver.track, microphone))
        chunks: list[Samples] = []
        async with asyncio.timeout(10):
            async for chunk in microphone:
                chunks.append(chunk.samples)
                if np.abs(np.concatenate(chunks[:])).max() > 5000 and len(chunks) > 60:
                    break
    await listening
    said = np.concatenate(chunks)
    loud = np.flatnonzero(np.abs(said) > 3000)
    assert pitch(said[loud[0] + 1600 : loud[0] + 11_200]) == pytest.approx(440, abs=3)
