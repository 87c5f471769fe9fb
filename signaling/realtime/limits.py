"""What a client may still ask for, as `rate_limits.updated` tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from signaling.realtime.commands import Fields


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of a key's; `reset_seconds` until it is whole again."""

    name: Literal["requests", "tokens"]
    limit: int
    remaining: int
    reset_seconds: float


class Limits(Protocol):
    """Who counts what one client uses."""

    def now(self) -> Sequence[Limit]:
        """Its limits at this moment; empty: there are none, and none are told."""


class Unlimited:
    """No limits."""

    def now(self) -> Sequence[Limit]:
        return ()


def updated(limits: Limits) -> list[Fields]:
    """The event, where there is something to tell."""
    told = [
        {
            "name": each.name,
            "limit": each.limit,
            "remaining": each.remaining,
            "reset_seconds": each.reset_seconds,
        }
        for each in limits.now()
    ]
    return [{"type": "rate_limits.updated", "rate_limits": told}] if told else []
