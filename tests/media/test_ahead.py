"""Packets that are encoded before they leave are those that would be encoded as they leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media import g711
from media.ahead import Ahead, Rewindable
from media.audio import CALLER_RATE, AudioChunk, Samples
from media.clips import Clips
from media.codecs import inbound
from media.opus import VOICE_FRAME, VOICE_RATE, Encoder
from media.speaker import Speaker, SpeakerSettings
from media.stretch import Stretch
from media.track import Packet
from tests.virtual_time import virtual


def voice(seconds: float, seed: int = 1) -> Samples:
    """A tone that glides, in noise: no two frames are encoded alike."""
    length = round(seconds * VOICE_RATE)
    turns = np.cumsum(np.linspace(150, 900, length)) * 2 * np.pi / VOICE_RATE
    noise = np.random.default_rng(seed).standard_normal(length)
    return (np.sin(turns) * 9_000 + noise * 300).astype(np.int16)


FRAMES = 9
"""Frames that are encoded ahead at most."""
_ENCODERS: dict[str, Callable[[], Rewindable[Any]]] = {
    "opus": lambda: Encoder(rate=VOICE_RATE),
    "PCMU": lambda: g711.Encoder(g711.inverse(g711.mu_law())),
    "PCMA": lambda: g711.Encoder(g711.inverse(g711.a_law())),
}


class Counting(Encoder):
    """An encoder that tells how many frames it was given at once."""

    def __init__(self) -> None:
        super().__init__(rate=VOICE_RATE)
        self.given: list[int] = []

    def encode_all(self, samples: Samples) -> list[bytes]:
        self.given.append(len(samples) // VOICE_FRAME)
        return super().encode_all(samples)


def left(ahead: Ahead[Any], stretch: Stretch, count: int, least: int = 1) -> list[bytes]:
    """The packets of so many frames, with time after each to see that some more are there."""
    packets = []
    for _ in range(count):
        packets.append(ahead.encode(stretch.take(), stretch))
        if len(ahead.packets) < least:
            ahead.prepare([stretch.run(FRAMES)])
    return packets


def leave(speaker: Speaker) -> Packet | None:
    packet = speaker.leave()
    if speaker.is_short:
        speaker.prepare()
    return packet


def one_by_one(samples: Samples, encoder: Rewindable[Any] | None = None) -> list[bytes]:
    encoder = encoder or Encoder(rate=VOICE_RATE)
    return [encoder.encode(frame) for frame in samples.reshape(-1, VOICE_FRAME)]


def test_a_stretch_is_encoded_several_frames_at_a_time_and_as_ever() -> None:
    encoder, sound = Counting(), voice(0.6)
    packets = left(Ahead(encoder), Stretch(sound), 30)
    assert packets == one_by_one(sound)
    assert encoder.given[:2] == [FRAMES, FRAMES]


def test_what_is_added_to_what_waits_is_encoded_alone() -> None:
    one, other = Stretch(voice(0.1, seed=1)), Stretch(voice(0.1, seed=2))
    encoder = Counting()
    ahead = Ahead(encoder)
    ahead.prepare([one.run(3)])
    ahead.prepare([one.run(9), other.run(4)])
    ahead.prepare([one.run(9), other.run(4)])
    assert encoder.given == [3, 6]
    known = ahead.packets
    packets = [ahead.encode(each.take(), each) for each in [one] * 5 + [other] * 4]
    assert (
        packets
        == known
        == one_by_one(np.concatenate([one.samples, other.samples[: 4 * VOICE_FRAME]]))
    )
    assert ahead.packets == []


@pytest.mark.parametrize("codec", _ENCODERS)
@pytest.mark.parametrize("least", [1, 5])
@pytest.mark.parametrize("unchanged", range(1, 2 * FRAMES + 2))
def test_a_frame_that_was_changed_is_the_next_packet_wherever_it_comes(
    unchanged: int, least: int, codec: str
) -> None:
    sound = voice(0.4)
    changed = sound.copy()
    changed[unchanged * VOICE_FRAME :] //= 4
    ahead, stretch = Ahead(_ENCODERS[codec]()), Stretch(sound)
    packets = left(ahead, stretch, unchanged, least)
    packets += [ahead.encode(stretch.take() // 4) for _ in range(20 - unchanged)]
    assert packets == one_by_one(changed, _ENCODERS[codec]())


@pytest.mark.parametrize("codec", _ENCODERS)
@pytest.mark.parametrize("before", range(FRAMES + 2))
def test_what_is_encoded_again_goes_on_as_if_it_never_had_been(before: int, codec: str) -> None:
    sound = voice(0.4)
    ahead, stretch = Ahead(_ENCODERS[codec]()), Stretch(sound)
    ahead.prepare([stretch.run(FRAMES)])
    packets = left(ahead, stretch, before)
    ahead.settle()
    packets += left(ahead, stretch, 20 - before)
    assert packets == one_by_one(sound, _ENCODERS[codec]())


def test_another_stretch_is_not_taken_for_the_one_that_was_encoded() -> None:
    one, other = voice(0.4, seed=1), voice(0.4, seed=2)
    ahead = Ahead(Encoder(rate=VOICE_RATE))
    packets = left(ahead, Stretch(one), 2) + left(ahead, Stretch(other), 20)
    assert packets == one_by_one(np.concatenate([one[: 2 * VOICE_FRAME], other]))


@virtual
@pytest.mark.parametrize("codec", ["opus", "PCMU", "PCMA"])
async def test_a_duck_is_heard_in_the_very_next_packets_and_does_not_click(codec: str) -> None:
    turns = np.arange(VOICE_RATE) * 440 * 2 * np.pi / VOICE_RATE
    tone = AudioChunk((np.sin(turns) * 10_000).astype(np.int16), VOICE_RATE)
    speaker, decoder = Speaker(SpeakerSettings(duck_db=20.0)), inbound(codec)
    assert speaker.speak_codec(codec) and decoder is not None
    frame = CALLER_RATE // 50
    await speaker.play(tone)

    def heard(frames: int) -> Samples:
        packets = [leave(speaker) for _ in range(frames)]
        return np.concatenate([decoder.decode(packet.payload) for packet in packets if packet])

    def steepest(samples: Samples) -> int:
        return int(np.abs(np.diff(samples.astype(int))).max())

    before = heard(FRAMES + 2)[5 * frame :]  # some more are encoded
    speaker.duck()
    ducked = heard(2)
    assert np.abs(ducked[:frame]).max() < np.abs(before).max() * 1.05
    assert np.abs(ducked[-frame // 2 :]).max() < np.abs(before).max() / 2
    assert steepest(np.concatenate([before[-frame:], ducked])) < steepest(before) * 1.1


@virtual
async def test_another_rate_holds_from_the_next_packet_on() -> None:
    speaker = Speaker()
    await speaker.play(AudioChunk(voice(1.0), VOICE_RATE))
    for _ in range(FRAMES + 2):
        leave(speaker)
    speaker.adapt(bitrate=16_000, fec=True, loss=0.1)
    packet = speaker.leave()
    assert packet is not None and packet.payload[0] >> 3 < 16, "the speech mode"


@virtual
async def test_a_new_listener_gets_nothing_that_was_encoded_for_the_last_one() -> None:
    sound, speaker = voice(1.0), Speaker()
    await speaker.play(AudioChunk(sound, VOICE_RATE))
    for _ in range(FRAMES + 2):
        leave(speaker)
    speaker.hold()
    speaker.release()
    first = speaker.leave()
    alone = Encoder(rate=VOICE_RATE)
    alone.reset()
    begin = (FRAMES + 2) * VOICE_FRAME
    assert first is not None and first.begins
    assert first.payload == alone.encode(sound[begin : begin + VOICE_FRAME])


@virtual
async def test_nothing_is_foreseen_before_a_new_listener_has_had_a_packet() -> None:
    speaker = Speaker()
    await speaker.play(AudioChunk(voice(1.0), VOICE_RATE))
    leave(speaker)
    speaker.hold()
    speaker.release()
    assert list(speaker.prepare()) == []
    first = speaker.leave()
    assert first is not None and first.begins
    assert speaker.prepare()


@virtual
async def test_a_codec_that_is_not_encoded_ahead_wants_no_preparation() -> None:
    speaker = Speaker()
    speaker.speak_codec("G722")
    await speaker.play(AudioChunk(voice(1.0), VOICE_RATE))
    for _ in range(3):
        speaker.leave()
        assert speaker.is_speaking and not speaker.is_short


@virtual
async def test_hardly_a_packet_waits_for_its_encoding() -> None:
    speaker, encoded = Speaker(SpeakerSettings(buffer=10.0)), list[int]()
    stock = Encoder.encode

    def noted(encoder: Encoder, samples: Samples) -> bytes:
        encoded[-1] += 1
        return stock(encoder, samples)

    await speaker.play(AudioChunk(voice(3.0)[::2], VOICE_RATE // 2))
    with patch.object(Encoder, "encode", noted):
        for _ in range(140):
            encoded.append(0)
            speaker.leave()
            encoded.append(0)
            if speaker.is_short:
                speaker.prepare()
    as_it_left, before = encoded[::2], encoded[1::2]
    assert sum(as_it_left) < 5
    assert sum(as_it_left) + sum(before) < 140 + 13
    assert max(before) <= 12


@virtual
@pytest.mark.parametrize("state", ["a clip", "a pause", "a duck"])
async def test_nothing_is_encoded_that_will_not_leave_so(state: str) -> None:
    clips, sound = Clips(), AudioChunk(voice(1.0), VOICE_RATE)
    speaker = Speaker(SpeakerSettings(buffer=10.0), clips)
    if state == "a clip":
        clips.find(sound)
        await speaker.play(AudioChunk(voice(0.3), VOICE_RATE))
    await speaker.play(sound)
    for _ in range(13):
        leave(speaker)
    {"a clip": Speaker.unduck, "a pause": Speaker.pause, "a duck": Speaker.duck}[state](speaker)
    leave(speaker)  # back to where the listener stands
    with patch.object(Encoder, "encode_all") as encode_all:
        for _ in range(20):
            leave(speaker)
    assert not encode_all.called


@virtual
async def test_calls_that_begin_to_speak_at_once_do_not_all_encode_at_once_ever_after() -> None:
    speakers, given = [Speaker(SpeakerSettings(buffer=3.0)) for _ in range(40)], list[int]()
    stock = Encoder.encode_all

    def noted(encoder: Encoder, samples: Samples) -> list[bytes]:
        given[-1] += 1
        return stock(encoder, samples)

    for speaker in speakers:
        await speaker.play(AudioChunk(voice(1.6)[::2], VOICE_RATE // 2))
    with patch.object(Encoder, "encode_all", noted):
        for _ in range(70):
            given.append(0)
            for speaker in speakers:
                leave(speaker)
    assert sum(given[10:]) > 40 * 6
    assert max(given[12:]) < 30


@virtual
@pytest.mark.parametrize(
    # Neither the first, nor the one behind the phrase (which is ordinary sound to a telephone), nor
    # the last, of which all is open.
    ("codec", "open_until_they_leave"),
    [("opus", {0, 38, 62}), ("PCMU", {0, 62}), ("PCMA", {0, 62})],
)
async def test_what_is_foreseen_is_what_leaves(codec: str, open_until_they_leave: set[int]) -> None:
    clips, phrase = Clips(), AudioChunk(voice(0.25, seed=3), VOICE_RATE)
    clips.find(phrase)
    speaker = Speaker(SpeakerSettings(buffer=10.0), clips)
    speaker.speak_codec(codec)
    for said in (
        AudioChunk(voice(0.5)[::2], VOICE_RATE // 2),
        phrase,
        AudioChunk(voice(0.5), 24_000),
    ):
        await speaker.play(said)
    left, foreseen = list[bytes](), dict[int, bytes]()
    for step in range(63):
        packet = speaker.leave()
        assert packet is not None
        left.append(packet.payload)
        if speaker.is_short:
            foreseen |= dict(enumerate(speaker.prepare(), step + 1))
    assert {step: left[step] for step in foreseen} == foreseen
    assert set(range(63)) - set(foreseen) == open_until_they_leave


@virtual
async def test_a_few_packets_are_always_foreseen_while_there_is_enough_to_say() -> None:
    speaker = Speaker(SpeakerSettings(buffer=10.0))
    await speaker.play(AudioChunk(voice(2.0)[::2], VOICE_RATE // 2))
    ahead = 0
    for _ in range(90):
        speaker.leave()
        ahead = len(speaker.prepare()) if speaker.is_short else ahead - 1
        assert 4 <= ahead <= 12


@virtual
@pytest.mark.parametrize("what", ["duck", "pause", "clear", "hold", "close", "worse", "spare"])
async def test_the_driver_is_told_before_what_was_foreseen_comes_otherwise(what: str) -> None:
    speaker, told = Speaker(), list[float]()
    acts = ACTS | {"close": Speaker.close}

    def note() -> None:
        told.append(speaker.queued)
        speaker.leave()  # it had left already

    speaker.before_change = note
    await speaker.play(AudioChunk(voice(1.0), VOICE_RATE))
    acts[what](speaker)
    assert told == [], "nothing is foreseen yet"
    speaker = Speaker()
    speaker.before_change = note
    await speaker.play(AudioChunk(voice(1.0), VOICE_RATE))
    leave(speaker)
    before, played = speaker.queued, speaker.played
    acts[what](speaker)
    assert told == [before]
    assert speaker.played == pytest.approx(played + 0.02)
    acts[what](speaker)
    assert told == [before], "nothing is foreseen any more"


Leave = Callable[[Speaker], Packet | None]
_PHRASE = AudioChunk(voice(0.13, seed=9), VOICE_RATE)
ACTS: dict[str, Callable[[Speaker], None]] = {
    "duck": Speaker.duck,
    "unduck": Speaker.unduck,
    "pause": Speaker.pause,
    "resume": Speaker.resume,
    "hold": Speaker.hold,
    "release": Speaker.release,
    "clear": Speaker.clear,
    "worse": lambda speaker: speaker.adapt(bitrate=12_000, fec=False, loss=0.0),
    "lossy": lambda speaker: speaker.adapt(bitrate=24_000, fec=True, loss=0.1),
    "better": lambda speaker: speaker.adapt(bitrate=24_000, fec=False, loss=0.0),
    "spare": lambda speaker: speaker.spare(is_spared=True),
    "care": lambda speaker: speaker.spare(is_spared=False),
    "telephone": lambda speaker: bool(speaker.speak_codec("PCMA")) and None,
    "browser": lambda speaker: bool(speaker.speak_codec("opus")) and None,
}


async def _story(script: list[tuple[str, int]], leave: Leave) -> list[object]:
    """All that can be seen of a speaker to which this happens: what is done, and for how many
    frames it goes on."""
    speaker, seen = Speaker(SpeakerSettings(buffer=10.0), Clips()), list[object]()
    await speaker.play(_PHRASE)
    for what, frames in script:
        if what == "say":
            await speaker.play(AudioChunk(voice(frames / 40, seed=frames), VOICE_RATE))
        elif what == "phrase":
            await speaker.play(_PHRASE)
        else:
            ACTS[what](speaker)
        for _ in range(frames):
            packet = leave(speaker)
            content = (speaker.played, speaker.queued, speaker.heard, speaker.level)
            seen.append((packet, content))
    return seen


@given(
    st.lists(
        st.tuples(st.sampled_from(["say", "say", "phrase", *ACTS]), st.integers(0, 25)),
        max_size=20,
    )
)
@settings(max_examples=60, deadline=None)
def test_whatever_happens_what_leaves_is_what_leaves_when_nothing_is_encoded_ahead(
    script: list[tuple[str, int]],
) -> None:
    hurried = asyncio.run(_story(script, leave))
    assert asyncio.run(_story(script, Speaker.leave)) == hurried
