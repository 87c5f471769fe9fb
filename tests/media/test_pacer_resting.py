"""The beat of those who need nothing for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.pacer import Pacer, Place
from tests.media.clocks import stopwatch
from tests.media.test_pacer import ignore
from tests.virtual_time import run_virtual, virtual


class Resting:
    """A member that notes when it is called."""

    def __init__(self, rests: int | Callable[[int], int] = 1) -> None:
        self.rests = rests if callable(rests) else lambda tick: rests
        """For how many steps, after that one."""
        self.steps: list[tuple[int, int]] = []
        """Each step's number, and the milliseconds."""
        self.heard: list[tuple[int, int]] = []
        self.order: list[str] = []
        self.asked: list[int] = []
        self._clock = stopwatch()

    def join(self, pacer: Pacer) -> Place:
        return pacer.join(self.step, ignore, self.hear, self.rest)

    def step(self, tick: int, due: float) -> float | None:
        self.steps.append((tick, self._now()))
        self.order.append(f"step {tick}")
        return None

    def hear(self, tick: int) -> bool | None:
        self.heard.append((tick, self._now()))
        self.order.append(f"hear {tick}")
        return None

    def rest(self, tick: int, due: float) -> int:
        self.asked.append(tick)
        return self.rests(tick)

    def _now(self) -> int:
        return round(self._clock() * 1000)


AWAKE = [(tick, tick * 20) for tick in range(1000)]


@virtual
async def test_who_rests_is_called_when_that_is_over_and_misses_no_step() -> None:
    pacer, member = Pacer(), Resting(2)
    member.join(pacer)
    await asyncio.sleep(0.13)
    assert member.steps == [(0, 0), (1, 60), (2, 60), (3, 60), (4, 120), (5, 120), (6, 120)]
    assert member.heard == member.steps
    assert member.asked == [0, 3, 6], "once it has gone through all that came"


@virtual
async def test_each_step_that_was_rested_through_is_heard_before_it_is_taken() -> None:
    pacer, member = Pacer(), Resting(2)
    member.join(pacer)
    await asyncio.sleep(0.07)
    assert member.order == [f"{act} {tick}" for tick in range(4) for act in ("hear", "step")]


@virtual
async def test_a_step_that_was_rested_through_is_not_late() -> None:
    late = list[tuple[float, float]]()
    pacer = Pacer(lambda step, packets: late.append((step, packets)))
    Resting(9).join(pacer)
    await asyncio.sleep(1.01)
    assert len(late) == 6, "the others are not told of"
    assert max(late) < (0.001, 0.001)


@virtual
async def test_packets_that_left_by_themselves_meanwhile_are_told() -> None:
    late = list[tuple[float, float]]()
    pacer, member = Pacer(lambda step, packets: late.append((step, packets))), Resting(2)
    pacer.join(lambda tick, due: tick / 1000 if tick % 2 else None, ignore, rest=member.rest)
    await asyncio.sleep(0.07)
    steps, packets = zip(*late, strict=True)
    assert steps == pytest.approx((0.0, 0.0, 0.0), abs=1e-6)
    assert packets == pytest.approx((0.0, 0.001, 0.003), abs=1e-6)


@virtual
async def test_one_who_does_not_rest_is_called_every_20_ms_and_lets_the_others_rest() -> None:
    pacer, resting, awake = Pacer(), Resting(1), Resting(0)
    resting.join(pacer)
    awake.join(pacer)
    await asyncio.sleep(0.09)
    assert awake.heard == awake.steps == AWAKE[:5]
    assert resting.heard == resting.steps == [(0, 0), (1, 40), (2, 40), (3, 80), (4, 80)]


@virtual
async def test_those_who_rested_go_on_side_by_side_and_nobody_waits_for_them() -> None:
    pacer, order = Pacer(), list[str]()
    for name, rests in (("a", 2), ("b", 2), ("c", 0)):

        def step(tick: int, due: float, name: str = name) -> None:
            order.append(f"{name}{tick}")

        def hear(tick: int, name: str = name) -> None:
            order.append(f"{name} hears{tick}")

        pacer.join(step, ignore, hear, lambda tick, due, rests=rests: rests)  # type: ignore[misc]
    await asyncio.sleep(0.05)
    del order[:]
    await asyncio.sleep(0.02)
    assert order == [
        *("a hears1", "b hears1", "c hears3", "a1", "b1", "c3"),
        *("a hears2", "b hears2", "a2", "b2"),
        *("a hears3", "b hears3", "a3", "b3"),
    ]


