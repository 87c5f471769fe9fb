"""Whose the live calls are, and how many more of them may begin.

Counted twice: by the key that pays for a call (its client secrets' calls are its own) and by the
address that it comes from. A place is taken before anything is awaited, so two offers never share
the last one.
"""

from __future__ import annotations

import hmac
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from agent.events import CallEnded, Event
from signaling.access.addresses import household
from signaling.access.settings import LimitSettings
from signaling.errors import TooManyCalls
from signaling.realtime.secrets import ClientSecret

BUSY_RETRY = 15
"""Seconds after which someone who has as many calls as they may is told to try again: nobody
knows when one of them ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Who asks, as far as it is known, and from where."""

    key: str = ""
    """Name of the API key, or of the one that made the client secret; empty: none was asked for."""
    secret: ClientSecret | None = None
    """The client secret that was shown, if one was."""
    address: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether it is good for everything, and not for calls of its own alone."""
        return self.secret is None


@dataclass(frozen=True, slots=True)
class RateLimit:
    """As `rate_limits.updated` tells of it: `requests` are calls begun within a minute."""

    name: Literal["requests", "tokens"]
    limit: int
    remaining: int
    reset_seconds: float


class RateLimits(Protocol):
    """What is left to a caller: empty where nothing is limited."""

    def __call__(self) -> Sequence[RateLimit]: ...


@dataclass(slots=True)
class Place:
    """One call's place: taken when it is asked for, named when the call has begun."""

    grant: Grant
    call_id: str = ""
    token: str = ""


class Roster:
    """The calls that are there or about to begin, with the grants that they began with."""

    def __init__(self, limits: LimitSettings | None = None) -> None:
        self._limits = limits or LimitSettings()
        self._places: list[Place] = []
        self._calls: dict[str, Place] = {}
        self._rates = MovingWindowRateLimiter(MemoryStorage())

    @contextmanager
    def starting(self, grant: Grant) -> Iterator[Place]:
        """A place for a call; given up again unless the call has begun when the block ends.

        Raises TooManyCalls."""
        self._check(grant)
        place = Place(grant)
        self._places.append(place)
        try:
            yield place
        finally:
            if not place.call_id:
                self._places.remove(place)

    def begin(self, place: Place, call_id: str, token: str = "") -> None:
        """The call has begun; `token` lets its caller into it, whatever becomes of their key."""
        place.call_id, place.token = call_id, token
        self._calls[call_id] = place

    def end(self, call_id: str) -> None:
        """The call is over. Idempotent."""
        place = self._calls.pop(call_id, None)
        if place is not None:
            self._places.remove(place)

    def observe(self, call_id: str, event: Event) -> None:
        """An observer of calls: the place of one that ended is free."""
        if isinstance(event, CallEnded):
            self.end(call_id)

    def grant_of(self, call_id: str) -> Grant | None:
        """That with which a live call began."""
        place = self._calls.get(call_id)
        return place.grant if place is not None else None

    def is_token(self, call_id: str, token: str) -> bool:
        """Whether this is the token that the call's caller was given."""
        place = self._calls.get(call_id)
        expected = place.token if place is not None else ""
        return bool(expected) and hmac.compare_digest(expected.encode(), token.encode())

    def left(self, grant: Grant) -> tuple[RateLimit, ...]:
        """What is left to whoever has this grant, the scarcer limit first."""
        found = []
        for _, limit, who in self._paces(grant):
            reset, remaining = self._rates.get_window_stats(RateLimitItemPerMinute(limit), *who)
            seconds = max(0.0, reset - time.time()) if remaining < limit else 0.0
            found.append(RateLimit("requests", limit, remaining, round(seconds, 3)))
        return tuple(sorted(found, key=lambda each: each.remaining))

    # -- limits ---------------------------------------------------------------------------------

    def _check(self, grant: Grant) -> None:
        address = household(grant.address)
        same_key = sum(each.grant.key == grant.key for each in self._places)
        same_address = sum(household(each.grant.address) == address for each in self._places)
        limits = self._limits
        if grant.key and 0 < limits.calls_per_key <= same_key:
            raise _too_many("calls_per_key", "key", limits.calls_per_key)
        if address and 0 < limits.calls_per_address <= same_address:
            raise _too_many("calls_per_address", "address", limits.calls_per_address)
        paces = self._paces(grant)
        for name, limit, who in paces:
            item = RateLimitItemPerMinute(limit)
            if not self._rates.test(item, *who):
                reset, _ = self._rates.get_window_stats(item, *who)
                raise TooManyCalls(
                    "rate_limited",
                    f"at most {limit} calls may begin within a minute (limits.{name})",
                    retry_after=max(1, math.ceil(reset - time.time())),
                )
        for _, limit, who in paces:
            self._rates.hit(RateLimitItemPerMinute(limit), *who)

    def _paces(self, grant: Grant) -> list[tuple[str, int, tuple[str, str]]]:
        """The limits per minute that a grant is under: setting, number, and who is counted."""
        limits = self._limits
        paces = [
            ("new_calls_per_key", limits.new_calls_per_key, ("key", grant.key)),
            ("new_calls_per_address", limits.new_calls_per_address,
             ("address", household(grant.address))),
        ]  # fmt: skip
        return [pace for pace in paces if pace[1] and pace[2][1]]


def _too_many(setting: str, what: str, limit: int) -> TooManyCalls:
    return TooManyCalls(
        "too_many_calls",
        f"one {what} may have {limit} calls at the same time (limits.{setting})",
        retry_after=BUSY_RETRY,
    )
