"""Each language goes to its own engine."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from agent.engines.resilience import SynthesizerByLanguage, TranscriberByLanguage
from agent.errors import LanguageUnsupported
from tests.agent.engines.resilience.engines import Ear, Voice
from tests.virtual_time import virtual


@virtual
async def test_a_language_has_its_own_ear_and_others_share_one() -> None:
    english, others = Ear([["yes"]]), Ear([["ja"]])
    transcriber = TranscriberByLanguage({"en": english, "*": others})
    assert transcriber.open(language="en") is english.opened[0]
    assert transcriber.open(language="de") is others.opened[0]
    assert others.opened[0].language == "de"


@virtual
async def test_a_language_without_an_engine_is_named_with_those_that_have_one() -> None:
    transcriber = TranscriberByLanguage({"en": Ear([[]]), "ko": Ear([[]])})
    with pytest.raises(LanguageUnsupported, match="no engine for 'fr'; there is one for: en, ko"):
        transcriber.open(language="fr")
    with pytest.raises(LanguageUnsupported, match="there is one for: none") as caught:
        SynthesizerByLanguage({}).speak("Bonjour.", language="fr")
    assert caught.value.stage == "tts"


@virtual
async def test_a_voice_is_chosen_by_language() -> None:
    english, korean = Voice([["x"]]), Voice([["x", "y"]])
    voice = SynthesizerByLanguage({"en": english, "ko": korean})
    async with aclosing(voice.speak("네.", language="ko", voice="yuna")) as speech:
        assert len([piece async for piece in speech]) == 2
    assert (english.uses, korean.voices) == (0, ["yuna"])


@virtual
async def test_a_shared_engine_is_started_and_closed_once() -> None:
    shared, own = Ear([[]]), Ear([[]])
    transcriber = TranscriberByLanguage({"en": own, "de": shared, "*": shared})
    await transcriber.start()
    await transcriber.aclose()
    assert (shared.starts, shared.closes, own.starts, own.closes) == (1, 1, 1, 1)
