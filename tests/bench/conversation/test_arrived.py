"""What arrived of a reply is found by its sound, whatever came before, between and over it."""

from __future__ import annotations

import numpy as np
import pytest

from bench.conversation.arrived import WholeReply
from media.audio import AudioChunk, Samples
from media.opus import FRAME, WIRE_RATE
from signaling.recording import HeardFrame

SECONDS = 6.0


def voice(seed: int) -> Samples:
    """Something that is nowhere like itself, as loud as speech."""
    noise = np.random.default_rng(seed).standard_normal(round(SECONDS * WIRE_RATE) // 12)
    return (np.repeat(noise, 12) * 3000).astype(np.int16)


REPLY = voice(1)
WHOLE = WholeReply(AudioChunk(REPLY, WIRE_RATE))


def frames(samples: Samples) -> list[HeardFrame]:
    whole = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    return [HeardFrame(number * 0.02, frame) for number, frame in enumerate(whole)]


def until(seconds: float) -> Samples:
    return REPLY[: round(seconds * WIRE_RATE)]


@pytest.mark.parametrize("seconds", [0.2, 0.6, 2.5, 5.9])
def test_the_place_is_where_the_sound_ends(seconds: float) -> None:
    assert WHOLE.place(frames(until(seconds))) == pytest.approx(seconds, abs=0.02)


def test_the_silence_before_a_reply_is_no_part_of_it() -> None:
    heard = np.concatenate([np.zeros(5 * FRAME, np.int16), until(0.3)])
    assert WHOLE.place(frames(heard)) == pytest.approx(0.3, abs=0.02)


def test_a_part_that_was_played_before_and_begun_anew_counts_once() -> None:
    heard = np.concatenate([until(0.9), until(2.0)])
    assert WHOLE.place(frames(heard)) == pytest.approx(2.0, abs=0.02)


def test_a_pause_that_the_reply_does_not_have_is_no_part_of_it() -> None:
    pause = np.zeros(WIRE_RATE, np.int16)
    heard = np.concatenate([until(2.0), pause, REPLY[2 * WIRE_RATE : 3 * WIRE_RATE]])
    assert WHOLE.place(frames(heard)) == pytest.approx(3.0, abs=0.02)


def test_what_is_ducked_on_the_way_is_found() -> None:
    heard = until(3.0).astype(np.float64)
    heard[round(2.8 * WIRE_RATE) :] *= 0.18
    assert WHOLE.place(frames(heard.astype(np.int16))) == pytest.approx(3.0, abs=0.02)


def test_another_sound_has_no_place() -> None:
    assert WHOLE.place(frames(voice(2))) is None


def test_nothing_heard_is_nothing_of_it() -> None:
    assert WHOLE.place([]) == 0.0
