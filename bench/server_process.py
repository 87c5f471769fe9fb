"""The server in a process of its own, as a user starts it, and what that process costs.

Callers run beside it in the benchmark's process, so that their work is not counted as the
server's.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.recordings import TESTDATA

RUN = Path(__file__).resolve().parents[1] / "run.py"
START_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds used so far, and bytes of memory held now."""

    cpu: float
    memory: int


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A server that answers at `url`. `started`: the lines that it printed before."""

    url: str
    started: tuple[str, ...]
    process: psutil.Process

    def usage(self) -> Usage:
        """Of the process and its children."""
        family = [self.process, *self.process.children(recursive=True)]
        times = [each.cpu_times() for each in family]
        return Usage(
            cpu=sum(each.user + each.system for each in times),
            memory=sum(each.memory_info().rss for each in family),
        )


def small_models() -> list[str]:
    """Settings that use the small real models beside the checkout, where they are."""
    models = TESTDATA / "models"
    wanted = {
        "llm.model": models / "llm" / "tinytalk-3m-q4_0.gguf",
        "tts.voices.en": models / "piper" / "en_US-moonmicro-low.onnx",
        "stt.models.en": models / "whisper",
    }
    there = [f"{name}={path}" for name, path in wanted.items() if path.exists()]
    return ["models.download=false", *there]


class NotStarted(Exception):
    """A server ended before it served. The message is what it printed."""


@asynccontextmanager
async def server(settings: Sequence[str]) -> AsyncGenerator[ServerProcess, None]:
    """`run.py serve` on a free loopback port with these `name=value`s, until the block ends.

    Raises NotStarted when it does not start; why it did not stands on stderr."""
    arguments = [f"--set={each}" for each in (*settings, 'ice.bind=["127.0.0.1"]')]
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(RUN), "serve", "--port", "0", *arguments,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        url, lines = await _url(process)
        yield ServerProcess(url, tuple(lines), psutil.Process(process.pid))
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _url(process: asyncio.subprocess.Process) -> tuple[str, list[str]]:
    lines: list[str] = []
    assert process.stdout is not None
    async with asyncio.timeout(START_SECONDS):
        async for raw in process.stdout:
            line = raw.decode().rstrip()
            # An engine's own address, which has a path, may be printed before.
            if found := re.search(r"http://[^\s/]+:\d+(?![\d/])", line):
                return found.group().replace("localhost", "127.0.0.1"), lines
            lines.append(line)
    raise NotStarted("\n".join([*lines, "The server did not start."]))
