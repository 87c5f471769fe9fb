from __future__ import annotations

import asyncio

import numpy as np
import pytest

from media.audio import AudioChunk
from media.moments import Moment, Moments
from media.opus import FRAME_SECONDS, VOICE_RATE
from media.playout import Playout
from tests.virtual_time import virtual


def saying(seconds: float) -> Playout:
    """A playout whose first frame has left."""
    playout = Playout()
    playout.add(AudioChunk(np.ones(round(seconds * VOICE_RATE), np.int16), VOICE_RATE))
    playout.next_frame()
    return playout


@pytest.mark.parametrize(
    "moment",
    [
        Moment(position=0.02),
        Moment(position=0.0999),
        Moment(position=0.1),
        Moment(position=0.1001),
        Moment(queued=0.4),
        Moment(queued=0.3999),
        Moment(queued=0.0),
        Moment(position=9.0),
    ],
    ids=repr,
)
def test_a_moment_foretells_the_very_frame_with_which_it_comes(moment: Moment) -> None:
    playout = saying(0.5)
    foretold = moment.frames_before(playout, most=24)
    for _ in range(foretold):
        assert playout.next_frame() is not None
        assert not moment.has_come(playout)
    assert (playout.next_frame() is not None and moment.has_come(playout)) == (foretold < 24)


def test_no_more_frames_are_foretold_than_were_asked_for() -> None:
    assert Moment(position=0.4).frames_before(saying(0.5), most=3) == 3
    assert Moment(position=0.4).frames_before(saying(0.5), most=0) == 0


@virtual
async def test_the_first_that_somebody_waits_for_decides() -> None:
    playout = saying(0.5)
    moments = Moments(playout)
    assert moments.frames_before(7) == 7
    later = asyncio.create_task(moments.wait(Moment(position=0.11)))
    sooner = asyncio.create_task(moments.wait(Moment(position=0.07)))
    await asyncio.sleep(0)
    assert moments.frames_before(7) == 2
    while not sooner.done():
        playout.next_frame()
        moments.tell()
        await asyncio.sleep(0)
    assert playout.played == pytest.approx(0.08)
    assert moments.frames_before(7) == 1
    later.cancel()
    await asyncio.wait([later])
    assert moments.frames_before(7) == 7, "who went away counts no more"


@virtual
async def test_who_was_told_already_counts_no_more() -> None:
    playout = saying(0.5)
    moments = Moments(playout)
    waiting = asyncio.create_task(moments.wait(Moment(position=0.03)))
    await asyncio.sleep(0)
    playout.next_frame()
    moments.tell()
    assert moments.frames_before(7) == 7
    assert await waiting
    assert playout.played == pytest.approx(2 * FRAME_SECONDS)
