"""What is surely going to be said is synthesized before anybody calls.

Fillers, greetings, questions into the silence and apologies are known at start. With a voice that
remembers its phrases they cost nothing in a call, and an apology is there when an engine is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import aclosing

from agent.dialogue.filler import Fillers
from agent.dialogue.sentences import SentenceSplitter
from agent.dialogue.spoken import to_speech
from agent.engines.protocols import Priority, Synthesizer
from agent.errors import EngineError
from agent.persona import Persona
from agent.settings import TurnSettings


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
        splitter = SentenceSplitter(persona.language, settings.sentences)
        for sentence in [*splitter.feed(text), *splitter.flush()]:
            yield to_speech(sentence.strip(), persona.language, settings.pronunciations).text
    yield from Fillers(settings.fillers, persona.language).phrases()


async def _speak(synthesizer: Synthesizer, phrase: str, persona: Persona) -> None:
    if not phrase:
        return
    speech = synthesizer.speak(
        phrase, language=persona.language, voice=persona.voice, priority=Priority.PARTIAL
    )
    async with aclosing(speech):
        async for _ in speech:
            pass
