from __future__ import annotations

import asyncio
import time
from functools import partial

import pytest

from media.pacer import Pacer
from tests.media.clocks import stopwatch
from tests.virtual_time import virtual


def ignore(error: Exception) -> None:
    raise AssertionError("no member fails here") from error


@virtual
async def test_a_member_is_called_every_20_ms() -> None:
    pacer, steps, clock = Pacer(), list[tuple[int, float]](), stopwatch()
    leave = pacer.join(lambda tick, due: steps.append((tick, clock())), ignore)
    await asyncio.sleep(1.001)
    leave()
    await asyncio.sleep(1)
    assert [tick for tick, _ in steps] == list(range(51))
    assert [now for _, now in steps] == pytest.approx([tick * 0.02 for tick in range(51)])


async def first_moments(members: int) -> list[int]:
    """The milliseconds of each member's first step, sorted."""
    pacer, clock = Pacer(), stopwatch()
    firsts: dict[int, float] = {}

    def step(member: int, tick: int, now: float) -> None:
        firsts.setdefault(member, clock())

    for member in range(members):
        pacer.join(partial(step, member), ignore)
    await asyncio.sleep(0.05)
    return sorted(round(now * 1000) for now in firsts.values())


@virtual
async def test_many_calls_are_spread_over_the_20_ms() -> None:
    assert await first_moments(64) == [0] * 16 + [5] * 16 + [10] * 16 + [15] * 16


@virtual
async def test_a_few_calls_share_a_moment() -> None:
    assert await first_moments(16) == [0] * 16
    assert await first_moments(18) == [0] * 16 + [5] * 2


@virtual
async def test_who_joins_later_begins_within_20_ms_and_makes_up_for_nothing() -> None:
    pacer, steps, clock = Pacer(), list[float](), stopwatch()
    pacer.join(lambda tick, due: None, ignore)
    await asyncio.sleep(10)
    pacer.join(lambda tick, due: steps.append(clock()), ignore)
    await asyncio.sleep(0.1)
    assert 10 <= steps[0] <= 10.02
    assert len(steps) == 5


@virtual
async def test_who_opens_a_moment_of_their_own_later_makes_up_for_nothing_either() -> None:
    pacer, steps, clock = Pacer(), list[float](), stopwatch()
    for _ in range(16):
        pacer.join(lambda tick, due: None, ignore)
    await asyncio.sleep(0.2)
    pacer.join(lambda tick, due: steps.append(clock()), ignore)
    await asyncio.sleep(0.1)
    assert steps == pytest.approx([0.205, 0.225, 0.245, 0.265, 0.285])


@virtual
async def test_the_timer_stops_with_the_last_member_and_starts_again_with_the_next() -> None:
    pacer, steps, clock = Pacer(), list[float](), stopwatch()
    leave = pacer.join(lambda tick, due: None, ignore)
    leave()
    leave()
    assert pacer.is_idle
    await asyncio.sleep(1)
    pacer.join(lambda tick, due: steps.append(clock()), ignore)
    await asyncio.sleep(0.05)
    assert steps[0] == pytest.approx(1.0)
    assert not pacer.is_idle


@virtual
async def test_a_member_that_raises_is_told_and_the_others_go_on() -> None:
    pacer, failures, steps = Pacer(), list[Exception](), list[int]()

    def broken(tick: int, now: float) -> None:
        raise RuntimeError(f"broken at {tick}")

    leave = pacer.join(broken, failures.append)
    for _ in range(4):
        pacer.join(lambda tick, due: steps.append(tick), ignore)
    await asyncio.sleep(0.1)
    assert [str(error) for error in failures] == ["broken at 0"]
    assert len(steps) >= 20
    leave()


@virtual
async def test_a_member_may_leave_in_its_own_step() -> None:
    pacer, steps = Pacer(), list[int]()

    def once(tick: int, now: float) -> None:
        steps.append(tick)
        leave()

    leave = pacer.join(once, ignore)
    await asyncio.sleep(0.1)
    assert steps == [0]
    assert pacer.is_idle


@virtual
async def test_all_of_a_moment_hear_before_the_first_of_them_goes_on() -> None:
    pacer, order = Pacer(), list[str]()
    for name in "ab":
        pacer.join(
            partial(lambda name, tick, now: order.append(f"{name}{tick}"), name),
            ignore,
            partial(order.append, f"{name} hears"),
        )
    await asyncio.sleep(0.03)
    assert order == ["a hears", "b hears", "a0", "b0", "a hears", "b hears", "a1", "b1"]


@virtual
async def test_each_hears_once_a_step_whoever_else_is_there() -> None:
    pacer, heard = Pacer(), list[int]()
    for member in range(10):
        pacer.join(lambda tick, due: None, ignore, partial(heard.append, member))
    await asyncio.sleep(0.099)
    assert [heard.count(member) for member in range(10)] == [5] * 10


