"""A call that goes on in another language, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from agent.engines.protocols import Priority, Speech, Urgent
from agent.events import ReplySpoken, TurnFinished
from agent.persona import Persona
from tests.agent.conversation import line
from tests.fakes import FakeModel, FakeVoice
from tests.virtual_time import virtual

LONG = "The first thing is this one here. The second thing comes after that. And the third is last."


class Multilingual(FakeVoice):
    """Remembers the languages that it spoke."""

    def __init__(self) -> None:
        super().__init__()
        self.languages: list[str] = []

    async def speak(
        self, text: str, *, language: str, voice: str = "", priority: Urgent = Priority.COMMITTED
    ) -> AsyncGenerator[Speech, None]:
        self.languages.append(language)
        async for piece in super().speak(text, language=language, voice=voice, priority=priority):
            yield piece


@virtual
async def test_a_reply_is_said_to_its_end_in_the_language_that_it_began_in() -> None:
    voice = Multilingual()
    model = FakeModel(LONG, "네, 알겠습니다.", per_token=0.2)
    async with line(model=model, voice=voice) as it:
        await it.say("what time is it in seoul today")
        await it.wait_for(ReplySpoken)
        it.call.speak_language(Persona(language="ko", greeting=""))
        turn = await it.wait_for(TurnFinished)
        assert turn.reply == LONG
        assert set(voice.languages) == {"en"} and len(voice.languages) > 1
        await asyncio.sleep(0.5)
        await it.say("and in tokyo please")
        await it.wait_for(TurnFinished)
    assert voice.languages[-1] == "ko"
