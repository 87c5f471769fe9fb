"""The configured dictionary: how to say what a voice says wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent.dialogue.spoken.rewriting import Rewriting


def pronounce(text: Rewriting, pronunciations: Mapping[str, str]) -> None:
    """Replace whole words; the longest entry wins. An entry in small letters matches any case; an
    entry in Hangul may be followed by a particle."""
    entries = {written: said for written, said in pronunciations.items() if written.strip()}
    if not entries:
        return
    folded = {written.lower(): said for written, said in entries.items() if written.islower()}
    alternatives = "|".join(_pattern(written) for written in sorted(entries, key=len, reverse=True))

    def said(match: re.Match[str]) -> str | None:
        written = match.group()
        return entries[written] if written in entries else folded.get(written.lower())

    text.sub(re.compile(rf"(?<![^\W_])(?:{alternatives})"), said)


def _pattern(written: str) -> str:
    case = "(?i:" if written.islower() else "(?:"
    is_hangul = "가" <= written[-1] <= "힣"
    ending = "" if is_hangul else r"(?![A-Za-z0-9])"
    return f"{case}{re.escape(written)}{ending})"
