from __future__ import annotations

import numpy as np
import pytest

from media.audio import Samples
from media.native import native
from media.opus import VOICE_FRAME
from media.recent import Recent


def frames(count: int) -> list[Samples | None]:
    """Noise, with every third frame missing."""
    noise = (
        np.random.default_rng(7).integers(-32_768, 32_768, (count, VOICE_FRAME)).astype(np.int16)
    )
    return [None if index % 3 == 2 else frame for index, frame in enumerate(noise)]


def narrowed(frame: Samples | None) -> Samples:
    """One frame by itself."""
    wide = np.zeros(VOICE_FRAME) if frame is None else frame
    narrow: Samples = wide.reshape(-1, 3).mean(axis=1).astype(np.int16)
    return narrow


@pytest.fixture(params=["compiled", "plain"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "plain":
        monkeypatch.setattr("media.recent.native", lambda: None)
    elif native() is None:
        pytest.skip("no C compiler: frames are narrowed in Python alone")


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 44, 45, 46, 107])
@pytest.mark.parametrize("asked_every", [1, 4, 1000])
def test_the_last_45_frames_are_known_at_8_khz_however_often_one_asks(
    count: int, asked_every: int
) -> None:
    recent, left = Recent(), frames(count)
    for index, frame in enumerate(left):
        recent.add(frame)
        if index % asked_every == 0:
            assert len(recent.frames) == min(index + 1, 45)
    expected = [narrowed(frame) for frame in left[-45:]]
    assert np.array_equal(np.array(recent.frames), np.array(expected))


@pytest.mark.usefixtures("_way")
def test_a_frame_that_lies_scattered_in_memory_is_narrowed_all_the_same() -> None:
    recent, stereo = Recent(), np.random.default_rng(8).integers(-99, 99, 2 * VOICE_FRAME)
    frame = stereo.astype(np.int16)[::2]
    recent.add(frame)
    assert np.array_equal(recent.frames[0], narrowed(frame))
