"""A store that several servers share: Redis or Memcached, by aiocache.

A store that is down or slow costs a miss, and `patience` seconds at most, never an answer. After
an error, or three answers in a row that came too late, nobody asks it any more until it has
answered a probe that runs beside the calls. Writing happens behind everyone's back; what cannot
be written is lost.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable
from contextlib import suppress
from typing import Literal, Protocol, TypeVar
from urllib.parse import urlparse

from aiocache import Cache
from aiocache.serializers import NullSerializer
from pydantic import BaseModel, Field, SecretStr, field_validator

log = logging.getLogger(__name__)

T = TypeVar("T")
Kind = Literal["phrase", "reply"]

SCHEMES = ("redis", "memcached")
_UNHURRIED = 1.0
"""Seconds that a probe or a write may take: nobody waits for it."""
_LATE = 3
"""Answers in a row that come too late before the store counts as down."""
_UNWRITTEN = 64
"""Values that may wait to be written; more are dropped."""


class CacheSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Section `cache`: what is kept between servers."""

    url: str = ""
    """`redis://host:6379/0` or `memcached://host:11211`; empty: each server keeps its own, in
    memory."""
    password: SecretStr = SecretStr("")
    """Redis' password."""
    patience: float = Field(default=0.02, gt=0, le=1)
    """Seconds that a call waits for the store at most."""
    retry: float = Field(default=2.0, gt=0)
    """Seconds from one probe of a store that is down to the next."""
    lifetime: int = Field(default=7 * 86_400, ge=1, le=30 * 86_400)
    """Seconds that the store keeps a value; Memcached takes no more than 30 days."""
    largest: int = Field(default=900_000, ge=1_000)
    """Bytes of the largest value that is written; Memcached takes 1 MB by default."""
    questions: str = ""
    """Path of a list of frequent questions, one a line (`ko:` in front names the language): the
    server answers them for itself, once it serves, so that callers needn't wait."""
    prefix: str = Field(default="chuimsae", pattern=r"^[\w.-]{1,64}$")
    """First part of every key, for a store that others use too."""

    @field_validator("url")
    @classmethod
    def _known(cls, url: str) -> str:
        if not url:
            return url
        parsed = urlparse(url)
        database = parsed.path.strip("/")
        if parsed.scheme not in SCHEMES or not parsed.hostname or not f"{database}0".isdecimal():
            raise ValueError("a store's url is redis://host:port/0 or memcached://host:port")
        _ = parsed.port  # raises ValueError for what is none
        if parsed.password:
            raise ValueError("a password does not belong into the url: set cache.password")
        return url


class SharedStore(Protocol):
    """Bytes by key, for every server that knows the same store. Neither raises."""

    async def get(self, kind: Kind, key: str) -> bytes | None: ...

    def put(self, kind: Kind, key: str, value: bytes) -> None: ...