@pytest.mark.parametrize(("may_answer", "rounds"), [(None, 0), (False, 1), (True, 3)])
def test_listeners_get_their_turns_for_each_step_that_was_rested_through(
    may_answer: bool | None, rounds: int
) -> None:
    async def count() -> list[int]:
        loop, pacer, counted = asyncio.get_running_loop(), Pacer(), list[int]()
        turns = list[int]()

        def turn(turns: list[int]) -> None:
            turns.append(1)
            if len(turns) < 5:
                loop.call_soon(turn, turns)

        def hear(tick: int) -> bool | None:
            nonlocal turns
            turns = []
            loop.call_soon(turn, turns)
            return may_answer

        pacer.join(lambda tick, due: counted.append(len(turns)), ignore, hear, lambda *_: 4)
        await asyncio.sleep(0.11)
        return counted

    assert run_virtual(count()) == [rounds] * 6


@virtual
async def test_who_rested_is_woken_for_the_next_step() -> None:
    pacer, member = Pacer(), Resting(5)
    place = member.join(pacer)
    await asyncio.sleep(0.045)
    place.wake()
    place.wake()
    member.rests = lambda tick: 0
    assert len(member.steps) == 1
    await asyncio.sleep(0.04)
    assert member.steps == [(0, 0), (1, 60), (2, 60), (3, 60), (4, 80)]
    assert member.heard == member.steps
    assert member.asked == [0, 3, 4]


@virtual
async def test_who_is_woken_at_once_goes_through_what_has_come_in_the_next_round() -> None:
    late = list[float]()
    pacer, member = Pacer(lambda step, packets: late.append(step)), Resting(5)
    place = member.join(pacer)
    await asyncio.sleep(0.055)
    place.wake(now=True)
    place.wake(now=True)
    assert len(member.steps) == 1, "not inside of what wakes it"
    await asyncio.sleep(0.001)
    assert member.steps == [(0, 0), (1, 55), (2, 55)]
    assert member.heard == member.steps
    assert member.asked == [0, 2]
    assert max(late) < 0.001, "nothing was to be done sooner"


@virtual
async def test_who_is_woken_at_once_before_a_step_has_come_is_called_at_the_next() -> None:
    pacer, member = Pacer(), Resting(5)
    place = member.join(pacer)
    await asyncio.sleep(0.01)
    place.wake(now=True)
    await asyncio.sleep(0.035)
    assert member.steps == [(0, 0), (1, 20)]
    assert member.asked == [0, 1]


@virtual
async def test_who_has_something_to_say_has_first_taken_what_it_rested_through() -> None:
    pacer, member = Pacer(), Resting(5)
    place = member.join(pacer)
    await asyncio.sleep(0.045)
    place.make_up()
    assert member.steps == [(0, 0), (1, 45), (2, 45)], "before what it says now"
    assert place.behind == 0
    member.rests = lambda tick: 0
    await asyncio.sleep(0.04)
    assert member.steps == [(0, 0), (1, 45), (2, 45), (3, 60), (4, 80)]
    assert member.heard == [(0, 0), (1, 60), (2, 60), (3, 60), (4, 80)]


@virtual
async def test_what_is_said_in_a_step_that_is_made_up_for_comes_after_all_rested_through() -> None:
    pacer, member = Pacer(), Resting(3)

    def hear(tick: int) -> bool | None:
        member.hear(tick)
        if tick == 2:
            place.make_up()
        return None

    place = pacer.join(member.step, ignore, hear, member.rest)
    await asyncio.sleep(0.085)
    expected = ["hear 0", "step 0", "hear 1", "step 1", "hear 2", "step 2", "step 3"]
    assert member.order[: len(expected)] == expected
    assert member.order[len(expected) :] == ["hear 3", "hear 4", "step 4"]


@virtual
async def test_waking_those_who_do_not_rest_changes_nothing() -> None:
    pacer, member = Pacer(), Resting(0)
    place = member.join(pacer)
    for _ in range(3):
        await asyncio.sleep(0.03)
        place.wake()
        place.wake(now=True)
        place.make_up()
    assert member.steps == member.heard == AWAKE[:5]


@virtual
async def test_who_has_left_is_not_woken() -> None:
    pacer, member = Pacer(), Resting(5)
    place = member.join(pacer)
    await asyncio.sleep(0.05)
    assert place.behind == 2
    place.leave()
    place.wake(now=True)
    place.make_up()
    await asyncio.sleep(0.2)
    assert (member.steps, place.behind, pacer.is_idle) == ([(0, 0)], 0, True)


