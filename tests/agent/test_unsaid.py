"""What the history keeps of a reply that the voice did not say to its end, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from agent.engines.protocols import Priority, Speech, Urgent
from agent.errors import EngineFailed
from agent.events import BargedIn, ReplySpoken, StageFailed, TurnFinished
from agent.persona import Persona
from agent.settings import TurnSettings
from tests.agent.conversation import QUIET, line
from tests.fakes import FakeModel, FakeVoice
from tests.virtual_time import virtual

QUESTION = "what time is it in seoul today"
FIRST = "The first thing is this one here."
LONG = f"{FIRST} The second thing comes after that. And the third is last."


class Breaking(FakeVoice):
    """Fails at a sentence with `word` in it, or hangs there; in a later piece of it, if `late`."""

    def __init__(self, word: str, *, hangs: bool = False, late: bool = False) -> None:
        super().__init__()
        self._word, self._hangs, self._late = word, hangs, late

    async def speak(
        self, text: str, *, language: str, voice: str = "", priority: Urgent = Priority.COMMITTED
    ) -> AsyncGenerator[Speech, None]:
        breaks = self._word in text
        if breaks and not self._late:
            await self._break()
        async for piece in super().speak(text, language=language, voice=voice, priority=priority):
            yield piece
        if breaks:
            await asyncio.sleep(4.0)
            await self._break()

    async def _break(self) -> None:
        if self._hangs:
            await asyncio.sleep(3600)
        raise EngineFailed("tts", "the voice is broken")


@virtual
async def test_a_sentence_that_the_voice_failed_to_say_was_not_said() -> None:
    async with line(model=FakeModel(LONG), voice=Breaking("second")) as it:
        await it.say(QUESTION)
        turn = await it.wait_for(TurnFinished)
    assert turn.reply == FIRST
    assert it.history == [("user", QUESTION), ("assistant", FIRST)]


@virtual
async def test_the_pieces_that_were_said_before_the_voice_failed_were_heard() -> None:
    async with line(model=FakeModel(LONG), voice=Breaking("second", late=True)) as it:
        await it.say(QUESTION)
        turn = await it.wait_for(TurnFinished)
    assert turn.reply == f"{FIRST} The second thing comes after that."


@virtual
async def test_a_reply_of_which_nothing_could_be_said_is_not_remembered() -> None:
    async with line(model=FakeModel(LONG), voice=Breaking("first")) as it:
        await it.say(QUESTION)
        turn = await it.wait_for(TurnFinished)
    assert turn.reply == ""
    assert it.history == [("user", QUESTION)]


@virtual
async def test_a_greeting_that_could_not_be_said_is_not_remembered() -> None:
    persona = Persona(instructions="Be brief.", greeting="Hello there.")
    async with line(persona=persona, voice=Breaking("Hello")) as it:
        await it.wait_for(StageFailed)
        await it.say(QUESTION)
        await it.wait_for(TurnFinished)
    assert it.history == [("user", QUESTION), ("assistant", "All right.")]


@pytest.mark.parametrize("interrupts", [False, True], ids=["to its end", "interrupted"])
def test_what_was_heard_before_the_voice_hung_is_remembered_with_the_apology(
    interrupts: bool,
) -> None:
    @virtual
    async def conversation() -> None:
        settings = TurnSettings.model_validate(
            {"reply": {"longest_wait": 5}, "silence": {"enabled": False}}
        )
        voice = Breaking("second", hangs=True)
        async with line(model=FakeModel(LONG), voice=voice, settings=settings) as it:
            await it.say(QUESTION)
            await it.wait_for(StageFailed)
            if interrupts:
                await it.wait_for(ReplySpoken)
                await asyncio.sleep(0.7)
                await it.call.interrupt()
                assert it.of(BargedIn)[0].heard == f"{FIRST} Sorry, something"
            turn = await it.wait_for(TurnFinished)
        apology = "Sorry, something" if interrupts else QUIET.apology
        assert turn.reply == f"{FIRST} {apology}"
        assert it.history[:2] == [("user", QUESTION), ("assistant", f"{FIRST} {apology}")]

    conversation()


@virtual
async def test_a_text_that_stopped_is_followed_by_the_apology() -> None:
    class Stalling(FakeModel):
        async def reply(self, request: object) -> AsyncGenerator[str, None]:  # type: ignore[override]
            yield "One two"
            await asyncio.sleep(3600)

    reply = {"longest_wait": 5, "spoken": False}
    settings = TurnSettings.model_validate({"reply": reply, "silence": {"enabled": False}})
    async with line(model=Stalling(), settings=settings) as it:
        await it.say(QUESTION)
        turn = await it.wait_for(TurnFinished)
    assert turn.reply == f"One two\n{QUIET.apology}"
