"""A real store for one test, which is skipped where it is not installed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bench import stores
from bench.stores import PROGRAMS, StoreServer

__all__ = ["PROGRAMS", "StoreServer", "store_server"]


@asynccontextmanager
async def store_server(
    scheme: str, folder: Path, *options: str
) -> AsyncGenerator[StoreServer, None]:
    """A running store."""
    try:
        async with stores.store_server(scheme, folder, *options) as server:
            yield server
    except stores.StoreMissing as missing:
        pytest.skip(str(missing))
