"""A real coturn on loopback, which relays to loopback peers too."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

PROGRAM = shutil.which("turnserver")
SECRET = "the-secret-that-coturn-and-the-server-share"


@asynccontextmanager
async def coturn(folder: Path) -> AsyncGenerator[int, None]:
    """Its port, UDP and TCP. Skips the test where coturn is not installed."""
    if PROGRAM is None:
        pytest.skip("TURN is not tested: coturn is not installed (scripts/packages coturn)")
    port = _free_port()
    command = [
        PROGRAM, "-n", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1",
        f"--listening-port={port}", "--min-port=30000", "--max-port=30200",
        "--use-auth-secret", f"--static-auth-secret={SECRET}", "--realm=chuimsae.test",
        "--allow-loopback-peers", "--no-tls", "--no-dtls", "--no-cli",
        f"--userdb={folder / 'turndb'}", f"--pidfile={folder / 'pid'}", "--log-file=stdout",
    ]  # fmt: skip
    with (folder / "coturn.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        try:
            await _listens(port, process, folder / "coturn.log")
            yield port
        finally:
            process.kill()
            await process.wait()


def _free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


async def _listens(port: int, process: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(15):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
    pytest.fail(f"coturn ended: {log.read_text(errors='replace')}")
