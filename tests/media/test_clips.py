from __future__ import annotations

import gc

import numpy as np
import pytest

from media.audio import AudioChunk
from media.clips import Clip, Clips
from media.opus import Decoder, OpusSettings
from media.playout import Playout
from media.speaker import Speaker, SpeakerSettings
from media.track import Packet
from tests.virtual_time import virtual


def phrase(seconds: float = 0.5, rate: int = 22_050, hertz: float = 440.0) -> AudioChunk:
    turns = np.arange(round(seconds * rate)) * hertz * 2 * np.pi / rate
    return AudioChunk((np.sin(turns) * 10_000).astype(np.int16), rate)


def said(speaker: Speaker, seconds: float) -> list[bytes]:
    packets = [speaker.leave() for _ in range(round(seconds * 50))]
    return [packet.payload for packet in packets if isinstance(packet, Packet)]


def heard(payloads: list[bytes]) -> np.ndarray:
    decoder = Decoder(24_000)
    return np.concatenate([decoder.decode(payload) for payload in payloads])


def loudness(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples.astype(float) ** 2)))


def test_what_is_said_the_second_time_becomes_a_clip_for_as_long_as_it_is_kept() -> None:
    clips, audio = Clips(), phrase()
    assert clips.find(audio) is None
    clip = clips.find(audio)
    assert clip is not None and clips.find(audio) is clip
    assert clips.find(phrase()) is None
    del audio, clip
    gc.collect()
    assert len(clips) == 0


def test_a_clip_is_whole_frames_of_24_khz_and_is_encoded_once() -> None:
    clip = Clip(phrase(0.49), OpusSettings())
    assert len(clip.samples) == 25 * 480
    assert clip.packet(7) is clip.packet(7)
    sound = heard([clip.packet(index) for index in range(25)])
    assert loudness(sound[4800:19_200]) == pytest.approx(7_070, rel=0.05)


def test_a_clip_begins_with_a_frame_and_the_clock_counts_what_comes_before() -> None:
    playout, clip = Playout(), Clip(phrase(0.1), OpusSettings())
    playout.add(phrase(0.03, 24_000))
    assert playout.add_clip(clip) == pytest.approx(0.04)
    places = []
    for _ in range(7):
        assert playout.next_frame() is not None
        places.append(playout.place.index if playout.place else None)
    assert places == [None, None, 0, 1, 2, 3, 4]
    assert playout.next_frame() is None
    assert playout.played == pytest.approx(0.14)


@virtual
async def test_calls_share_the_packets_of_a_phrase() -> None:
    clips, audio = Clips(), phrase()
    first, second, third = (Speaker(clips=clips) for _ in range(3))
    await first.play(audio)
    live = said(first, 0.5)
    await second.play(audio)
    await third.play(audio)
    shared, again = said(second, 0.5), said(third, 0.5)
    assert all(one is other for one, other in zip(shared, again, strict=True))
    assert not any(one is other for one, other in zip(live, shared, strict=True))
    assert loudness(heard(shared)[4800:]) == pytest.approx(7_070, rel=0.05)


@virtual
async def test_speech_after_a_clip_sounds_as_it_should() -> None:
    clips, audio = Clips(), phrase()
    clips.find(audio)
    speaker = Speaker(SpeakerSettings(buffer=2.0), clips)
    await speaker.play(audio)
    await speaker.play(phrase(0.5, 16_000))
    sound = heard(said(speaker, 1.0))
    frames = sound[480 * 3 : 480 * 47].reshape(-1, 480)
    assert all(5_500 < loudness(frame) < 8_500 for frame in frames)


@virtual
async def test_a_ducked_clip_is_encoded_for_this_call_alone() -> None:
    clips, audio = Clips(), phrase(2.0)
    clips.find(audio)
    speaker = Speaker(SpeakerSettings(duck_db=20.0), clips)
    await speaker.play(audio)
    clip = clips.find(audio)
    assert clip is not None
    loud = said(speaker, 0.4)
    speaker.duck()
    quiet = said(speaker, 0.4)
    speaker.unduck()
    back = said(speaker, 0.4)
    assert [packet is clip.packet(index) for index, packet in enumerate(loud)] == [True] * 20
    assert not any(packet is clip.packet(20 + index) for index, packet in enumerate(quiet))
    assert back[-1] is clip.packet(59)
    sound = heard([*loud, *quiet, *back])
    assert loudness(sound[480 * 25 : 480 * 40]) == pytest.approx(707, rel=0.2)
    assert loudness(sound[480 * 45 :]) == pytest.approx(7_070, rel=0.1)


@virtual
async def test_on_a_worse_network_a_clip_is_encoded_for_it() -> None:
    clips, audio = Clips(), phrase()
    clips.find(audio)
    speaker = Speaker(clips=clips)
    speaker.adapt(bitrate=12_000, fec=True, loss=0.1)
    await speaker.play(audio)
    clip = clips.find(audio)
    assert clip is not None
    assert not any(packet is clip.packet(n) for n, packet in enumerate(said(speaker, 0.4)))
    speaker.adapt(bitrate=24_000, fec=False, loss=0.0)
    await speaker.play(audio)
    said(speaker, 0.1)
    assert said(speaker, 0.1)[0] is clip.packet(0)


@virtual
async def test_a_telephone_gets_no_opus_from_a_clip() -> None:
    clips, audio = Clips(), phrase()
    clips.find(audio)
    speaker = Speaker(clips=clips)
    assert speaker.speak_codec("PCMU")
    await speaker.play(audio)
    assert {len(payload) for payload in said(speaker, 0.4)} == {160}
