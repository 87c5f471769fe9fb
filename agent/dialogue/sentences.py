"""A reply, arriving piece by piece, cut into what the voice is given to speak.

The first piece is small, because the caller waits for it: the first clause, as soon as it can be
spoken well. After it come whole sentences. Joining all pieces gives the text back, and where
nobody hurries the cuts do not depend on how the text arrived.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, Field

from agent.dialogue.boundaries import (
    LOOKAHEAD,
    clause_ends,
    is_marked,
    open_fence,
    rules_of,
    sentence_ends,
    weight,
    word_ends,
)

_SAFE_ENDS = ("!", "?", "。", "！", "？")


class SentenceSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How a reply is cut for the voice. A word is an English one, or two Hangul syllables."""

    first_words: int = Field(default=3, ge=1, le=20)
    """Words that the first piece has at least when a comma or a connective ending ends it."""
    first_words_unmarked: int = Field(default=5, ge=1, le=30)
    """Words that it has at least when nothing but what follows ends it, as before `because`."""
    shortest_words: float = Field(default=2, ge=0.5, le=10)
    """Words of the shortest sentence that is spoken by itself; a shorter one waits for the next."""
    longest: int = Field(default=240, ge=40, le=2000)
    """Characters of the longest piece; a longer sentence is cut at a soft boundary."""


class SentenceSplitter:
    """Cuts one reply. `language` is ISO 639-1."""

    def __init__(self, language: str, settings: SentenceSettings | None = None) -> None:
        self._rules = rules_of(language)
        self._settings = settings or SentenceSettings()
        self._text = ""
        self._first = True
        self._hurried = False

    def feed(self, piece: str) -> list[str]:
        """Take the next piece of the reply; answer what can be spoken now, in order."""
        self._text += piece
        return self._take()

    def hurry(self) -> None:
        """Enough time passed: the next `feed`, even of nothing, answers what can be said at all."""
        self._hurried = True

    def flush(self) -> list[str]:
        """The reply is complete: answer the rest."""
        pieces = self._take()
        if self._text:
            pieces.append(self._cut(len(self._text)))
        return pieces

    def _take(self) -> list[str]:
        pieces = []
        while cut := self._next_cut():
            pieces.append(self._cut(cut))
        return pieces

    def _cut(self, at: int) -> str:
        piece, self._text = self._text[:at], self._text[at:]
        self._first = self._first and not weight(piece)
        self._hurried = False
        return piece

    def _next_cut(self) -> int | None:
        if not self._text or self._text.isspace():
            return None
        cut = self._well_spoken_cut()
        if cut is not None and cut <= self._settings.longest:
            return cut
        if self._hurried and (hurried := self._hurried_cut()):
            return hurried
        return self._forced_cut()

    def _well_spoken_cut(self) -> int | None:
        """The first end of a sentence, or of the reply's first clause, that sounds complete."""
        enough = self._settings.shortest_words
        sentence = self._first_of(sentence_ends(self._text, self._rules), enough)
        clause = self._first_clause() if self._first else None
        return min((cut for cut in (sentence, clause) if cut), default=None)

    def _first_of(self, cuts: Iterable[int], words: float) -> int | None:
        return next((cut for cut in cuts if weight(self._text[:cut]) >= words), None)

    def _first_clause(self) -> int | None:
        for cut in clause_ends(self._text, self._rules):
            marked = is_marked(self._text[:cut], self._rules)
            settings = self._settings
            words = settings.first_words if marked else settings.first_words_unmarked
            if weight(self._text[:cut]) >= words:
                return cut
        return None

    def _hurried_cut(self) -> int | None:
        """Whatever can be said of an unfinished text without tearing a phrase apart."""
        sentence = self._first_of(sentence_ends(self._text, self._rules), 0.5)
        if sentence:
            return sentence
        if self._text.rstrip().endswith(_SAFE_ENDS) and not open_fence(self._text):
            return len(self._text)
        clauses = [cut for cut in clause_ends(self._text, self._rules)]
        if clauses and weight(self._text[: clauses[-1]]) >= self._settings.shortest_words:
            return clauses[-1]
        words = [cut for cut in word_ends(self._text, self._rules)]
        if words and weight(self._text[: words[-1]]) >= self._settings.first_words_unmarked:
            return words[-1]
        return None

    def _forced_cut(self) -> int | None:
        """The best place to cut a sentence that is too long; None while it is not."""
        text, longest = self._text, self._settings.longest
        beyond = len(text[longest:].lstrip())
        if beyond < LOOKAHEAD or open_fence(text[: longest + LOOKAHEAD]):
            return None
        for ends in (clause_ends, word_ends):
            cuts = [cut for cut in ends(text, self._rules) if longest / 3 <= cut <= longest]
            if cuts:
                return cuts[-1]
        return self._torn_cut()

    def _torn_cut(self) -> int | None:
        """No good place: after any space, in the end between any two characters."""
        text, longest = self._text, self._settings.longest
        space = text.rfind(" ", longest // 3, longest)
        if space < 0:
            space = text.find(" ", longest)
        if 0 <= space < longest * 4:
            return space + 1
        return longest * 4 if len(text) > longest * 4 else None
