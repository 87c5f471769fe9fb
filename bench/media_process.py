"""A server of `bench.media` in a process of its own: ours by one of its paths, or another's."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from bench.media_peers.environment import PEERS, NoPeers, python


@dataclass(frozen=True, slots=True)
class Options:
    seconds: float
    disturb: str | None
    """Where an engine computes beside the loop: in a `thread`, in one that holds the interpreter
    (`lock`), or in a `process`; None: none does."""
    detector: bool
    core: int
    mute: bool = False
    """The agent says nothing."""
    unasked: bool = False
    """The agent begins by itself, also another's that else only answers."""


class DidNotStart(Exception):
    """A server that never answered, or can't be had."""


def _command(path: str, options: Options, reply: float) -> list[str]:
    """How the server of this path is started; its agent answers so many seconds, or as it does.

    Raises DidNotStart."""
    replying = ["--reply", str(reply)] if reply else []
    if path in PEERS:
        told = ["--mute"] * options.mute + ["--unasked"] * options.unasked
        try:
            return [str(python()), "-W", "ignore", "-m", *PEERS[path], *replying, *told]
        except NoPeers as error:
            raise DidNotStart(str(error)) from error
    flags = ["--disturb", options.disturb] if options.disturb else []
    flags += ["--no-detector"] * (not options.detector)
    flags += ["--mute"] * options.mute
    module = [sys.executable, "-W", "ignore", "-m", "bench.media_server", "--path", path]
    return [*module, *flags, *replying]


@asynccontextmanager
async def server(path: str, options: Options, *, reply: float = 0.0) -> AsyncIterator[str]:
    """A server process on a free port; its address. Raises DidNotStart."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *_command(path, options, reply), "--port", str(port), "--core", str(options.core),
        # Pipecat tells much; a thread of BLAS would leave the server's core.
        env={**os.environ, "LOGURU_LEVEL": "CRITICAL", "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        try:
            async with asyncio.timeout(60):
                while not await _answers(url):
                    if process.returncode is not None:
                        raise DidNotStart(f"{path} ended with {process.returncode}")
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise DidNotStart(f"{path} does not answer") from None
        yield url
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:  # aiortc's threads keep it
            process.kill()
            await process.wait()


async def _answers(url: str) -> bool:
    try:
        await usage(url)
    except aiohttp.ClientError:
        return False
    return True


async def usage(url: str) -> dict[str, Any]:
    """What the server used and heard since it was asked last."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/usage") as response:
        return dict(await response.json())
