"""A process that sleeps through steps is told from one that is awake by its rest alone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.opus import FRAME_SECONDS
from tests.media.ways_out import OTHER_ACTS, SAMPLES, Call, do, talking
from tests.virtual_time import run_virtual, virtual

MOST = 16
"""Steps that are slept through in a row."""


@dataclass
class Story:
    """All that can be seen of a call to which something happens, by the clock from its begin."""

    call: Call
    clocks: list[tuple[float, float, float, bool]] = field(default_factory=list)
    """Every 5 ms: played, queued and heard, and whether the agent speaks."""
    told: list[tuple[float, str, bool]] = field(default_factory=list)
    """When somebody was told what he waited for, and whether it had come."""
    _begin: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    _waiting: set[asyncio.Task[None]] = field(default_factory=set)

    async def happens(self, what: str, milliseconds: int) -> None:
        """Something is done, and so much time passes."""
        if what in ("say", "phrase"):
            self._wait(self._say(what, milliseconds))
            await asyncio.sleep(0)
        elif what == "wait":
            self._wait(self._reach(self.call.speaker.played + milliseconds / 2000))
            self._wait(self._drain())
        else:
            await do(self.call.speaker, what, milliseconds)
        while milliseconds > 0:
            await self.call.pass_time(min(5, milliseconds) / 1000)
            milliseconds -= 5
            speaker = self.call.speaker
            played, queued, heard = speaker.played, speaker.queued, speaker.heard
            self.clocks.append(
                (round(played, 6), round(queued, 6), round(heard, 6), speaker.is_speaking)
            )

    async def end(self) -> None:
        self.call.leaving.end()
        for waiting in self._waiting:
            waiting.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)

    @property
    def wire(self) -> list[tuple[float, bytes, int, int]]:
        """When each packet left, what was in it, and its numbers from the first one on."""
        _, first, origin = self.call.queue.wire[0] if self.call.queue.wire else (b"", 0, 0)
        return [
            (round(at - self._begin, 3), payload, number - first, time - origin & 0xFFFFFFFF)
            for at, (payload, number, time) in zip(
                self.call.queue.left_at, self.call.queue.wire, strict=True
            )
        ]

    def _wait(self, waiting: Coroutine[Any, Any, None]) -> None:
        self._waiting.add(asyncio.create_task(waiting))

    async def _say(self, what: str, amount: int) -> None:
        await do(self.call.speaker, what, amount)
        self._is_told("said", True)

    async def _reach(self, position: float) -> None:
        self._is_told("reached", await self.call.speaker.reached(position))

    async def _drain(self) -> None:
        await self.call.speaker.drained()
        self._is_told("drained", True)

    def _is_told(self, what: str, outcome: bool) -> None:
        now = asyncio.get_running_loop().time()
        self.told.append((round(now - self._begin, 3), what, outcome))


Script = list[tuple[str, int]]
"""What is done, and milliseconds that pass."""


async def _told(script: Script, codec: str, most: int) -> Story:
    story = Story(Call(codec=codec, most=most, buffer=0.2))
    for what, milliseconds in [*script, ("nothing", 300)]:
        await story.happens(what, milliseconds)
    await story.end()
    return story


@pytest.mark.parametrize("codec", SAMPLES)
@given(
    script=st.lists(
        st.tuples(
            st.sampled_from(["say", "say", "phrase", "wait", "wait", *OTHER_ACTS]),
            st.integers(1, 700),
        ),
        max_size=12,
    )
)
@settings(max_examples=80, deadline=None)
def test_nobody_can_tell_a_sleeping_process_from_one_that_is_awake(
    codec: str, script: Script
) -> None:
    awake = run_virtual(_told(script, codec, 0))
    asleep = run_virtual(_told(script, codec, MOST))
    assert asleep.wire == awake.wire
    assert asleep.clocks == awake.clocks
    assert sorted(asleep.told) == sorted(awake.told)


@virtual
@pytest.mark.parametrize("codec", SAMPLES)
async def test_who_talks_is_slept_through_but_for_a_few_beats(codec: str) -> None:
    call = await talking(codec=codec, most=MOST)
    beats, left = call.beats, len(call.queue.wire)
    await call.pass_time(2.0)
    assert len(call.queue.wire) - left == 100
    assert call.beats - beats <= 100 / 8 + 1


@virtual
async def test_silence_is_slept_through_up_to_the_packet_that_keeps_it_alive() -> None:
    call = Call(most=100)
    await call.pass_time(1.0)
    beats, left = call.beats, len(call.queue.wire)
    await call.pass_time(4.0)
    assert len(call.queue.wire) - left == call.beats - beats == 10
    assert call.queue.led == 0.0, "nothing is queued"


@virtual
async def test_no_more_steps_are_slept_through_than_were_asked_for() -> None:
    call = Call(most=3)
    await call.pass_time(1.0)
    beats = call.beats
    await call.pass_time(1.6)
    assert call.beats - beats == pytest.approx(20, abs=4)


@virtual
async def test_only_what_is_really_queued_is_slept_through() -> None:
    call = await talking(room=2, most=MOST)
    beats = call.beats
    await call.pass_time(1.2)
    assert call.beats - beats >= 20
    assert call.speaker.played == pytest.approx(len(call.queue.wire) * FRAME_SECONDS)


@virtual
async def test_who_cannot_queue_is_awake_at_each_step() -> None:
    call = await talking(room=0, most=MOST)
    beats = call.beats
    await call.pass_time(1.0)
    assert call.beats - beats == 50


@virtual
async def test_enough_is_queued_after_a_rest_for_a_process_that_is_busy_then() -> None:
    call = await talking(most=MOST)
    for milliseconds in (150, 175, 180, 215):
        await call.pass_time(milliseconds / 1000)
        left, asleep = len(call.queue.wire), call.steps_to_sleep
        await call.pass_time((asleep + 5) * FRAME_SECONDS + 0.005, busy=True)
        assert len(call.queue.wire) >= left + asleep + 5


@virtual
async def test_a_way_that_is_over_is_not_slept_through() -> None:
    call = Call(most=MOST)
    await call.pass_time(1.0)
    tick = call.leaving._through
    assert call.leaving.rest(tick, 0.0, MOST) > 0
    call.leaving.end()
    assert call.leaving.rest(tick, 0.0, MOST) == 0


@virtual
async def test_a_process_that_is_awake_again_sends_its_packets_itself() -> None:
    call = await talking(most=MOST)
    assert call.queue.led > 0.0
    assert call.leaving.rest(call.leaving._through, 0.0, 0) == 0
    assert call.queue.led == 0.0


@virtual
async def test_steps_gone_through_before_their_time_are_slept_through_as_well() -> None:
    call = await talking()
    tick = call.leaving._through
    await call.pass_time(0.07, busy=True)
    call.leaving.take_back()
    assert call.leaving._through >= tick + 3
    assert call.leaving.rest(tick, 0.0, MOST) == call.leaving._through - tick


@virtual
async def test_a_listener_who_moves_is_not_slept_through() -> None:
    call = await talking(most=MOST)
    tick = call.leaving._through
    call.sender.transport.transport._connection._nominated = {1: None}
    assert call.leaving.rest(tick, 0.0, MOST) == 0


@virtual
async def test_steps_that_were_gone_through_before_their_time_are_not_behind() -> None:
    call = await talking(most=MOST)
    while call.steps_behind < 3:
        await call.pass_time(0.005)
    played = call.speaker.played
    call.speaker.duck()
    assert call.leaving.behind(call.steps_behind) == 0
    assert call.speaker.played == played
