"""What is surely going to be said is made before anybody asks for it.

Fillers, greetings, questions into the silence and apologies are known at start. With a voice that
remembers its phrases they cost nothing in a call, and an apology is there when an engine is not.
Frequent questions can be rehearsed too: with a model that remembers its replies, and their sound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import aclosing

from agent.context import Engines, toolbox
from agent.dialogue.filler import Fillers
from agent.dialogue.sentences import SentenceSplitter
from agent.dialogue.spoken import to_speech
from agent.engines.protocols import Priority, ReplyRequest, Synthesizer
from agent.errors import EngineError
from agent.messages import Message, ToolCall
from agent.persona import Persona
from agent.settings import TurnSettings

_CONVERSATION = "rehearsal"


async def warm(
    synthesizer: Synthesizer, personas: Iterable[Persona], settings: TurnSettings
) -> dict[str, EngineError]:
    """Speak every fixed phrase of the personas into the voice's memory.

    Returns the languages whose phrases could not be made, each with the error."""
    failed: dict[str, EngineError] = {}
    for persona in personas:
        try:
            for phrase in phrases_of(persona, settings):
                await _speak(synthesizer, phrase, persona)
        except EngineError as error:
            failed[persona.language] = error
    return failed


async def rehearse(
    engines: Engines, persona: Persona, settings: TurnSettings, question: str
) -> str | None:
    """Answer `question` as the first one of a call, and speak the answer, for nobody.

    Returns the reply; None where the model asks for a tool, which is not used. Raises
    EngineError."""
    calls: list[ToolCall] = []
    messages = [Message("system", persona.instructions)] if persona.instructions else []
    request = ReplyRequest(
        conversation=_CONVERSATION,
        messages=(*messages, Message("user", question)),
        max_tokens=settings.reply.max_tokens,
        priority=Priority.PARTIAL,
        tools=toolbox(engines.tools, persona, settings),
        call=calls.append,
        adapter=persona.adapter,
    )
    try:
        async with aclosing(engines.model.reply(request)) as pieces:
            reply = "".join([piece async for piece in pieces]).strip()
    finally:
        engines.model.forget(_CONVERSATION)
    if calls:
        return None
    for sentence in _sentences(reply, persona, settings):
        await _speak(engines.synthesizer, sentence, persona)
    return reply


def phrases_of(persona: Persona, settings: TurnSettings) -> Iterator[str]:
    """Every phrase that needs no model, sentence by sentence, as the voice is given it."""
    fixed = (
        persona.greeting,
        persona.apology,
        persona.not_understood,
        persona.cannot_hear,
        persona.ask_first,
        persona.ask_second,
        persona.goodbye,
    )
    for text in fixed:
        yield from _sentences(text, persona, settings)
    yield from Fillers(settings.fillers, persona.language).phrases()


def _sentences(text: str, persona: Persona, settings: TurnSettings) -> Iterator[str]:
    """A text that is known as a whole, as the voice is given it in a call."""
    splitter = SentenceSplitter(persona.language, settings.sentences)
    for sentence in [*splitter.feed(text), *splitter.flush()]:
        yield to_speech(sentence.strip(), persona.language, settings.pronunciations).text


async def _speak(synthesizer: Synthesizer, phrase: str, persona: Persona) -> None:
    if not phrase:
        return
    speech = synthesizer.speak(
        phrase, language=persona.language, voice=persona.voice, priority=Priority.PARTIAL
    )
    async with aclosing(speech):
        async for _ in speech:
            pass
