"""Public JavaScript clients, unmodified, and a server with the small real models."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from server.app import create_app, listening
from server.hardware import probe
from server.models import open_store
from server.stages import choose
from tests.conftest import TestData
from tests.javascript.packages import packages
from tests.page.conftest import launch, playwright  # noqa: F401 - fixtures
from tests.real.test_realtime import loopback

HERE = Path(__file__).parent

Judge = Callable[[Iterable[dict[str, Any]]], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def clients() -> Path:
    """The folder in which the clients are installed."""
    return packages(HERE)


@pytest.fixture(scope="session")
def generic(clients: Path) -> Judge:
    """Those of some server events that the JavaScript SDK would ignore."""

    def judge(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        lines = "\n".join(json.dumps(event) for event in events)
        command = ["node", "judge.mjs"]
        done = subprocess.run(
            command, cwd=clients, input=lines, capture_output=True, text=True, check=True
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    return judge


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(testdata: TestData) -> AsyncIterator[str]:
    """The address of a whole server; asked to begin, its agent tells a long story."""
    configured = loopback(testdata)
    stages = await choose(configured, open_store(configured.models), probe())
    async with aclosing(stages):
        async with listening(create_app(configured, stages), configured.server) as url:
            yield url
