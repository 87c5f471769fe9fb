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
    ("length", "taken", "most", "coming"),
    [
        (10 * FRAME, 1, 5, 5),
        (10 * FRAME, 1, 1, 1),
        (10 * FRAME, 7, 5, 3),  # the last of the ten is not sure
        (10 * FRAME, 10, 5, 1),
        (3 * FRAME + 1, 1, 5, 3),
        (FRAME + 1, 1, 5, 1),
    ],
)
def test_what_comes_is_the_frame_that_was_taken_and_those_that_surely_follow(
    length: int, taken: int, most: int, coming: int
) -> None:
    stretch = counting(length)
    for _ in range(taken):
        frame = stretch.take()
    assert len(stretch.coming(most)) == coming * FRAME
    assert np.array_equal(stretch.coming(most)[:FRAME], frame)
