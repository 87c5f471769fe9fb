"""What the words of an utterance say of its end: a verdict, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Completeness(Enum):
    """The values name the wait that each is given."""

    COMPLETE = "complete"
    """A finished sentence, a question, a whole answer, a whole telephone number."""
    UNSURE = "unsure"
    """It may be over or go on."""
    UNFINISHED = "unfinished"
    """It goes on: a conjunction, an article, a particle, a hesitation at the end."""
    SPELLING = "spelling"
    """Digits or letters are being read out, and there may be more."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A verdict; `reason` is a few words for logs and tests."""

    completeness: Completeness
    reason: str


def complete(reason: str) -> Reading:
    return Reading(Completeness.COMPLETE, reason)


def unsure(reason: str) -> Reading:
    return Reading(Completeness.UNSURE, reason)


def unfinished(reason: str) -> Reading:
    return Reading(Completeness.UNFINISHED, reason)


def spelling(reason: str) -> Reading:
    return Reading(Completeness.SPELLING, reason)
