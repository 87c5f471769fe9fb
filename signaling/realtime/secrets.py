"""Client secrets: keys for one browser or phone, good for a while, bound to a configuration.

A backend asks for one with the session it wants, and hands it to a client that then needs, and
learns, nothing else. The clock is the wall's: clients are told when a secret ends.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from signaling.realtime.config import SessionConfig

PREFIX = "ek_"
KEPT = 10_000
"""Secrets at the same time; the oldest make room."""


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """`expires_at`: seconds since 1970."""

    value: str
    expires_at: int
    config: SessionConfig


class ClientSecrets:
    """All secrets that are good."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._good: dict[str, ClientSecret] = {}

    def mint(self, config: SessionConfig, seconds: int) -> ClientSecret:
        """A new secret, good for `seconds`."""
        now = int(self._clock())
        self._good = {v: each for v, each in self._good.items() if each.expires_at > now}
        while len(self._good) >= KEPT:
            del self._good[next(iter(self._good))]
        value = PREFIX + secrets.token_urlsafe(24)
        secret = self._good[value] = ClientSecret(value, now + seconds, config)
        return secret

    def find(self, value: str) -> ClientSecret | None:
        """The secret of this value; None when there is none or its time is over."""
        # A look-up by hash of 192 random bits tells nothing by its duration.
        secret = self._good.get(value)
        return secret if secret is not None and secret.expires_at > self._clock() else None
