"""A store that servers share costs a miss when it is down or slow, never an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError

from agent.engines.caches import CacheSettings, Shared
from tests.agent.engines.caches.servers import PROGRAMS, StoreServer, store_server

PATIENT = 0.5
"""Seconds of patience where a test means no lateness: this machine may stall."""


@asynccontextmanager
async def opened(url: str, **settings: float) -> AsyncGenerator[Shared, None]:
    written = {"url": url, "patience": PATIENT, "retry": 0.1, **settings}
    shared = Shared(CacheSettings.model_validate(written))
    try:
        await shared.start()
        yield shared
    finally:
        await shared.aclose()


async def until_up(shared: Shared) -> None:
    for _ in range(400):
        if shared.is_up:
            return
        await asyncio.sleep(0.05)
    pytest.fail("the store was not found again within 20 s")


@pytest.fixture(params=sorted(PROGRAMS))
async def server(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncGenerator[StoreServer, None]:
    async with store_server(request.param, tmp_path) as running:
        yield running


async def test_what_one_server_puts_another_gets(server: StoreServer) -> None:
    async with opened(server.url) as one, opened(server.url) as other:
        one.put("phrase", "hello there", b"\x00\xff\r\n sound")
        await one.written()
        assert await other.get("phrase", "hello there") == b"\x00\xff\r\n sound"
        assert await other.get("reply", "hello there") is None
        assert await other.get("phrase", "another") is None
        assert (other.hits, other.misses, other.failures) == (1, 2, 0)


async def test_many_lookups_at_once_each_get_their_own(server: StoreServer) -> None:
    async with opened(server.url, patience=1) as shared:
        for number in range(40):
            shared.put("reply", f"question {number}", f"answer {number}".encode())
        await shared.written()
        found = await asyncio.gather(*(shared.get("reply", f"question {n}") for n in range(40)))
        assert found == [f"answer {number}".encode() for number in range(40)]


async def test_a_killed_store_costs_misses_and_is_found_again(server: StoreServer) -> None:
    async with opened(server.url) as shared:
        shared.put("reply", "question", b"answer")
        await shared.written()
        await server.kill()
        assert await shared.get("reply", "question") is None
        assert not shared.is_up
        failures = shared.failures
        assert await shared.get("reply", "question") is None
        assert shared.failures == failures, "a store that is down is not asked"
        shared.put("reply", "lost", b"answer")
        assert shared.dropped == 1
        await server.start()
        await until_up(shared)
        shared.put("reply", "question", b"anew")
        await shared.written()
        assert await shared.get("reply", "question") == b"anew"


async def test_a_hung_store_is_given_up_after_three_late_answers(server: StoreServer) -> None:
    async with opened(server.url, patience=0.02) as shared:
        await until_up(shared)
        server.hang()
        async with asyncio.timeout(10):
            for _ in range(3):
                assert await shared.get("reply", "question") is None
        assert not shared.is_up and shared.failures == 3
        server.go_on()
        await until_up(shared)


async def test_an_answer_that_came_too_late_is_not_the_next_ones(server: StoreServer) -> None:
    async with opened(server.url, patience=1) as shared:
        names = [f"question {number}" for number in range(6)]
        for name in names:
            shared.put("reply", name, name.encode())
        await shared.written()
        server.hang()
        for name in names[:3]:  # their answers will come when it goes on
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await shared.get("reply", name)
        server.go_on()
        for name in names:
            assert await shared.get("reply", name) == name.encode()


async def test_a_store_that_is_not_there_at_start_is_found_later(tmp_path: Path) -> None:
    async with store_server("redis", tmp_path) as server:
        await server.kill()
        async with opened(server.url) as shared:
            assert not shared.is_up
            assert await shared.get("phrase", "hello") is None
            await server.start()
            await until_up(shared)


async def test_what_is_too_large_is_not_written(tmp_path: Path) -> None:
    async with store_server("memcached", tmp_path) as server, opened(server.url) as shared:
        shared.put("phrase", "epic", bytes(900_001))
        shared.put("phrase", "short", bytes(900_000))
        await shared.written()
        assert shared.dropped == 1
        assert await shared.get("phrase", "epic") is None
        assert await shared.get("phrase", "short") == bytes(900_000)


@pytest.mark.parametrize(
    "url", ["localhost:6379", "http://localhost", "redis:///0", "memory://", "memcached://"]
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="redis://host:port/0 or memcached://host:port"):
        CacheSettings(url=url)


def test_a_password_in_the_url_is_refused() -> None:
    with pytest.raises(ValidationError, match="set cache.password"):
        CacheSettings(url="redis://:secret@localhost")


async def test_a_password_opens_a_redis(tmp_path: Path) -> None:
    async with store_server("redis", tmp_path, "--requirepass", "secret") as server:
        async with opened(server.url) as shared:
            assert not shared.is_up
        settings = CacheSettings.model_validate({"url": server.url, "password": "secret"})
        shared = Shared(settings)
        await shared.start()
        assert shared.is_up
        await shared.aclose()


async def test_a_store_that_is_away_at_the_start_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with store_server("redis", tmp_path) as server:
        await server.kill()
        async with opened(server.url) as shared:
            await asyncio.sleep(0.5)
            assert not shared.is_up
            told = [each for each in caplog.records if each.levelname == "WARNING"]
            assert [each.message for each in told] == ["The shared cache is out"]
            cause = told[0].cause  # type: ignore[attr-defined]  # a field of ours
            assert cause.startswith("ConnectionError: ")
            assert "127.0.0.1" in cause
            await server.start()
            await until_up(shared)
    assert caplog.messages[-1] == "The shared cache is back"


@pytest.mark.parametrize("url", ["redis://host:99999/0", "memcached://host:port"])
def test_a_port_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="[Pp]ort"):
        CacheSettings(url=url)
