from __future__ import annotations

import asyncio

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError

from media.audio import AudioChunk
from media.opus import Decoder
from media.speaker import Speaker, SpeakerClosed, SpeakerSettings
from media.track import Packet
from tests.media.clocks import stopwatch
from tests.virtual_time import virtual


def speech(seconds: float, rate: int = 22_050) -> AudioChunk:
    turns = np.arange(round(seconds * rate)) * 440 * 2 * np.pi / rate
    return AudioChunk((np.sin(turns) * 10_000).astype(np.int16), rate)


async def send(speaker: Speaker, seconds: float) -> list[Packet | None]:
    """Drive the speaker for `seconds`, one step per 20 ms."""
    packets = []
    for _ in range(round(seconds / 0.02)):
        packets.append(speaker.leave())
        await asyncio.sleep(0.02)
    return packets


@virtual
async def test_play_returns_where_the_audio_begins() -> None:
    speaker = Speaker()
    assert await speaker.play(speech(0.1)) == 0.0
    assert await speaker.play(speech(0.1)) == pytest.approx(0.1, abs=1e-4)
    await send(speaker, 0.3)
    assert speaker.played == pytest.approx(0.2, abs=1e-4)
    assert speaker.queued == 0.0


@virtual
async def test_play_waits_its_turn_while_much_is_queued() -> None:
    speaker = Speaker(SpeakerSettings(buffer=0.4))
    clock = stopwatch()
    await speaker.play(speech(1.0))
    begun: list[tuple[float, float]] = []

    async def say() -> None:
        begun.append((await speaker.play(speech(0.1)), clock()))

    async with asyncio.TaskGroup() as group:
        group.create_task(say())
        group.create_task(say())
        group.create_task(send(speaker, 2.0))
    (first, first_at), (second, second_at) = begun
    assert (first, second) == (pytest.approx(1.0, abs=1e-3), pytest.approx(1.1, abs=1e-3))
    assert first_at == pytest.approx(0.6, abs=0.03)
    assert second_at == pytest.approx(0.7, abs=0.03)


@virtual
async def test_a_play_that_is_cancelled_queues_nothing() -> None:
    speaker = Speaker()
    await speaker.play(speech(1.0))
    waiting = asyncio.create_task(speaker.play(speech(1.0)))
    await asyncio.sleep(0.1)
    waiting.cancel()
    await send(speaker, 2.0)
    assert waiting.cancelled()
    assert speaker.played == pytest.approx(1.0, abs=1e-3)
    assert await speaker.play(speech(0.1)) == pytest.approx(1.0, abs=1e-3)


@virtual
async def test_who_waits_for_a_position_is_told_when_it_begins_to_leave() -> None:
    speaker = Speaker()
    clock = stopwatch()
    await speaker.play(speech(0.2))
    position = await speaker.play(speech(0.2))

    async def wait() -> tuple[bool, float]:
        return await speaker.reached(position), clock()

    waiting = asyncio.create_task(wait())
    await send(speaker, 0.4)
    assert await waiting == (True, pytest.approx(0.2, abs=0.021))
    assert await speaker.reached(0.0)


@virtual
async def test_who_waits_for_what_was_cleared_is_told_so() -> None:
    speaker = Speaker()
    await speaker.play(speech(0.4))
    waiting = asyncio.create_task(speaker.reached(0.3))
    drained = asyncio.create_task(speaker.drained())
    await send(speaker, 0.1)
    speaker.clear()
    assert await waiting is False
    await drained
    assert speaker.queued == 0.0
    assert speaker.played == pytest.approx(0.1, abs=1e-3)
    assert await speaker.play(speech(0.1)) == pytest.approx(0.1, abs=1e-3)


@virtual
async def test_a_clear_lets_the_next_words_in_at_once() -> None:
    speaker = Speaker()
    await speaker.play(speech(5.0))
    waiting = asyncio.create_task(speaker.play(speech(0.1)))
    await send(speaker, 0.1)
    speaker.clear()
    assert await waiting == pytest.approx(0.1, abs=1e-3)


