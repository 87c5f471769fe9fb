from __future__ import annotations

import numpy as np
import pytest

from media.opus import FRAME
from media.stretch import Stretch


def counting(length: int) -> Stretch:
    return Stretch(np.arange(length).astype(np.int16))


def test_what_is_taken_is_gone() -> None:
    stretch = counting(FRAME + 5)
    assert list(stretch.take()[[0, -1]]) == [0, FRAME - 1]
    assert stretch.left == 5
    assert list(stretch.take()) == [FRAME + n for n in range(5)]
    assert (stretch.left, len(stretch.take())) == (0, 0)


@pytest.mark.parametrize(
    ("length", "taken", "most", "following"),
    [
        (10 * FRAME, 0, 5, 5),
        (10 * FRAME, 1, 1, 1),
        (10 * FRAME, 6, 5, 3),  # the last of the ten is not sure
        (10 * FRAME, 10, 5, 0),
        (3 * FRAME + 1, 0, 5, 3),
        (FRAME + 1, 1, 5, 0),
    ],
)
def test_what_follows_are_the_frames_that_will_surely_be_taken(
    length: int, taken: int, most: int, following: int
) -> None:
    stretch = counting(length)
    for _ in range(taken):
        stretch.take()
    told = stretch.following(most)
    assert len(told) == following * FRAME
    taken_then = [stretch.take() for _ in range(following)]
    assert np.array_equal(np.concatenate([*taken_then, told[:0]]), told)
