"""Callers who talk in turn like people: a third of the time each, and the rest in thought."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import cycle
from typing import Any

import aiohttp

from bench.capacity.caller import Caller, Phrase, Refused
from bench.recordings import named
from media.pacer import Pacer

SCRIPT = (
    "whatstheweatherlike",
    "an4_test/an422-menk-b",
    "an4_test/an426-fvap-b",
    "an4_test/an428-fvap-b",
    "sense_and_sensibility",
    "LJ001-0008",
)
"""Parts of the recordings' names: sentences without a pause in which a turn could end."""
LONGEST_TURN = 60.0
"""Seconds after which no answer is expected any more."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn's answer. Seconds after the caller's last voiced packet left; None: never.

    `at`: when that was (time.monotonic); `heard`: the agent's first sound, as it arrived;
    `timeline`: the server's own account."""

    at: float
    heard: float | None
    timeline: dict[str, float | None]
    answered: bool


@dataclass(slots=True)
class Crowd:
    """What all callers of a level noticed."""

    turns: list[Turn] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)
    refusals: list[tuple[float, Refused]] = field(default_factory=list)
    """When (time.monotonic), and how."""
    failures: list[str] = field(default_factory=list)
    rungs: list[tuple[float, int]] = field(default_factory=list)


@cache
def phrases() -> tuple[Phrase, ...]:
    """What is said. Raises NoRecordings."""
    return tuple(Phrase.of(named(part)) for part in SCRIPT)


async def crowd(
    url: str, count: int, seconds: float, *, persists: bool = False, seed: int = 1
) -> Crowd:
    """`count` people call at about the same time and talk for `seconds`.

    Those who `persist` call again when they were refused, after as long as they were told."""
    seen, pacer = Crowd(), Pacer()
    chance = random.Random(seed)
    until = time.monotonic() + seconds
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
        for number in range(count):
            person = _Person(number, url, session, pacer, seen, random.Random(chance.random()))
            tasks.create_task(person.live(until, persists=persists))
    return seen


class _Person:
    def __init__(
        self,
        number: int,
        url: str,
        session: aiohttp.ClientSession,
        pacer: Pacer,
        seen: Crowd,
        chance: random.Random,
    ) -> None:
        self._number = number
        self._url = url
        self._session = session
        self._pacer = pacer
        self._seen = seen
        self._chance = chance

    async def live(self, until: float, *, persists: bool) -> None:
        await asyncio.sleep(self._chance.uniform(0, 2))
        while time.monotonic() < until:
            caller = Caller()
            try:
                await caller.call(self._session, self._url, self._pacer)
                await self._talk(caller, until)
                return
            except Refused as refusal:
                self._seen.refusals.append((time.monotonic(), refusal))
                if not persists:
                    return
                left = until - time.monotonic()
                await asyncio.sleep(min(refusal.retry_after, max(0.0, left)))
            except (TimeoutError, ConnectionError, aiohttp.ClientError) as error:
                self._seen.failures.append(f"{type(error).__name__}: {error}")
                return
            finally:
                self._note(caller)
                await caller.close()

    async def _talk(self, caller: Caller, until: float) -> None:
        await caller.greeted()
        said = cycle(phrases())
        for _ in range(self._number % len(phrases())):
            next(said)
        await asyncio.sleep(self._chance.uniform(0, 4))
        while time.monotonic() < until:
            phrase = next(said)
            begun = time.monotonic()
            ended = await caller.say(phrase)
            told = await caller.settled(begun, within=LONGEST_TURN)
            self._seen.turns.append(_turn(caller, ended, [each for _, each in told]))
            # As long as they talked, so that caller, agent and nobody have a third each.
            await asyncio.sleep(phrase.seconds * self._chance.uniform(0.7, 1.3))

    def _note(self, caller: Caller) -> None:
        self._seen.lateness += caller.lateness
        self._seen.rungs += [
            (at, each["rung"]) for at, each in caller.messages if each["type"] == "load"
        ]


def _turn(caller: Caller, ended: float, told: Sequence[dict[str, Any]]) -> Turn:
    finished = [each for each in told if each["type"] == "turn.finished"]
    heard = next((at - ended for at in caller.spurts if at >= ended), None)
    timeline = finished[-1]["timeline"] if finished else {}
    return Turn(ended, heard, timeline, answered=bool(finished))
