"""Replies that a persona brings along: what can be answered without a model."""

from __future__ import annotations

from agent.engines.caches.general import asked
from agent.persona import Persona


class Canned:
    """The answers of `Persona.canned`, whatever the case and punctuation of the question."""

    def find(self, persona: Persona, heard: str) -> str | None:
        """The answer to `heard`; None when the persona has none."""
        question = asked(heard)
        return next(
            (reply for known, reply in persona.canned.items() if asked(known) == question), None
        )
