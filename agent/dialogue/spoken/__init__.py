"""Written text as it is to be spoken: numbers, dates, money and marks become words.

Pure. Where a voice would be left to guess ("12,500", "3:30", "Dr.", a link, an emoji) the words are
decided here, the same for every voice; and the way back from the spoken words to the written ones
is kept, because a reply that is cut off stays in the history as it was written.
"""

from __future__ import annotations

from collections.abc import Mapping

from agent.dialogue.spoken.english import LANGUAGE as ENGLISH
from agent.dialogue.spoken.korean import LANGUAGE as KOREAN
from agent.dialogue.spoken.language import Language
from agent.dialogue.spoken.markup import normalise, say_addresses, strip_markdown
from agent.dialogue.spoken.pronunciation import pronounce
from agent.dialogue.spoken.rewriting import Rewriting
from agent.dialogue.spoken.spoken_text import SpokenText, TimedWord
from agent.dialogue.spoken.tidy import tidy

__all__ = ["SpokenText", "TimedWord", "to_speech"]

_LANGUAGES: Mapping[str, Language] = {"en": ENGLISH, "ko": KOREAN}
_PASSES = 4
"""Spelling a strange text may bring up something to spell; it settles after two or three passes."""


def to_speech(
    text: str, language: str, pronunciations: Mapping[str, str] | None = None
) -> SpokenText:
    """`text` in plain words of `language` (ISO 639-1; of English where it is not known).

    `pronunciations` maps a written word to how it is said, before anything else is decided. The
    result has no digit, and is its own spoken form. Never raises."""
    spelling = _LANGUAGES.get(language.split("-")[0].lower(), ENGLISH)
    rewriting = Rewriting(text)
    strip_markdown(rewriting)
    normalise(rewriting)
    pronounce(rewriting, pronunciations or {})
    for _ in range(_PASSES):
        before = rewriting.text
        _spell(rewriting, spelling)
        if rewriting.text == before:
            break
    said = rewriting.text if any(char.isalpha() for char in rewriting.text) else ""
    return SpokenText(text, said, rewriting.spans)


def _spell(text: Rewriting, language: Language) -> None:
    strip_markdown(text)
    normalise(text)
    say_addresses(text, language.address)
    for pattern, spell in language.rules:
        text.sub(pattern, spell)
    tidy(text, language.address.dot.strip())
