"""Recordings that the caller's client brings into a call, in virtual time."""

from __future__ import annotations

import asyncio

from agent.errors import EngineFailed
from agent.events import (
    BargedIn,
    CallStarted,
    RecordingRead,
    ReplySpoken,
    StageFailed,
    TurnFinished,
)
from agent.messages import Message
from media.audio import silence
from tests.agent.conversation import Line, line
from tests.fakes import FakeModel, FakeTranscriber, Vocabulary
from tests.virtual_time import virtual

SYSTEM = Message("system", "Be brief.")


def bring(it: Line, text: str, key: str = "r", after: tuple[str, ...] | None = None) -> None:
    it.call.desk.read(it.ear.vocabulary.samples(text), key, after=after)


def slow(seconds: float = 2.0, error: EngineFailed | None = None) -> FakeTranscriber:
    return FakeTranscriber(Vocabulary(), seconds=seconds, error=error)


@virtual
async def test_an_answer_waits_for_the_words_of_a_recording() -> None:
    async with line(model=FakeModel("It is noon."), transcriber=slow()) as it:
        await it.wait_for(CallStarted)
        bring(it, "What time is it?")
        await it.call.desk.answer()
        turn = await it.wait_for(TurnFinished)
        assert it.of(RecordingRead)[0].text == "What time is it?"
        assert (turn.transcript, turn.reply) == ("What time is it?", "It is noon.")
        assert it.history == [("user", "What time is it?"), ("assistant", "It is noon.")]
        assert it.transcriber.open_now == 0


@virtual
async def test_a_recording_is_read_where_it_was_put() -> None:
    async with line(transcriber=slow()) as it:
        await it.wait_for(CallStarted)
        desk = it.call.desk
        desk.remember("user", "First.", "first")
        bring(it, "Last of all.", "last")
        desk.remember("assistant", "Well.", "well")
        bring(it, "Second.", "second", after=("first",))
        await desk.answer()
        await it.wait_for(TurnFinished)
    messages = [
        SYSTEM,
        Message("user", "First. Second. Last of all."),
        Message("assistant", "Well."),
    ]
    assert list(it.model.requests[-1].messages) == messages


@virtual
async def test_a_recording_that_comes_while_the_agent_speaks_is_the_next_thing_said() -> None:
    model = FakeModel("This is a very long story, and it goes on for quite a while.", "Yes.")
    async with line(model=model, transcriber=slow(0.1)) as it:
        await it.wait_for(CallStarted)
        it.call.desk.remember("user", "Tell me a story.")
        await it.call.desk.answer()
        await it.wait_for(ReplySpoken)
        bring(it, "Another one.")
        await asyncio.sleep(1.0)
        await it.call.desk.answer()
        cut = await it.wait_for(BargedIn)
        await it.wait_for(TurnFinished)
        await it.wait_for(TurnFinished)
        assert it.history == [
            ("user", "Tell me a story."),
            ("assistant", cut.heard),
            ("user", "Another one."),
            ("assistant", "Yes."),
        ]


@virtual
async def test_a_recording_that_nobody_speaks_in_leaves_no_trace() -> None:
    async with line() as it:
        await it.wait_for(CallStarted)
        it.call.desk.read(silence(1.0), "r")
        assert (await it.wait_for(RecordingRead)).text == ""
        assert it.call._context.history.messages() == (SYSTEM,)


@virtual
async def test_what_is_deleted_before_it_is_understood_was_never_said() -> None:
    async with line(transcriber=slow()) as it:
        await it.wait_for(CallStarted)
        bring(it, "Never mind.")
        it.call.desk.amend("r", "")
        await it.wait_for(RecordingRead)
        assert it.call._context.history.messages() == (SYSTEM,)


@virtual
async def test_a_recogniser_that_fails_is_told_and_the_call_goes_on() -> None:
    async with line(transcriber=slow(error=EngineFailed("stt", "no ears"))) as it:
        await it.wait_for(CallStarted)
        bring(it, "Hello?")
        told = await it.wait_for(StageFailed)
        assert (told.stage, told.recovered) == ("stt", False)
        read = await it.wait_for(RecordingRead)
        assert (read.key, read.text, read.error) == ("r", "", "no ears")
        it.call.desk.remember("user", "Hello.")
        await it.call.desk.answer()
        assert (await it.wait_for(TurnFinished)).reply == "All right."


@virtual
async def test_a_language_that_nobody_understands_is_told() -> None:
    transcriber = slow()
    transcriber.languages = ("ko",)
    async with line(transcriber=transcriber) as it:
        await it.wait_for(CallStarted)
        bring(it, "Hello?")
        assert "understands en" in (await it.wait_for(RecordingRead)).error


@virtual
async def test_a_call_that_ends_leaves_no_recording_open() -> None:
    async with line(transcriber=slow(60.0)) as it:
        await it.wait_for(CallStarted)
        bring(it, "Hello?")
        await asyncio.sleep(0.5)
    assert not it.of(RecordingRead)
