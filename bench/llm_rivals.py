"""What others would do with many calls, behind our Protocol: measured by `bench.llm`."""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import aiohttp
import gguf

from agent.engines.openai import OpenAI, OpenAISettings
from agent.engines.protocols import ReplyRequest
from agent.errors import EngineError, EngineFailed
from agent.messages import Message
from bench.llm_talk import TALKING

SERVE = """
import sys, threading, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.port, threads, params.n_parallel, params.n_ctx, params.n_gpu_layers = map(int, sys.argv[2:])
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
# In a unified cache it empties idle slots, and reads four calls' histories anew at each turn.
params.kv_unified, params.hostnames = False, ["127.0.0.1"]
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
threading.Event().wait()
"""


def trained_context(path: Path) -> int:
    """Tokens of context that a GGUF file was trained for."""
    fields = gguf.GGUFReader(path).fields
    name = fields[gguf.Keys.General.ARCHITECTURE].contents()
    return int(fields[gguf.Keys.LLM.CONTEXT_LENGTH.format(arch=name)].contents())


_HELLO = ReplyRequest(conversation="", messages=(Message("user", "hello"),), max_tokens=1)


class Locked:
    """llama-cpp-python's `Llama()` under a lock: one reply after the other, one cached prompt.

    In a process of its own (`bench.llm_locked`): libgomp lets threads spin for a moment only when
    its teams in one process have more threads than there are processors, and two models in one
    process cost each other a third of their speed."""

    def __init__(self, path: Path, options: argparse.Namespace) -> None:
        context = min(2048, trained_context(path))
        layers = 0 if options.device == "cpu" else -1
        numbers = (str(number) for number in (context, options.threads, layers))
        self._command = [sys.executable, "-m", "bench.llm_locked", str(path), *numbers]
        self._lock = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, stderr=nowhere
        )

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        assert self._process and self._process.stdin and self._process.stdout
        asked = {
            "messages": [{"role": m.role, "content": m.text} for m in request.messages],
            "max_tokens": request.max_tokens,
        }
        async with self._lock:
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            while line := await self._process.stdout.readline():
                if (piece := json.loads(line)) is None:
                    return
                yield piece
        raise EngineFailed("llm", "the process of Llama() has ended")

    async def prefill(self, request: ReplyRequest) -> None:
        """It has none."""

    def commit(self, conversation: str) -> None:
        """It knows no priorities."""

    def forget(self, conversation: str) -> None:
        """It keeps none."""

    async def aclose(self) -> None:
        await _terminate(self._process)


class LlamaServer(OpenAI):
    """llama.cpp's server with a slot for each call, in a process of its own, over HTTP."""

    def __init__(self, path: Path, options: argparse.Namespace) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        super().__init__(OpenAISettings(base_url=f"http://127.0.0.1:{port}/v1"))
        slots = max(*options.calls, TALKING)
        self._free = list(range(slots))
        self._slots: dict[str, int] = {}
        self._command = [
            str(options.server),
            "-c",
            SERVE,
            str(path),
            str(port),
            str(options.threads),
            str(slots),
            str(slots * min(2048, trained_context(path))),
            str(0 if options.device == "cpu" else 9999),
        ]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        nowhere = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdout=nowhere, stderr=nowhere
        )
        async with asyncio.timeout(60):
            while not await self._answers():  # noqa: ASYNC110  # another process has no Event
                await asyncio.sleep(0.5)

    def _body(self, request: ReplyRequest) -> dict[str, Any]:
        """With the call's own slot: left to itself it gives calls that begin alike to one slot, and
        reads them anew when they speak at once."""
        body, name = super()._body(request), request.conversation
        if name and name not in self._slots:
            self._slots[name] = self._free.pop()
        return {**body, "id_slot": self._slots[name]} if name else body

    def forget(self, conversation: str) -> None:
        if conversation in self._slots:
            self._free.append(self._slots.pop(conversation))

    def _connected(self) -> aiohttp.ClientSession:
        """Connections that are used once: it hangs up on idle ones while the others have their
        turn. (Over loopback a new one costs well under a millisecond.)"""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, force_close=True)
            self._session = aiohttp.ClientSession(connector=connector)
        return self._session

    async def _answers(self) -> bool:
        try:
            async for _ in self.reply(_HELLO):
                pass
        except EngineError:  # it does not listen yet, or still loads the model
            return False
        return True

    async def aclose(self) -> None:
        await super().aclose()
        await _terminate(self._process)


async def _terminate(process: asyncio.subprocess.Process | None) -> None:
    if process is not None and process.returncode is None:
        process.terminate()
        await process.wait()
