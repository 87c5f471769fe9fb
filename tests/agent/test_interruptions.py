"""The caller over the agent, in virtual time: what stops it, what does not, what is remembered."""

from __future__ import annotations

import asyncio

from agent.events import (
    BargedIn,
    PhaseChanged,
    ReplyDucked,
    TurnDropped,
    TurnFinished,
)
from agent.settings import TurnSettings
from tests.agent.conversation import line
from tests.fakes import FakeModel
from tests.virtual_time import virtual

QUESTION = "what time is it in seoul today"
LONG = "The first thing is this one here. The second thing comes after that. And the third is last."


@virtual
async def test_a_barge_in_stops_the_reply_and_keeps_what_was_heard() -> None:
    async with line(model=FakeModel(LONG, "Sure.")) as it:
        await it.say(QUESTION)
        await it.wait_for(PhaseChanged)
        await asyncio.sleep(1.6)
        before = asyncio.get_running_loop().time()
        await it.say("no wait listen to me")
        barged = await it.wait_for(BargedIn)
        turn = await it.wait_for(TurnFinished)
        silent_from = barged.at + 0.03
        assert it.heard_between(silent_from, silent_from + 0.3) == 0
        assert barged.at - before < 0.8
        second = await it.wait_for(TurnFinished)
    assert turn.interrupted
    assert LONG.startswith(turn.reply) and 0 < len(turn.reply) < len(LONG)
    assert it.history[1] == ("assistant", turn.reply)
    assert second.transcript == "no wait listen to me"


@virtual
async def test_a_barge_in_ducks_first() -> None:
    async with line(model=FakeModel(LONG)) as it:
        await it.say(QUESTION, then=1.5)
        start = asyncio.get_running_loop().time()
        await it.say("no wait listen to me")
        barged = await it.wait_for(BargedIn)
        ducked = it.of(ReplyDucked)[0]
    assert ducked.ducked
    assert ducked.at < barged.at
    assert ducked.at - start <= 0.25


@virtual
async def test_a_backchannel_does_not_stop_the_reply() -> None:
    async with line(model=FakeModel(LONG)) as it:
        await it.say(QUESTION, then=1.8)
        await it.say("uh-huh")
        turn = await it.wait_for(TurnFinished)
    assert not turn.interrupted
    assert turn.reply == LONG
    assert [event.reason for event in it.of(TurnDropped)] == ["backchannel"]
    assert not it.of(BargedIn)


@virtual
async def test_two_barge_ins_in_a_row() -> None:
    async with line(model=FakeModel(LONG, LONG, "All right then.")) as it:
        await it.say(QUESTION, then=2.0)
        await it.say("no wait listen to me", then=2.0)
        await it.say("stop it now please")
        await asyncio.sleep(6)
    assert len(it.of(BargedIn)) == 2
    assert [turn.interrupted for turn in it.turns] == [True, True, False]
    assert it.history[-1] == ("assistant", "All right then.")


@virtual
async def test_the_agent_can_be_stopped_by_a_button() -> None:
    async with line(model=FakeModel(LONG)) as it:
        await it.say(QUESTION, then=2.0)
        await it.call.interrupt()
        turn = await it.wait_for(TurnFinished)
        await asyncio.sleep(1)
    assert turn.interrupted
    assert it.phase == "ended"
    assert "listening" in [event.phase for event in it.of(PhaseChanged)][3:]


def test_speaking_over_the_agent_at_any_moment_keeps_the_history_true() -> None:
    """A second utterance begins at every moment of the first turn; nothing is answered twice."""

    settings = TurnSettings.model_validate({"silence": {"enabled": False}})

    async def conversation(length: float) -> None:
        model = FakeModel(LONG, first_token=0.3)
        async with line(model=model, settings=settings) as it:
            it.ear.say("what time is it")
            await asyncio.sleep(1.0 + length)
            it.ear.say("no tell me about seoul instead")
            await asyncio.sleep(14)
        spoken = " ".join(text for role, text in it.history if role == "user")
        assert spoken == "what time is it no tell me about seoul instead"
        said = [text for role, text in it.history if role == "assistant"]
        assert said[-1] == LONG
        assert all(LONG.startswith(text) for text in said)
        assert it.model.asked[-1].endswith("no tell me about seoul instead")

    for step in range(40):
        virtual(conversation)(0.13 * step)
