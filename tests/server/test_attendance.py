"""Who is there, in virtual time: peers that follow a script."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from server.attendance import KEPT_MESSAGES, Attendance
from signaling.peer import Gone
from tests.virtual_time import virtual


@dataclass(eq=False)
class Actor:
    """A peer that connects after `connects` seconds and is gone after `lasts` more."""

    connects: float = 0.0
    lasts: float = 1e6
    gone: Gone = "failed"
    refused: Gone | None = None
    told: list[str] = field(default_factory=list)
    closed: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def connected(self) -> Gone | None:
        await asyncio.sleep(self.connects)
        return self.refused

    async def run(self) -> Gone:
        try:
            async with asyncio.timeout(self.lasts):
                await self.over.wait()
        except TimeoutError:
            return self.gone
        return "left"

    def send(self, message: str) -> None:
        self.told.append(message)

    async def flush(self, seconds: float) -> None: ...

    async def close(self) -> None:
        await asyncio.sleep(0.01)
        self.closed += 1
        self.over.set()


class Stage:
    """An attendance that is carried, and when (seconds from the beginning) what happened."""

    def __init__(self, first: Actor, within: float = 20.0) -> None:
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()
        self.log: list[tuple[float, str]] = []
        self.attendance = Attendance(
            first,
            within=within,
            on_away=lambda: self.note("away"),
            on_back=lambda away: self.note(f"back after {away:.1f}"),
        )
        self._carrying = asyncio.create_task(self.attendance.carry())

    def note(self, what: str) -> None:
        self.log.append((round(self._clock() - self._began, 1), what))

    async def end(self) -> tuple[float, str]:
        end = await self._carrying
        return round(self._clock() - self._began, 1), end


@virtual
async def test_who_leaves_is_not_waited_for() -> None:
    stage = Stage(Actor(lasts=5, gone="left"))
    assert await stage.end() == (5, "left")
    assert stage.log == []


@virtual
async def test_who_floods_is_not_waited_for() -> None:
    assert await Stage(Actor(lasts=5, gone="flooded")).end() == (5, "flooded")


@virtual
async def test_who_fails_is_waited_for_and_then_lost() -> None:
    stage = Stage(Actor(lasts=5))
    assert await stage.end() == (25, "lost")
    assert stage.log == [(5, "away")]


@virtual
async def test_without_a_time_to_wait_nobody_is_waited_for() -> None:
    assert await Stage(Actor(lasts=5), within=0).end() == (5, "lost")


@virtual
async def test_a_successor_goes_on_and_the_former_peer_is_closed() -> None:
    first, second = Actor(lasts=5), Actor(connects=0.5, lasts=10, gone="left")
    stage = Stage(first)
    await asyncio.sleep(12)
    await stage.attendance.succeed(second, None)
    assert (await stage.end())[1] == "left"
    assert stage.log == [(5, "away"), (12.5, "back after 7.5")]
    assert (first.closed, second.closed) == (1, 0)
    assert stage.attendance.peer is second


@virtual
async def test_a_peer_may_be_succeeded_before_it_fails() -> None:
    stage = Stage(Actor())
    await asyncio.sleep(3)
    await stage.attendance.succeed(Actor(connects=0.2, lasts=1, gone="left"), None)
    assert (await stage.end())[1] == "left"
    assert stage.log == [(3, "away"), (3.2, "back after 0.2")]


@virtual
async def test_a_quiet_peer_is_away_until_it_is_heard_again() -> None:
    stage = Stage(Actor(lasts=60, gone="left"))
    await asyncio.sleep(5)
    stage.attendance.listen(is_quiet=True)
    stage.attendance.listen(is_quiet=True)
    assert stage.attendance.is_away
    await asyncio.sleep(10)
    stage.attendance.listen(is_quiet=False)
    assert not stage.attendance.is_away
    assert await stage.end() == (60, "left")
    assert stage.log == [(5, "away"), (15, "back after 10.0")]


@virtual
async def test_who_is_heard_and_was_not_away_is_not_back() -> None:
    stage = Stage(Actor(lasts=60, gone="left"))
    await asyncio.sleep(5)
    stage.attendance.listen(is_quiet=False)
    assert await stage.end() == (60, "left")
    assert stage.log == []


@virtual
async def test_a_peer_that_stays_quiet_is_lost() -> None:
    stage = Stage(Actor())
    await asyncio.sleep(5)
    stage.attendance.listen(is_quiet=True)
    assert await stage.end() == (25, "lost")


@virtual
async def test_a_quiet_peer_that_fails_is_waited_for_no_longer() -> None:
    stage = Stage(Actor(lasts=15))
    await asyncio.sleep(5)
    stage.attendance.listen(is_quiet=True)
    assert await stage.end() == (25, "lost")


@pytest.mark.parametrize("refused", ["failed", "left", "never_connected"])
def test_a_successor_that_never_connects_leaves_the_place_to_another(refused: Gone) -> None:
    @virtual
    async def scene() -> None:
        stage = Stage(Actor(lasts=5))
        await asyncio.sleep(6)
        await stage.attendance.succeed(Actor(connects=1, refused=refused), None)
        await asyncio.sleep(5)
        await stage.attendance.succeed(Actor(connects=1, lasts=8, gone="left"), None)
        assert (await stage.end())[1] == "left"
        assert stage.log == [(5, "away"), (12, "back after 7.0")]

    scene()


@virtual
async def test_who_offers_at_the_last_moment_is_given_the_time_to_connect() -> None:
    stage = Stage(Actor(lasts=5))
    await asyncio.sleep(24.9)
    await stage.attendance.succeed(Actor(connects=2, lasts=8, gone="left"), None)
    assert (await stage.end())[1] == "left"
    assert stage.log[-1][1] == "back after 21.9"


@virtual
async def test_of_two_successors_the_later_one_goes_on_and_the_others_are_closed() -> None:
    actors = [Actor(lasts=5), *(Actor(connects=0.5, lasts=9, gone="left") for _ in range(4))]
    stage = Stage(actors[0])
    await asyncio.sleep(8)
    for actor in actors[1:3]:
        await stage.attendance.succeed(actor, None)
    await asyncio.sleep(0.2)
    async with asyncio.TaskGroup() as tasks:
        for actor in actors[3:]:
            tasks.create_task(stage.attendance.succeed(actor, None))
    assert (await stage.end())[1] == "left"
    assert stage.attendance.peer is actors[4]
    assert [actor.closed for actor in actors] == [1, 1, 1, 1, 0]
    await stage.attendance.close()
    assert actors[4].closed == 1


@virtual
async def test_a_peer_that_leaves_while_an_offer_is_answered_is_no_hang_up() -> None:
    first = Actor(lasts=5, gone="left")
    stage = Stage(first)
    await asyncio.sleep(4.9)
    with stage.attendance.expecting():
        await asyncio.sleep(0.3)
        await stage.attendance.succeed(Actor(lasts=3, gone="left"), None)
    assert (await stage.end())[1] == "left"
    assert [what for _, what in stage.log] == ["away", "back after 0.2"]


@virtual
async def test_an_offer_that_came_to_nothing_does_not_keep_the_call_for_ever() -> None:
    stage = Stage(Actor(lasts=5, gone="left"))
    await asyncio.sleep(4.9)
    with stage.attendance.expecting():
        await asyncio.sleep(0.3)
    assert await stage.end() == (25, "lost")


@pytest.mark.parametrize(
    ("received", "told"),
    [
        (None, ["new"]),
        (0, ["0", "1", "2", "3", "4", "new"]),
        (3, ["3", "4", "new"]),
        (5, ["new"]),
        (99, ["new"]),
    ],
)
def test_a_successor_is_told_what_did_not_get_through(
    received: int | None, told: list[str]
) -> None:
    @virtual
    async def scene() -> None:
        second = Actor(lasts=3, gone="left")
        stage = Stage(Actor(lasts=5))
        for number in range(5):
            stage.attendance.send(str(number))
        await asyncio.sleep(6)
        await stage.attendance.succeed(second, received)
        await asyncio.sleep(1)
        stage.attendance.send("new")
        await stage.end()
        assert second.told == told

    scene()


@virtual
async def test_what_is_kept_for_a_successor_has_an_end() -> None:
    second = Actor(lasts=3, gone="left")
    stage = Stage(Actor(lasts=5))
    for number in range(KEPT_MESSAGES + 100):
        stage.attendance.send(str(number))
    await asyncio.sleep(6)
    await stage.attendance.succeed(second, 10)
    await stage.end()
    assert second.told == [str(number) for number in range(100, KEPT_MESSAGES + 100)]


@virtual
async def test_a_call_that_is_cancelled_while_a_peer_is_replaced_closes_both_whole() -> None:
    first, second = Actor(lasts=5), Actor(connects=5)
    stage = Stage(first)
    await asyncio.sleep(6)
    await stage.attendance.succeed(second, None)
    await asyncio.sleep(0.005)
    stage._carrying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stage.end()
    await stage.attendance.close()
    assert (first.closed, second.closed) == (1, 1)


@virtual
async def test_a_successor_that_never_had_its_turn_is_closed_with_the_call() -> None:
    first, second = Actor(lasts=5, gone="left"), Actor()
    stage = Stage(first)
    assert await stage.end() == (5, "left")
    await stage.attendance.succeed(second, None)
    await stage.attendance.close()
    await stage.attendance.close()
    assert (first.closed, second.closed) == (2, 1)
