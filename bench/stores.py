"""A real Redis or Memcached on loopback, which can be killed, hung and started again."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = {"redis": "redis-server", "memcached": "memcached"}


class StoreMissing(Exception):
    """The program is not installed here."""


@dataclass
class StoreServer:
    """One store; it may be killed, hung, and started again on the same port."""

    scheme: str
    folder: Path
    port: int
    options: tuple[str, ...] = ()
    process: asyncio.subprocess.Process | None = field(default=None)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *_command(self.scheme, self.port, self.folder),
            *self.options,
            stdout=DEVNULL,
            stderr=DEVNULL,
        )
        async with asyncio.timeout(20):
            while True:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.05)

    def hang(self) -> None:
        """Returns when all of its threads stand still: one that goes on for a moment answers."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)

    def go_on(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            await self.process.wait()
            self.process = None


@asynccontextmanager
async def store_server(
    scheme: str, folder: Path, *options: str
) -> AsyncGenerator[StoreServer, None]:
    """A running store, on a port of its own. Raises StoreMissing."""
    if shutil.which(PROGRAMS[scheme]) is None:
        raise StoreMissing(f"{PROGRAMS[scheme]} is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = StoreServer(scheme, folder, port, options)
    try:
        await server.start()
        yield server
    finally:
        await server.kill()


def _command(scheme: str, port: int, folder: Path) -> list[str]:
    if scheme == "redis":
        kept = ["--save", "", "--appendonly", "no", "--dir", str(folder)]
        return ["redis-server", "--port", str(port), "--bind", "127.0.0.1", *kept]
    return ["memcached", "-p", str(port), "-l", "127.0.0.1", "-u", "nobody", "-m", "16"]
