"""What a call goes without when the server has much to do. In virtual time."""

from __future__ import annotations

import asyncio

import pytest

from agent.engines.protocols import Priority
from agent.events import (
    LoadChanged,
    PartialTranscript,
    ReplySpoken,
    SpeculationEnded,
    SpeechStarted,
    TurnFinished,
)
from agent.load import Ease, Load, Rung, ease
from agent.settings import TurnSettings
from tests.agent.conversation import QUIET, line
from tests.fakes import FakeModel
from tests.virtual_time import virtual

QUESTION = "what time is it in seoul today"


def strained(rung: Rung) -> Load:
    load = Load(brief_tokens=16)
    load.move(rung, "tts", at=0.0)
    return load


@pytest.mark.parametrize(
    ("rung", "eased"),
    [
        (Rung.EASY, Ease()),
        (Rung.SPARING, Ease(speculates=False, seldom_partials=True)),
        (Rung.BRIEF, Ease(False, True, max_tokens=16)),
        (Rung.CANNED, Ease(False, True, 16, ready_first=True)),
        (Rung.CLOSED, Ease(False, True, 16, ready_first=True)),
    ],
)
def test_a_rung_includes_those_below_it(rung: Rung, eased: Ease) -> None:
    assert ease(rung, brief_tokens=16) == eased


@pytest.mark.parametrize(("rung", "beside"), [(Rung.CANNED, 100), (Rung.CLOSED, 0)])
def test_calls_are_let_in_below_the_last_rung_and_a_few_on_it(rung: Rung, beside: int) -> None:
    load = Load(always_admit=1)
    load.move(rung, "stt", at=0.0)
    assert load.admits(beside)
    assert load.admits(1) is (rung < Rung.CLOSED)


@virtual
async def test_every_change_is_an_event_of_the_call_and_the_state_at_its_begin_too() -> None:
    load = strained(Rung.SPARING)
    async with line(load=load) as it:
        await asyncio.sleep(0.1)
        load.move(Rung.CLOSED, "packets", at=1.0)
        load.move(Rung.CLOSED, "packets", at=2.0)
        load.move(Rung.EASY, "packets", at=3.0)
    told = [(event.rung, event.name, event.cause) for event in it.of(LoadChanged)]
    assert told == [(1, "sparing", "tts"), (4, "closed", "packets"), (0, "easy", "")]
    load.move(Rung.SPARING, "stt", at=4.0)
    assert len(it.of(LoadChanged)) == 3, "a call that is over is told nothing"


@virtual
async def test_nothing_is_prepared_on_suspicion_from_the_first_rung_on() -> None:
    async with line(model=FakeModel("It is noon."), load=strained(Rung.SPARING)) as it:
        await it.say(QUESTION)
        turn = await it.wait_for(TurnFinished)
    assert turn.reply == "It is noon."
    assert not turn.speculated
    assert not it.of(SpeculationEnded)
    assert Priority.SPECULATIVE not in it.transcriber.finals


@virtual
async def test_partials_come_at_the_slowest_pace() -> None:
    partials, first = [], []
    for load in (Load(), strained(Rung.SPARING)):
        async with line(load=load) as it:
            await it.say(QUESTION + " and what will the weather be like tomorrow in busan")
            await it.wait_for(TurnFinished)
        partials.append(len(it.of(PartialTranscript)))
        first.append(it.of(PartialTranscript)[0].at - it.of(SpeechStarted)[0].onset)
    assert 0 < partials[1] <= 0.6 * partials[0]
    assert first[1] > 1.5 * first[0]


@virtual
async def test_replies_are_short_on_the_second_rung() -> None:
    async with line(load=strained(Rung.BRIEF)) as it:
        await it.say(QUESTION)
        await it.wait_for(TurnFinished)
    assert [request.max_tokens for request in it.model.requests] == [16]


@virtual
async def test_a_limit_that_is_lower_still_stays() -> None:
    settings = TurnSettings.model_validate({"reply": {"max_tokens": 8}})
    async with line(load=strained(Rung.BRIEF), settings=settings) as it:
        await it.say(QUESTION)
        await it.wait_for(TurnFinished)
    assert [request.max_tokens for request in it.model.requests] == [8]


@virtual
async def test_a_reply_that_lies_ready_is_given_without_the_model_on_the_third_rung() -> None:
    persona = QUIET.model_copy(update={"canned": {"What time is it, in Seoul today?": "Noon."}})
    for rung, reply, asked in ((Rung.BRIEF, "I say so.", 1), (Rung.CANNED, "Noon.", 0)):
        model = FakeModel("I say so.")
        async with line(model=model, persona=persona, load=strained(rung)) as it:
            await it.say(QUESTION)
            turn = await it.wait_for(TurnFinished)
        assert turn.reply == reply
        assert len(model.requests) == asked
        assert it.history[-1] == ("assistant", reply)


@virtual
async def test_a_call_that_goes_on_while_the_load_rises_is_not_dropped() -> None:
    load = Load()
    async with line(model=FakeModel("It is noon.", "You are welcome."), load=load) as it:
        await it.say(QUESTION)
        await it.wait_for(ReplySpoken)
        load.move(Rung.CLOSED, "packets", at=5.0)
        await it.wait_for(TurnFinished)
        await it.say("thank you very much indeed")
        turn = await it.wait_for(TurnFinished)
    assert turn.reply == "You are welcome."
