"""The caller pauses and goes on: what was begun in the pause is stopped then, not later."""

from __future__ import annotations

import asyncio
from typing import Any

from agent.events import BargedIn, CallStarted, ReplySpoken, SpeculationEnded, TurnFinished
from agent.settings import TurnSettings
from tests.agent.conversation import line
from tests.fakes import FakeModel, FakeTranscriber, Vocabulary
from tests.virtual_time import virtual

REST = "for two of us tomorrow evening and a high chair for the little one"


def slow(seconds: float) -> FakeTranscriber:
    return FakeTranscriber(Vocabulary(), seconds=seconds, partials=False)


@virtual
async def test_the_model_stops_preparing_an_answer_to_half_a_sentence() -> None:
    model = FakeModel("Noted.", first_token=8.0)
    async with line(model=model) as it:
        await it.say("please book a table", then=0.26)
        assert model.running == 1
        it.ear.say(REST)
        await asyncio.sleep(0.6)
        assert model.running == 0
        assert [event.outcome for event in it.of(SpeculationEnded)] == ["discarded"]


@virtual
async def test_the_next_pause_prepares_the_answer_to_the_whole_sentence() -> None:
    model = FakeModel("Stale words.", "Fresh words.", first_token=0.02)
    async with line(model=model) as it:
        await it.say("please book a table", then=0.26)
        await it.say(REST, then=0.26)
        assert model.asked == ["please book a table", f"please book a table {REST}"]
        turn = await it.wait_for(TurnFinished)
    assert turn.speculated
    assert it.said == ["Fresh words."]


@virtual
async def test_the_recogniser_stops_writing_down_half_of_what_is_held() -> None:
    transcriber = slow(2.0)
    async with line(transcriber=transcriber) as it:
        await it.wait_for(CallStarted)
        base = TurnSettings()
        by_hand: Any = base.floor.model_copy(update={"by_hand": True})
        it.call.desk.adjust(base.model_copy(update={"floor": by_hand}))
        await it.say("please book a table", then=0.5)
        assert len(transcriber.finals) == 1
        await it.say(REST)
        assert transcriber.ended == []


@virtual
async def test_the_recogniser_stops_understanding_half_of_what_is_said_over_the_agent() -> None:
    patient = TurnSettings.model_validate({"barge_in": {"confirm_after": 3.0}})
    model = FakeModel("It is noon there and that is what everybody has for lunch by now.")
    async with line(model=model, settings=patient, transcriber=slow(0.02)) as it:
        await it.say("what time is it in seoul today")
        await it.wait_for(ReplySpoken)
        await asyncio.sleep(0.8)
        it.transcriber.seconds = 1.5
        understood = len(it.transcriber.ended)
        await it.say("and besides", then=0.3)
        assert len(it.transcriber.finals) == understood + 1
        await it.say("please book a table for two of us")
        assert not it.of(BargedIn)
        await asyncio.sleep(0.1)
        assert len(it.transcriber.ended) == understood
