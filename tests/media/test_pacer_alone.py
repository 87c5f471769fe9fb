"""The beat of one who is alone."""

from __future__ import annotations

import asyncio

import pytest

from media.pacer import Pacer, Place
from tests.media.test_pacer import ignore
from tests.media.test_pacer_resting import AWAKE, Resting
from tests.virtual_time import run_virtual, virtual


class Asking(Resting):
    """A member that wants its steps sooner."""

    def __init__(self, *sooner: float, rests: int = 0) -> None:
        super().__init__(rests)
        self._sooner = list(sooner)

    def join(self, pacer: Pacer) -> Place:
        return pacer.join(self.step, ignore, rest=self.rest, advance=self.advance)

    def advance(self) -> float:
        return self._sooner.pop() if self._sooner else 0.0


@pytest.mark.parametrize("rests", [0, 4])
def test_the_beat_of_a_lone_member_comes_sooner_by_as_much_as_it_asks_for(rests: int) -> None:
    async def run() -> None:
        pacer, member = Pacer(), Asking(0.013, rests=rests)
        member.join(pacer)
        await asyncio.sleep(0.71)
        assert [tick for tick, _ in member.steps] == list(range(len(member.steps)))
        times = [now for _, now in member.steps]
        gaps = {after - before for before, after in zip(times, times[1:], strict=False)}
        long = 20 * (1 + rests)
        assert gaps == {long, long - 13} | ({0} if rests else set())
        assert times[-1] == (len(times) - 1) * 20 - 13

    run_virtual(run())


@virtual
async def test_two_members_move_nothing() -> None:
    pacer, members = Pacer(), [Asking(0.013), Asking(0.005)]
    for member in members:
        member.join(pacer)
    await asyncio.sleep(0.9)
    assert members[0].steps == AWAKE[:46]
