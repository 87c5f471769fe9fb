"""What a client may still ask for, as `rate_limits.updated` tells it."""

from __future__ import annotations

from dataclasses import asdict

from signaling.access.roster import RateLimits
from signaling.realtime.commands import Fields


def unlimited() -> tuple[()]:
    """No limits, and none are told."""
    return ()


def updated(limits: RateLimits) -> list[Fields]:
    """The event, where there is something to tell."""
    told = [asdict(each) for each in limits()]
    return [{"type": "rate_limits.updated", "rate_limits": told}] if told else []
