"""One timer for the 20 ms steps of all calls.

The steps come from the clock: a late one is made up for by the next, and no drift builds up. Many
calls are spread over four slots, 5 ms apart, so that they do not all leave in one burst; a few
share one, since waking a process costs as much as a packet does. The timer runs while there is a
member.

At each step all members of a slot first hear what has come. Before they go on, the tasks that wait
for it get their turn: what answers at once is sent in the same step, not 20 ms later.

Who needs nothing for a while rests: when all members of a slot do, every second step of it wakes
nobody, and is made up for with the next one. `wake()` is for who rested and has something to send.

A lone member may say by how much sooner the beat had better come; more of them would not agree.

A member that raises is taken out and told why; the others never notice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from media.opus import FRAME_SECONDS
from media.track import Ticks

_SLOTS = 4
_TOGETHER = 16
"""Members that share a slot before the next one is opened; their burst takes less than 1 ms."""
_REVIEWED = 16
"""Steps from one question to a lone member to the next whether its beat is the best."""
_ROUNDS = 3
"""Rounds of the loop that listeners get who may answer at once: one wakes a listener, one judges
the windows of several callers, one wakes who waits for that. The others get the first alone."""

T = TypeVar("T")
Step = Callable[[int, float], float | None]
"""Called with the number of the 20 ms step, rising by one, and when it was due by the loop's clock.
Where its packet has left by itself meanwhile: how many seconds after that."""


@dataclass(eq=False, slots=True)
class _Member:
    step: Step
    failed: Callable[[Exception], None]
    hear: Callable[[], bool] | None
    rests: Callable[[], bool] | None
    advance: Callable[[], float] | None

    def is_needed(self, tick: int) -> bool:
        """Whether it is to be called at that step in time."""
        return tick % 2 == 0 or self.rests is None or not self.rests()


@dataclass(eq=False, slots=True)
class _Slot:
    ticks: Ticks
    members: list[_Member] = field(default_factory=list)
    is_resting: bool = False
    """The next step is made up for with the one after it."""

    @property
    def due(self) -> float:
        return self.ticks.due + FRAME_SECONDS * self.is_resting

    @property
    def can_rest(self) -> bool:
        tick = self.ticks.number
        if tick % 2 == 0:
            return False
        return all(member.rests is not None and member.rests() for member in self.members)


class Pacer:
    """The common beat. `on_lateness` is told how late each step is, and how late its packets left,
    the last of them, in seconds."""

    def __init__(self, on_lateness: Callable[[float, float], None] | None = None) -> None:
        self._on_lateness = on_lateness
        self._slots: list[_Slot] = []
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nobody is paced."""
        return self._timer is None

    def join(
        self,
        step: Step,
        failed: Callable[[Exception], None],
        hear: Callable[[], bool] | None = None,
        rests: Callable[[], bool] | None = None,
        advance: Callable[[], float] | None = None,
    ) -> Callable[[], None]:
        """Call `step` every 20 ms from now on, and `hear` shortly before, which says whether what
        was heard may be answered at once; what is returned ends it (idempotent).

        While `rests` says so, `hear` is called every 40 ms only, and so is `step`, twice in a row.
        `advance` says by how many seconds the steps had better come sooner, once.
        When one of them raises neither is called again, and `failed` is given what it raised."""
        loop = asyncio.get_running_loop()
        if self._timer is None:
            start = loop.time()
            self._slots = [
                _Slot(Ticks(start + slot * FRAME_SECONDS / _SLOTS)) for slot in range(_SLOTS)
            ]
        slot = min(self._slots, key=lambda slot: len(slot.members) // _TOGETHER)
        if self._timer is not None and not slot.members:
            slot.ticks.skip(loop.time())
        member = _Member(step, failed, hear, rests, advance)
        slot.members.append(member)
        self._schedule(loop)

        def leave() -> None:
            if member in slot.members:
                slot.members.remove(member)
            self._schedule(loop)

        return leave

    def wake(self) -> None:
        """Somebody who rested is needed at the next step."""
        if any(slot.is_resting for slot in self._slots):
            loop = asyncio.get_running_loop()
            for slot in self._slots:
                if slot.is_resting:
                    self._make_up(slot, loop.time())
            self._schedule(loop, may_rest=False)

    def _schedule(self, loop: asyncio.AbstractEventLoop, *, may_rest: bool = True) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        busy = [slot for slot in self._slots if slot.members]
        for slot in busy:
            # What was rested through is made up for as planned, whoever comes or goes meanwhile.
            has_rested = slot.is_resting and not slot.ticks.wait(loop.time())
            slot.is_resting = may_rest and (has_rested or slot.can_rest)
        dues = [slot.due for slot in busy]
        if dues:
            self._timer = loop.call_at(min(dues), self._beat, loop)

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for slot in self._slots:
            if slot.is_resting:
                self._make_up(slot, now)
        due = [slot for slot in self._slots if slot.members and not slot.ticks.wait(now)]
        rounds = 0
        for slot in due:
            for member in list(slot.members):
                if member.hear is not None and member.is_needed(slot.ticks.number):
                    may_answer = self._guard(slot, member, member.hear)
                    rounds = _ROUNDS if may_answer else max(rounds, 1)
        self._go_on(loop, due, rounds)

    def _make_up(self, slot: _Slot, now: float) -> None:
        """Take the step that is rested through, if it has come."""
        if not slot.ticks.wait(now):
            slot.is_resting = False
            self._take_step(slot, now)

    def _take_step(self, slot: _Slot, now: float) -> float:
        """How late the last packet of it left."""
        late, latest = max(0.0, now - slot.ticks.due), 0.0
        tick = slot.ticks.take(now)
        for member in list(slot.members):
            left = self._guard(slot, member, member.step, tick, slot.ticks.time(tick))
            latest = max(latest, late if left is None else left)
        if tick % _REVIEWED == _REVIEWED - 1:
            self._follow_a_lone_member()
        return latest

    def _follow_a_lone_member(self) -> None:
        members = [(slot, member) for slot in self._slots for member in slot.members]
        if len(members) != 1:
            return
        slot, member = members[0]
        if member.advance is not None and (sooner := self._guard(slot, member, member.advance)):
            for each in self._slots:
                each.ticks.advance(sooner)

    def _go_on(self, loop: asyncio.AbstractEventLoop, due: list[_Slot], rounds: int) -> None:
        """Step these slots, after so many rounds of the loop."""
        if rounds:
            loop.call_soon(self._go_on, loop, due, rounds - 1)
            return
        for slot in due:
            while slot.members and not slot.ticks.wait(now := loop.time()):
                late = max(0.0, now - slot.ticks.due)
                latest = self._take_step(slot, now)
                if self._on_lateness is not None:
                    self._on_lateness(late, latest)
        self._schedule(loop)

    @staticmethod
    def _guard(slot: _Slot, member: _Member, call: Callable[..., T], *arguments: float) -> T | None:
        try:
            return call(*arguments)
        except Exception as error:  # The boundary between calls that share this timer.
            if member in slot.members:
                slot.members.remove(member)
            member.failed(error)
            return None
