"""Client secrets: keys for one browser or phone, good for a while, bound to a configuration.

A backend asks for one with the session it wants, and hands it to a client that then needs, and
learns, nothing else. The clock is the wall's: clients are told when a secret ends. Secrets live in
memory, as hashes: a server that starts anew knows none.
"""

from __future__ import annotations

import hashlib
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
    """A secret without its value. `expires_at`: seconds since 1970; `key`: name of the API key
    that it was made with, empty when none was asked for."""

    digest: str
    expires_at: int
    config: SessionConfig
    key: str = ""


class ClientSecrets:
    """All secrets that are good."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._good: dict[str, ClientSecret] = {}

    def mint(
        self, config: SessionConfig, seconds: int, *, key: str = ""
    ) -> tuple[str, ClientSecret]:
        """A new secret, good for `seconds`: its value, and what is kept of it."""
        now = int(self._clock())
        self._good = {v: each for v, each in self._good.items() if each.expires_at > now}
        while len(self._good) >= KEPT:
            del self._good[next(iter(self._good))]
        value = PREFIX + secrets.token_urlsafe(24)
        secret = ClientSecret(digest(value), now + seconds, config, key)
        self._good[secret.digest] = secret
        return value, secret

    def find(self, value: str) -> ClientSecret | None:
        """The secret of this value; None when there is none or its time is over.

        Looked up by its hash: how long that takes tells nothing of any secret."""
        secret = self._good.get(digest(value))
        return secret if secret is not None and secret.expires_at > self._clock() else None


def digest(value: str) -> str:
    """What is kept of a secret's value: 192 random bits need no salt."""
    return hashlib.sha256(value.encode(errors="replace")).hexdigest()