class Shared:
    """A `SharedStore` over Redis or Memcached."""

    def __init__(self, settings: CacheSettings) -> None:
        self._settings = settings
        self._client = self._connected()
        self._late = 0
        self._unwritten: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(_UNWRITTEN)
        self._writer: asyncio.Task[None] | None = None
        self._prober: asyncio.Task[None] | None = None
        self._asking: set[asyncio.Task[object]] = set()
        self.is_up = False
        """Whether it answered lately; before `start` it has not."""
        self._is_told = False
        """That it is out has been logged."""
        self.hits = 0
        self.misses = 0
        self.failures = 0
        """Lookups that were given up, or failed."""
        self.dropped = 0
        """Values that were not written."""

    async def start(self) -> None:
        """Connect; a store that does not answer now is asked again and again."""
        self._writer = asyncio.create_task(self._write())
        if not await self._answers():
            self._down("it did not answer at start")

    async def get(self, kind: Kind, key: str) -> bytes | None:
        """What is kept under `key`, within `patience` seconds; None for everything else."""
        if not self.is_up:
            self.misses += 1
            return None
        asking = asyncio.create_task(self._client.get(self._key(kind, key)))
        self._asking.add(asking)
        asking.add_done_callback(self._answered)
        # It is left to read its answer, also when nobody waits any more: memcached's driver would
        # otherwise take each answer on that connection for the one to the next question.
        done, _ = await asyncio.wait({asking}, timeout=self._settings.patience)
        if not done:
            self._too_late()
            return None
        value = None if asking.cancelled() or asking.exception() else asking.result()
        self.hits += value is not None
        self.misses += value is None
        return value if isinstance(value, bytes) else None

    def put(self, kind: Kind, key: str, value: bytes) -> None:
        """Have `value` written, some time; never blocks."""
        if not self.is_up or len(value) > self._settings.largest:
            self.dropped += 1
            return
        try:
            self._unwritten.put_nowait((self._key(kind, key), value))
        except asyncio.QueueFull:
            self.dropped += 1

    async def written(self) -> None:
        """Wait until everything that was put before has been written, or was given up."""
        await self._unwritten.join()

    async def aclose(self) -> None:
        """Idempotent. What was not written yet is given `_UNHURRIED` seconds."""
        if self._writer is not None and self.is_up:
            with suppress(TimeoutError):
                async with asyncio.timeout(_UNHURRIED):
                    await self.written()
        tasks = [task for task in (self._writer, self._prober) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._writer = self._prober = None
        await self._hang_up()

    def _connected(self) -> Cache:
        place = urlparse(self._settings.url)
        more: dict[str, object] = {"port": place.port} if place.port else {}
        if place.scheme == "redis":
            more["db"] = int(place.path.strip("/") or 0)
            more["password"] = self._settings.password.get_secret_value() or None
        return Cache(
            Cache.get_scheme_class(place.scheme),
            endpoint=place.hostname,
            serializer=NullSerializer(encoding=None),
            timeout=None,  # each wait here has its own
            **more,
        )

    def _key(self, kind: Kind, key: str) -> str:
        """Within what Memcached takes: 250 bytes, no spaces."""
        return f"{self._settings.prefix}:{kind}:{hashlib.sha256(key.encode()).hexdigest()}"

    async def _write(self) -> None:
        while True:
            key, value = await self._unwritten.get()
            if not self.is_up or not await self._unhurried(
                self._client.set(key, value, ttl=self._settings.lifetime)
            ):
                self.dropped += 1
            self._unwritten.task_done()

    async def _answers(self) -> bool:
        """Whether the store can be written and read; marks it as up when it can."""
        key = self._key("phrase", "probe")
        if not await self._unhurried(self._client.set(key, b"up", ttl=60)):
            return False
        if not await self._unhurried(self._client.get(key)):
            return False
        self._late, self.is_up, self._is_told = 0, True, False
        return True

    async def _unhurried(self, asked: Awaitable[T]) -> bool:
        """Whether it went well."""
        try:
            async with asyncio.timeout(_UNHURRIED):
                await asked
        except Exception as error:  # two drivers' kinds; any means out, and is told
            self._down(_told(error))
            return False
        return True

    def _answered(self, asking: asyncio.Task[object]) -> None:
        self._asking.discard(asking)
        if asking.cancelled():
            return
        if (error := asking.exception()) is not None:
            self.failures += 1
            self._down(_told(error))
        else:
            self._late = 0

    def _too_late(self) -> None:
        self.failures += 1
        self._late += 1
        if self._late >= _LATE:
            self._down(f"{_LATE} answers in a row came too late")

    def _down(self, why: str) -> None:
        if not self._is_told:
            log.warning("The shared cache is out", extra={"cause": why})
        self._is_told = True
        self.is_up = False
        if self._prober is None or self._prober.done():
            self._prober = asyncio.create_task(self._probe())

    async def _probe(self) -> None:
        """Ask again with a new connection, until it answers."""
        while True:
            await asyncio.sleep(self._settings.retry)
            await self._hang_up()
            self._client = self._connected()
            if await self._answers():
                log.warning("The shared cache is back")
                return

    async def _hang_up(self) -> None:
        for asking in self._asking:
            asking.cancel()
        try:
            async with asyncio.timeout(_UNHURRIED):
                await self._client.close()
        except Exception as error:  # the same; nothing is asked of it any more
            log.debug("The shared cache's connection did not close", extra={"cause": str(error)})


def _told(error: BaseException) -> str:
    """With its kind: a bug of ours must not read like a store that is out."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")