@virtual
async def test_drained_waits_for_the_last_frame() -> None:
    speaker = Speaker()
    clock = stopwatch()
    await speaker.play(speech(0.3))
    sending = asyncio.create_task(send(speaker, 0.5))
    await speaker.drained()
    assert clock() == pytest.approx(0.28, abs=0.021)
    await sending


@virtual
async def test_heard_is_played_less_the_way_to_the_ear() -> None:
    speaker = Speaker(SpeakerSettings(listener_delay=0.05))
    await speaker.play(speech(0.3))
    await send(speaker, 0.02)
    assert speaker.heard == 0.0
    await send(speaker, 0.18)
    assert speaker.heard == pytest.approx(0.15, abs=1e-3)
    speaker.hear_back(round_trip=0.1)
    assert speaker.delay == pytest.approx(0.1)
    assert speaker.heard == pytest.approx(0.1, abs=1e-3)


@virtual
async def test_what_has_left_goes_on_arriving_while_nothing_leaves() -> None:
    speaker = Speaker(SpeakerSettings(listener_delay=0.1))
    await speaker.play(speech(1.0))
    await send(speaker, 0.4)
    speaker.pause()
    await send(speaker, 0.06)
    assert speaker.heard == pytest.approx(0.36, abs=1e-3)
    await send(speaker, 0.2)
    assert speaker.heard == pytest.approx(speaker.played) == pytest.approx(0.4, abs=1e-3)
    speaker.resume()
    await send(speaker, 0.04)
    assert speaker.heard == pytest.approx(0.4, abs=1e-3)
    await send(speaker, 0.2)
    assert speaker.heard == pytest.approx(speaker.played - 0.1, abs=1e-3)


@virtual
async def test_a_closed_speaker_frees_everybody_who_waits() -> None:
    speaker = Speaker()
    await speaker.play(speech(1.0))
    playing = asyncio.create_task(speaker.play(speech(1.0)))
    waiting = asyncio.create_task(speaker.reached(0.9))
    drained = asyncio.create_task(speaker.drained())
    await asyncio.sleep(0.1)
    speaker.close()
    speaker.close()
    with pytest.raises(SpeakerClosed):
        await playing
    assert await waiting is False
    await drained
    assert await speaker.reached(5.0) is False
    with pytest.raises(SpeakerClosed):
        await speaker.play(speech(0.1))


@virtual
async def test_silence_costs_a_few_packets_and_then_one_every_400_ms() -> None:
    speaker = Speaker()
    packets = await send(speaker, 4.0)
    settling = 6
    assert all(packet is not None for packet in packets[:settling])
    later = [n for n, packet in enumerate(packets[settling:]) if packet is not None]
    assert later == list(range(0, 200 - settling, 20))
    assert all(len(packets[settling + n].payload) == 1 for n in later)


@virtual
async def test_each_talk_spurt_begins_with_a_mark_and_no_other_packet_does() -> None:
    speaker = Speaker()
    await send(speaker, 0.1)
    await speaker.play(speech(0.1))
    first = await send(speaker, 1.0)
    await speaker.play(speech(0.1))
    second = await send(speaker, 1.0)
    for packets in (first, second):
        assert [n for n, packet in enumerate(packets) if packet and packet.begins] == [0]


@virtual
async def test_what_leaves_sounds_like_what_was_said_and_a_duck_is_heard() -> None:
    speaker = Speaker(SpeakerSettings(duck_db=20.0))
    decoder = Decoder(48_000)

    def loudness(packets: list[Packet | None]) -> float:
        heard = np.concatenate([decoder.decode(packet.payload) for packet in packets if packet])
        return float(np.sqrt(np.mean(heard.astype(float) ** 2)))

    await speaker.play(speech(2.0))
    loud = loudness(await send(speaker, 0.4))
    speaker.duck()
    loudness(await send(speaker, 0.1))
    quiet = loudness(await send(speaker, 0.4))
    speaker.pause()
    loudness(await send(speaker, 0.06))
    assert loudness(await send(speaker, 0.4)) < 10
    speaker.resume()
    speaker.unduck()
    loudness(await send(speaker, 0.1))
    again = loudness(await send(speaker, 0.4))
    assert loud == pytest.approx(7070, rel=0.1)
    assert quiet == pytest.approx(loud / 10, rel=0.2)
    assert again == pytest.approx(loud, rel=0.1)


