from __future__ import annotations

import numpy as np
import pytest

from media.opus import VOICE_FRAME
from media.stretch import Stretch


def counting(frames: int) -> Stretch:
    return Stretch(np.arange(frames * VOICE_FRAME).astype(np.int16))


def test_what_is_taken_is_gone() -> None:
    stretch = counting(2)
    assert list(stretch.peek()[[0, -1]]) == [0, VOICE_FRAME - 1]
    assert list(stretch.take()[[0, -1]]) == [0, VOICE_FRAME - 1]
    assert stretch.left == VOICE_FRAME
    assert list(stretch.take()[[0, -1]]) == [VOICE_FRAME, 2 * VOICE_FRAME - 1]
    assert (stretch.left, len(stretch.take())) == (0, 0)


@pytest.mark.parametrize(
    ("taken", "most", "following"), [(0, 5, 5), (1, 1, 1), (6, 5, 4), (10, 5, 0)]
)
def test_a_run_is_what_will_be_taken_next(taken: int, most: int, following: int) -> None:
    stretch = counting(10)
    for _ in range(taken):
        stretch.take()
    run = stretch.run(most)
    assert (run.stretch, run.first, run.frames) == (stretch, taken, following)
    told = run.samples
    taken_then = [stretch.take() for _ in range(following)]
    assert np.array_equal(np.concatenate([*taken_then, told[:0]]), told)