@virtual
async def test_it_is_known_how_many_steps_are_still_to_be_taken() -> None:
    pacer, member = Pacer(), Resting(5)
    place, seen = member.join(pacer), list[int]()
    await asyncio.sleep(0.01)
    for _ in range(7):
        seen.append(place.behind)
        await asyncio.sleep(0.02)
    assert seen == [0, 1, 2, 3, 4, 5, 0]


@virtual
async def test_who_wakes_another_in_its_step_does_not_have_it_called_twice() -> None:
    pacer, sleeper = Pacer(), Resting(5)
    place = sleeper.join(pacer)
    pacer.join(lambda tick, due: place.wake(now=True), ignore, lambda tick: True)
    await asyncio.sleep(0.09)
    assert sleeper.steps == sleeper.heard == AWAKE[:5]


@virtual
async def test_resting_for_less_than_no_time_is_no_rest() -> None:
    pacer, member = Pacer(), Resting(-5)
    member.join(pacer)
    await asyncio.sleep(0.05)
    assert member.steps == AWAKE[:3]


@virtual
async def test_however_long_somebody_rests_nothing_is_left_out() -> None:
    pacer, member = Pacer(), Resting(99)
    member.join(pacer)
    await asyncio.sleep(2.01)
    assert [tick for tick, _ in member.steps] == list(range(101))


class Stalling(asyncio.SelectorEventLoop):
    """A loop whose clock is set by hand."""

    now = 1000.0

    def time(self) -> float:
        return self.now


def test_a_stall_is_counted_from_when_who_rests_was_to_be_called() -> None:
    late = list[float]()
    loop = Stalling()

    async def stall() -> Resting:
        pacer, member = Pacer(lambda step, packets: late.append(step)), Resting(40)
        member.join(pacer)
        await asyncio.sleep(0)
        for now in (1000.001, 1002.821):
            loop.now = now
            for _ in range(5):
                await asyncio.sleep(0)
        return member

    member = loop.run_until_complete(stall())
    loop.close()
    assert [tick for tick, _ in member.steps] == [*range(41), 141]
    assert late == pytest.approx([0.001, 2.001], abs=1e-6)


@given(
    rests=st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=6), min_size=1, max_size=4),
    wakes=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 900), st.sampled_from("wnm"))),
)
def test_whatever_anybody_does_each_hears_and_takes_every_step_once_and_in_order(
    rests: list[list[int]], wakes: list[tuple[int, int, str]]
) -> None:
    async def run() -> None:
        loop, pacer, clock = asyncio.get_running_loop(), Pacer(), stopwatch()
        members = [Resting(lambda tick, each=each: each[tick % len(each)]) for each in rests]  # type: ignore[misc]
        places = [member.join(pacer) for member in members]
        for who, at, how in wakes:
            place = places[who % len(places)]
            wake = (
                place.make_up if how == "m" else lambda now=how == "n", to=place: to.wake(now=now)
            )  # type: ignore[misc]
            loop.call_later(at / 1000, wake)
        await asyncio.sleep(1.0)
        for place in places:
            place.wake(now=True)
        await asyncio.sleep(0.005)
        for member, place in zip(members, places, strict=True):
            through = list(range(51))
            assert [tick for tick, _ in member.heard] == through
            assert [tick for tick, _ in member.steps] == through
            assert all(now >= tick * 20 for tick, now in member.steps), "none before its time"
            assert place.behind == 0
            place.leave()
        assert pacer.is_idle
        assert clock() > 1.0

    run_virtual(run())


@virtual
async def test_who_joins_while_others_rest_makes_no_step_of_theirs_late() -> None:
    late = list[float]()
    pacer, member = Pacer(lambda step, packets: late.append(step)), Resting(1)
    member.join(pacer)
    await asyncio.sleep(0.035)
    member.rests = lambda tick: 0
    pacer.join(lambda tick, due: None, ignore)
    await asyncio.sleep(0.05)
    assert [tick for tick, _ in member.steps] == [0, 1, 2, 3, 4]
    assert max(late) < 0.001


@virtual
async def test_who_cannot_say_how_long_it_rests_is_taken_out() -> None:
    pacer, failures, member = Pacer(), list[Exception](), Resting(0)

    def fail(tick: int, due: float) -> int:
        raise ValueError("no idea")

    pacer.join(lambda tick, due: None, failures.append, rest=fail)
    member.join(pacer)
    await asyncio.sleep(0.05)
    assert [str(error) for error in failures] == ["no idea"]
    assert member.steps == AWAKE[:3]