@virtual
async def test_what_is_held_is_kept_for_who_comes_back_whatever_is_resumed_meanwhile() -> None:
    speaker = Speaker()
    await speaker.play(speech(0.5))
    await send(speaker, 0.2)
    speaker.hold()
    await send(speaker, 0.1)
    stopped = speaker.played
    speaker.pause()
    speaker.resume()
    packets = await send(speaker, 1.0)
    assert speaker.played == stopped < 0.25
    assert not any(packet.begins for packet in packets if packet)
    speaker.release()
    first, *_ = await send(speaker, 0.4)
    assert first is not None and first.begins
    assert speaker.played == pytest.approx(0.5, abs=1e-3)


@virtual
async def test_a_pause_outlasts_a_hold() -> None:
    speaker = Speaker()
    await speaker.play(speech(0.5))
    speaker.pause()
    speaker.hold()
    speaker.release()
    await send(speaker, 0.2)
    assert speaker.played == 0.0
    speaker.resume()
    await send(speaker, 0.6)
    assert speaker.played == pytest.approx(0.5, abs=1e-3)


@virtual
async def test_one_track_speaks_at_a_time() -> None:
    speaker = Speaker()
    former = speaker.new_track()
    await speaker.play(speech(0.3))
    await former.recv()
    waiting = asyncio.create_task(former.recv())
    track = speaker.new_track()
    assert speaker.track is track
    begun = speaker.played
    for _ in range(5):
        await track.recv()
    assert speaker.played == pytest.approx(begun + 0.1, abs=0.021)
    await asyncio.sleep(1)
    assert not waiting.done()
    former.stop()
    with pytest.raises(MediaStreamError):
        await waiting


@virtual
async def test_a_speaker_is_at_rest_once_its_silence_needs_no_packets() -> None:
    speaker = Speaker()
    assert not speaker.is_at_rest
    await send(speaker, 0.2)
    assert speaker.is_at_rest
    await speaker.play(speech(0.1))
    assert not speaker.is_at_rest
    await send(speaker, 0.1)
    assert not speaker.is_at_rest, "some packets of silence follow"
    await send(speaker, 0.2)
    assert speaker.is_at_rest


@virtual
async def test_a_speaker_does_not_rest_through_the_packet_that_keeps_its_silence_alive() -> None:
    speaker = Speaker()
    await send(speaker, 0.2)
    for _ in range(100):
        rested = speaker.is_at_rest
        assert (speaker.leave() is None) == rested


@virtual
async def test_a_codec_that_knows_no_silence_never_rests() -> None:
    speaker = Speaker()
    speaker.speak_codec("PCMU")
    await send(speaker, 1.0)
    assert not speaker.is_at_rest


@virtual
async def test_whoever_drives_is_told_of_what_is_to_be_said_before_it_waits() -> None:
    speaker = Speaker()
    told = list[float]()
    speaker.on_play = lambda: told.append(speaker.queued)
    await speaker.play(speech(0.1))
    assert told == [0.0]


async def noise_of(speaker: Speaker) -> list[bytes]:
    noise = np.random.default_rng(1).standard_normal(14_400) * 3_000
    await speaker.play(AudioChunk(noise.astype(np.int16), 48_000))
    return [packet.payload for packet in [speaker.leave() for _ in range(14)] if packet]


@virtual
async def test_a_spared_speaker_is_spared_whatever_codec_is_spoken_next() -> None:
    usual, spared, renewed = Speaker(), Speaker(), Speaker()
    for speaker in (spared, renewed):
        speaker.spare(is_spared=True)
    renewed.speak_codec("opus")
    with_less_effort = await noise_of(spared)
    assert with_less_effort != await noise_of(usual)
    assert await noise_of(renewed) == with_less_effort
