"""A caller who is away for a moment, in virtual time."""

from __future__ import annotations

import asyncio

from agent.events import TurnFinished
from tests.agent.conversation import QUIET, line
from tests.virtual_time import virtual

QUESTION = "what time is it"


@virtual
async def test_the_silence_of_who_is_away_is_not_theirs() -> None:
    async with line(persona=QUIET) as it:
        it.call.hold()
        await asyncio.sleep(60)
        assert not it.said
        it.call.release()
        await asyncio.sleep(5)
        assert not it.said
        await asyncio.sleep(8)
        assert it.said[0] == "Are you still there?"


@virtual
async def test_who_is_back_is_heard_and_answered_as_before() -> None:
    async with line() as it:
        await it.say(QUESTION)
        first = await it.wait_for(TurnFinished)
        it.call.hold()
        await asyncio.sleep(20)
        it.call.release()
        await it.say(QUESTION)
        second = await it.wait_for(TurnFinished)
        assert (first.turn, second.turn) == (1, 2)