@virtual
async def test_what_takes_three_who_wake_each_other_goes_out_in_the_same_step() -> None:
    pacer, sent, said = Pacer(), list[tuple[int, int]](), list[int]()
    stations = [asyncio.Queue[int]() for _ in range(3)]

    async def pass_on(station: int) -> None:
        while True:
            each = await stations[station].get()
            if station + 1 < len(stations):
                stations[station + 1].put_nowait(each)
            else:
                said.append(each)

    async with asyncio.TaskGroup() as tasks:
        passing = [tasks.create_task(pass_on(station)) for station in range(3)]
        pacer.join(
            lambda tick, due: sent.append((tick, len(said))),
            ignore,
            lambda: stations[0].put_nowait(0) or True,  # type: ignore[func-returns-value]
        )
        await asyncio.sleep(0.03)
        for each in passing:
            each.cancel()
    assert sent == [(0, 1), (1, 2)]


@virtual
async def test_who_is_not_to_answer_at_once_is_woken_before_the_step_and_no_more() -> None:
    pacer, order = Pacer(), list[str]()
    arrivals = asyncio.Queue[int]()

    async def listen() -> None:
        while True:
            await arrivals.get()
            order.append("heard")
            asyncio.get_running_loop().call_soon(order.append, "answered")

    def hear() -> bool:
        arrivals.put_nowait(0)
        return False

    async with asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(listen())
        await asyncio.sleep(0)
        pacer.join(lambda tick, due: order.append("step"), ignore, hear)
        await asyncio.sleep(0.01)
        listening.cancel()
    assert order == ["heard", "step", "answered"]


@virtual
async def test_what_is_answered_at_once_goes_out_in_the_same_step() -> None:
    pacer, heard = Pacer(), asyncio.Queue[int]()
    said, sent = list[int](), list[tuple[int, list[int]]]()

    async def answer() -> None:
        while True:
            said.append(await heard.get())

    async with asyncio.TaskGroup() as tasks:
        answering = tasks.create_task(answer())
        pacer.join(
            lambda tick, due: sent.append((tick, list(said))),
            ignore,
            lambda: heard.put_nowait(len(said)),
        )
        await asyncio.sleep(0.03)
        answering.cancel()
    assert sent == [(0, [0]), (1, [0, 1])]


@virtual
async def test_who_cannot_hear_is_taken_out_and_the_others_never_notice() -> None:
    pacer, failures, steps = Pacer(), list[Exception](), list[str]()

    def fail() -> None:
        raise ValueError("deaf")

    pacer.join(lambda tick, due: steps.append("deaf"), failures.append, fail)
    pacer.join(lambda tick, due: steps.append("other"), ignore, lambda: None)
    await asyncio.sleep(0.03)
    assert [str(error) for error in failures] == ["deaf"]
    assert steps == ["other", "other"]


@virtual
async def test_a_lone_member_that_cannot_say_when_is_taken_out_like_any_other() -> None:
    pacer, failures, steps = Pacer(), list[Exception](), list[int]()

    def fail() -> float:
        raise ValueError("no idea")

    pacer.join(lambda tick, due: None, failures.append, advance=fail)
    await asyncio.sleep(1.0)
    assert [str(error) for error in failures] == ["no idea"]
    pacer.join(lambda tick, due: steps.append(tick), ignore)
    await asyncio.sleep(0.09)
    assert len(steps) >= 4


@virtual
async def test_who_leaves_between_hearing_and_the_step_is_not_called_again() -> None:
    pacer, steps = Pacer(), list[int]()
    leave = pacer.join(lambda tick, due: steps.append(tick), ignore, lambda: leave())
    await asyncio.sleep(0.05)
    assert steps == []
    assert pacer.is_idle


@virtual
async def test_a_step_on_time_is_told_as_not_late() -> None:
    late: list[float] = []
    pacer = Pacer(lambda step, packets: late.append(step))
    pacer.join(lambda tick, due: None, ignore)
    await asyncio.sleep(0.5)
    assert len(late) == 26
    assert late == pytest.approx([0.0] * 26, abs=1e-6)
    assert min(late) >= 0.0


async def test_who_joins_after_a_stall_takes_no_step_from_the_others() -> None:
    pacer, steps = Pacer(), list[int]()
    pacer.join(lambda tick, due: steps.append(tick), ignore)
    await asyncio.sleep(0.05)
    time.sleep(0.1)  # noqa: ASYNC251 - the stall
    pacer.join(lambda tick, due: None, ignore)
    await asyncio.sleep(0.005)
    assert len(steps) >= 7
    assert steps == list(range(len(steps)))


async def test_after_a_stall_the_late_steps_come_at_once_and_their_lateness_is_told() -> None:
    late: list[float] = []
    pacer, steps = Pacer(lambda step, packets: late.append(step)), list[int]()
    pacer.join(lambda tick, due: steps.append(tick), ignore)
    await asyncio.sleep(0.05)
    time.sleep(0.1)  # noqa: ASYNC251 - the stall
    before = len(steps)
    await asyncio.sleep(0.005)
    assert len(steps) - before >= 4
    assert steps == list(range(len(steps)))
    assert max(late) > 0.07
