"""The beat of those who need nothing for a while, and of one who is alone."""

from __future__ import annotations

import asyncio

from media.pacer import Pacer
from tests.media.clocks import stopwatch
from tests.media.test_pacer import ignore
from tests.virtual_time import virtual


class Resting:
    """A member that notes when it is called."""

    def __init__(self, *, rests: bool = True) -> None:
        self.rests = rests
        self.steps: list[tuple[int, int]] = []
        """Each step's number, and the milliseconds."""
        self.heard: list[int] = []
        self._clock = stopwatch()

    def join(self, pacer: Pacer) -> None:
        pacer.join(self.step, ignore, self.hear, lambda: self.rests)

    def step(self, tick: int, now: float) -> None:
        self.steps.append((tick, round(self._clock() * 1000)))

    def hear(self) -> None:
        self.heard.append(round(self._clock() * 1000))


@virtual
async def test_who_rests_is_called_every_40_ms_and_misses_no_step() -> None:
    pacer, late = Pacer(), list[float]()
    pacer._on_lateness = lambda step, packets: late.append(step)
    member = Resting()
    member.join(pacer)
    await asyncio.sleep(0.13)
    assert member.steps == [(0, 0), (1, 40), (2, 40), (3, 80), (4, 80), (5, 120), (6, 120)]
    assert member.heard == [0, 40, 80, 120]
    assert max(late) < 0.001, "a step that was rested through is not late"


@virtual
async def test_one_who_does_not_rest_is_called_every_20_ms_and_lets_the_others_rest() -> None:
    pacer, resting, awake = Pacer(), Resting(), Resting(rests=False)
    resting.join(pacer)
    awake.join(pacer)
    await asyncio.sleep(0.09)
    assert awake.heard == [0, 20, 40, 60, 80]
    assert resting.heard == [0, 40, 80]
    assert resting.steps == awake.steps == [(0, 0), (1, 20), (2, 40), (3, 60), (4, 80)]


@virtual
async def test_who_rested_is_woken_for_the_next_step() -> None:
    pacer, member = Pacer(), Resting()
    member.join(pacer)
    await asyncio.sleep(0.045)
    pacer.wake()  # before there is anything to be said
    member.rests = False
    await asyncio.sleep(0.04)
    assert member.steps == [(0, 0), (1, 40), (2, 40), (3, 60), (4, 80)]
    assert member.heard == [0, 40, 60, 80]


@virtual
async def test_who_is_woken_late_has_rested_through_what_has_come() -> None:
    pacer, member = Pacer(), Resting()
    member.join(pacer)
    await asyncio.sleep(0.025)
    pacer.wake()
    assert member.steps == [(0, 0), (1, 25)], "before what it says now"
    member.rests = False
    await asyncio.sleep(0.04)
    assert member.steps == [(0, 0), (1, 25), (2, 40), (3, 60)]


@virtual
async def test_waking_those_who_do_not_rest_changes_nothing() -> None:
    pacer, member = Pacer(), Resting(rests=False)
    pacer.wake()
    member.join(pacer)
    await asyncio.sleep(0.03)
    pacer.wake()
    await asyncio.sleep(0.02)
    assert member.steps == [(0, 0), (1, 20), (2, 40)]


class Asking(Resting):
    """A member that wants its steps sooner."""

    def __init__(self, *sooner: float) -> None:
        super().__init__(rests=False)
        self._sooner = list(sooner)

    def join(self, pacer: Pacer) -> None:
        pacer.join(self.step, ignore, advance=lambda: self._sooner.pop() if self._sooner else 0.0)


@virtual
async def test_the_beat_of_a_lone_member_comes_sooner_by_as_much_as_it_asks_for() -> None:
    pacer, member = Pacer(), Asking(0.013)
    member.join(pacer)
    await asyncio.sleep(0.7)
    assert [tick for tick, _ in member.steps] == list(range(len(member.steps)))
    times = [now for _, now in member.steps]
    gaps = {after - before for before, after in zip(times, times[1:], strict=False)}
    assert gaps == {20, 7}
    assert times[-1] == (len(times) - 1) * 20 - 13


@virtual
async def test_two_members_move_nothing() -> None:
    pacer, members = Pacer(), [Asking(0.013), Asking(0.005)]
    for member in members:
        member.join(pacer)
    await asyncio.sleep(0.9)
    assert members[0].steps == [(tick, tick * 20) for tick in range(46)]


@virtual
async def test_who_joins_while_others_rest_makes_no_step_of_theirs_late() -> None:
    late = list[float]()
    pacer, member = Pacer(lambda step, packets: late.append(step)), Resting()
    member.join(pacer)
    await asyncio.sleep(0.035)
    member.rests = False
    pacer.join(lambda tick, due: None, ignore)
    await asyncio.sleep(0.05)
    assert [tick for tick, _ in member.steps] == [0, 1, 2, 3, 4]
    assert max(late) < 0.001
