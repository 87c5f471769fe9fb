"""One timer for the 20 ms steps of all calls.

The steps come from the clock: a late one is made up for by the next, and no drift builds up. Many
calls are spread over four slots, 5 ms apart, so that they do not all leave in one burst; a few
share one, since waking a process costs as much as a packet does. The timer runs while there is a
member.

At each step all members of a slot first hear what has come. Before they go on, the tasks that wait
for it get their turn: what answers at once is sent in the same step, not 20 ms later.

Who needs nothing for a while rests for as many steps as it says, whatever the others do, and then
goes through them one by one, as if it had been there: it hears a step, the tasks get their turn, it
takes the step. `Place.wake` is for who is needed sooner.

A lone member may say by how much sooner the beat had better come; more of them would not agree.

A member that raises is taken out and told why; the others never notice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import TypeVar

from media.opus import FRAME_SECONDS
from media.track import EARLY, LOST

_SLOTS = 4
_TOGETHER = 16
"""Members that share a slot before the next one is opened; their burst takes less than 1 ms."""
_REVIEWED = 16
"""Steps from one question to a lone member to the next whether its beat is the best."""
_ROUNDS = 3
"""Rounds of the loop that listeners get who may answer at once: one wakes a listener, one judges
the windows of several callers, one wakes who waits for that. The others get the first alone."""
_LOST = int(LOST / FRAME_SECONDS)
"""Steps by which one who is called may be late and make up for them."""

T = TypeVar("T")
Step = Callable[[int, float], float | None]
"""Called with the number of the 20 ms step, rising by one, and when it was due by the loop's clock.
Where its packet has left by itself meanwhile: how many seconds after that."""
Hear = Callable[[int], bool | None]
"""Called with the number of the step that follows. Whether what was heard may be answered at once;
None when nobody was given anything."""
Rest = Callable[[int, float], int]
"""Called with the step just taken and when it was due: how many of the next need not be called."""


@dataclass(eq=False, slots=True)
class _Member:
    step: Step
    failed: Callable[[Exception], None]
    hear: Hear | None
    rest: Rest | None
    advance: Callable[[], float] | None
    next: int
    """The step that it goes through next."""
    wanted: int
    """The step at which it is called."""
    rested: int
    """The first that it does not rest through: those before are not late, and all made up for."""
    taken: int = 0
    """Those before it were taken already, ahead of what was heard in them."""
    reviewed: int = 0
    is_gone: bool = False


@dataclass(eq=False, slots=True)
class _Slot:
    start: float
    members: list[_Member] = field(default_factory=list)
    called: list[_Member] = field(default_factory=list)
    """Who goes through a step now."""
    due: float = inf
    """When the first of the members is called."""
    lost: int = 0
    """Steps that came too late to be made up for and are left out now."""

    def time(self, tick: int) -> float:
        """When that step is due."""
        # From the start each time: a sum of steps would drift.
        return self.start + tick * FRAME_SECONDS

    def latest(self, now: float) -> int:
        """The last step that has come; -1 before the first."""
        return int((now - self.start + EARLY) // FRAME_SECONDS)

    def call(self, now: float) -> bool:
        """Whether anybody is called now."""
        latest = self.latest(now)
        self.called = [member for member in self.members if member.wanted <= latest]
        for member in self.called:
            if latest - member.next >= _LOST and member.next >= member.rested:
                self.lost, member.next = latest - member.next, latest
        return bool(self.called)

    def hear(self) -> int:
        """Those who are called hear; for how many rounds of the loop they wait then."""
        rounds = 0
        for member in self.called:
            if member.hear is None or member.is_gone:
                continue
            may_answer = self.guard(member, member.hear, member.next)
            if may_answer is not None:
                rounds = _ROUNDS if may_answer else max(rounds, 1)
        return rounds

    def step(self, now: float) -> tuple[float, float] | None:
        """Those who have heard step. How late this was, and how late the last packet left; None
        when there is nothing to tell."""
        lost, self.lost = self.lost * FRAME_SECONDS, 0
        latest_late, latest_left = 0.0, -1.0
        for member in self.called:
            if member.is_gone:
                continue
            tick = member.next
            member.next = tick + 1
            if tick < member.taken:
                continue
            due = self.start + tick * FRAME_SECONDS
            left = self.guard(member, member.step, tick, due)
            if tick >= member.rested:
                late = max(0.0, now - due) + lost
                latest_late = max(latest_late, late)
                left = late if left is None else left
            if left is not None and left > latest_left:
                latest_left = left
        return (latest_late, latest_left) if latest_left >= 0.0 else None

    def rest(self, now: float) -> None:
        """Those who have gone through all that has come say when they are needed again."""
        latest = self.latest(now)
        for member in self.called:
            tick = member.next - 1
            if tick < latest or member.is_gone:
                continue
            following = tick + 1
            if member.rest is not None:
                steps = self.guard(member, member.rest, tick, self.time(tick))
                following += max(0, steps or 0)
            member.wanted = member.rested = following
        self.called = []
        self.settle()

    def settle(self) -> None:
        """The members, or when they are called, are others."""
        wanted = [member.wanted for member in self.members]
        self.due = self.time(min(wanted)) if wanted else inf

    def drop(self, member: _Member) -> None:
        """It is not called again. Idempotent."""
        if not member.is_gone:
            member.is_gone = True
            self.members.remove(member)
            self.settle()

    def guard(self, member: _Member, call: Callable[..., T], *arguments: float) -> T | None:
        """Call it; whoever raises is dropped, and told why."""
        try:
            return call(*arguments)
        except Exception as error:  # The boundary between calls that share this timer.
            self.drop(member)
            member.failed(error)
            return None


class Place:
    """A member's place at the beat."""

    def __init__(
        self, pacer: Pacer, slot: _Slot, member: _Member, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._pacer = pacer
        self._slot = slot
        self._member = member
        self._loop = loop

    @property
    def behind(self) -> int:
        """How many steps have come that were not taken."""
        if self._member.is_gone:
            return 0
        taken = max(self._member.next, self._member.taken)
        return max(0, self._slot.latest(self._loop.time()) + 1 - taken)

    def leave(self) -> None:
        """Be called no more. Idempotent."""
        self._slot.drop(self._member)
        self._pacer.schedule(self._loop)

    def wake(self, *, now: bool = False) -> None:
        """Rest no longer: be called at the next step that comes. `now`: go through those that have
        come in the next round of the loop, if any has."""
        member, slot = self._member, self._slot
        coming = slot.latest(self._loop.time()) + 1
        member.rested = min(member.rested, coming)
        wanted = member.next if now else coming
        if wanted < member.wanted and not member.is_gone:
            member.wanted = wanted
            slot.settle()
            self._pacer.schedule(self._loop)

    def make_up(self) -> None:
        """Somebody has something to say, after what was rested through: take at once those of these
        steps that have come, and wake. What came in them is heard at the next step."""
        member, slot = self._member, self._slot
        latest = slot.latest(self._loop.time())
        for tick in range(max(member.next, member.taken), min(latest + 1, member.rested)):
            if not member.is_gone:
                member.taken = tick + 1
                slot.guard(member, member.step, tick, slot.time(tick))
        self.wake()


class Pacer:
    """The common beat. `on_lateness` is told how late each step is, and how late its packets left,
    the last of them, in seconds. A step that was rested through is not late: of such it is told
    those packets that left by themselves."""

    def __init__(self, on_lateness: Callable[[float, float], None] | None = None) -> None:
        self._on_lateness = on_lateness
        self._slots: list[_Slot] = []
        self._timer: asyncio.TimerHandle | None = None
        self._called: list[_Slot] = []
        """Those that go through a step now."""

    @property
    def is_idle(self) -> bool:
        """Whether nobody is paced."""
        return not any(slot.members for slot in self._slots)

    def join(
        self,
        step: Step,
        failed: Callable[[Exception], None],
        hear: Hear | None = None,
        rest: Rest | None = None,
        advance: Callable[[], float] | None = None,
    ) -> Place:
        """Call `step` every 20 ms from now on, and `hear` shortly before.

        After the latest step that has come `rest` is asked for how many of the next it need not be
        called: when they are over, or who rests is woken, it goes through each of them.
        `advance` says by how many seconds the steps had better come sooner, once.
        When one of them raises none is called again, and `failed` is given what it raised."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self.is_idle:
            self._slots = [_Slot(now + slot * FRAME_SECONDS / _SLOTS) for slot in range(_SLOTS)]
        slot = min(self._slots, key=lambda slot: len(slot.members) // _TOGETHER)
        first = slot.latest(now) + 1 if slot.start < now else 0
        member = _Member(step, failed, hear, rest, advance, first, first, first)
        slot.members.append(member)
        slot.settle()
        self.schedule(loop)
        return Place(self, slot, member, loop)

    def schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        """Somebody is called at another time than before, or nobody any more."""
        if self._called:
            return  # When they have gone through their step.
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = min([slot.due for slot in self._slots])
        if due < inf:
            self._timer = loop.call_at(due, self._beat, loop)

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        self._go_on(loop, self._hear(loop.time()))

    def _hear(self, now: float) -> int:
        """As `_Slot.hear`, of all who are due."""
        soon, rounds = now + EARLY, 0
        self._called = [slot for slot in self._slots if slot.due <= soon and slot.call(now)]
        for slot in self._called:
            rounds = max(rounds, slot.hear())
        return rounds

    def _go_on(self, loop: asyncio.AbstractEventLoop, rounds: int) -> None:
        """Take the steps that have come, each after so many rounds of the loop as its listeners
        get."""
        while self._called and not rounds:
            self._step(loop.time())
            rounds = self._hear(loop.time())
        if self._called:
            loop.call_soon(self._go_on, loop, rounds - 1)
        else:
            self.schedule(loop)

    def _step(self, now: float) -> None:
        for slot in self._called:
            told = slot.step(now)
            if told is not None and self._on_lateness is not None:
                self._on_lateness(*told)
        self._follow_a_lone_member(now)
        for slot in self._called:
            slot.rest(now)

    def _follow_a_lone_member(self, now: float) -> None:
        if len(self._called) > 1 or len(self._called[0].members) != 1:
            return
        (slot,) = self._called
        (member,) = slot.members
        is_due = member.next >= member.reviewed + _REVIEWED and member.next > slot.latest(now)
        if member.advance is None or not is_due:
            return
        if any(each.members for each in self._slots if each is not slot):
            return
        member.reviewed = member.next
        if sooner := slot.guard(member, member.advance):
            for each in self._slots:
                each.start -= sooner
                each.settle()
