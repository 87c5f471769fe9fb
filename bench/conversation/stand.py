"""Servers and callers as the parts need them: quiet ones, which speak only when spoken to."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp

from bench.server_process import ServerProcess, server, small_models
from signaling.client import Caller, Message
from signaling.ice import IceSettings

QUIET = [
    "stt.engine=pocketsphinx",
    'personas.en.greeting=""',
    "turn.silence.enabled=false",
    "log.level=warning",
    "llm.replies.enabled=false",
]
"""No greeting, no questions into the silence, and no reply that was kept from an earlier call."""


@asynccontextmanager
async def quiet_server(*settings: str) -> AsyncGenerator[ServerProcess, None]:
    """A server with the small real models that has loaded and warmed up."""
    async with server([*small_models(), *QUIET, *settings]) as process:
        await asyncio.sleep(1.0)
        yield process


@asynccontextmanager
async def call(process: ServerProcess) -> AsyncGenerator[Caller, None]:
    """A call that has begun."""
    async with Caller(process.url, settings=IceSettings(bind=("127.0.0.1",))) as caller:
        await caller.wait_for("call.started")
        await asyncio.sleep(0.5)
        yield caller


async def counted(process: ServerProcess) -> dict[str, float]:
    """The server's counters, by name and labels as its metrics page writes them."""
    async with aiohttp.ClientSession() as http, http.get(f"{process.url}/metrics") as response:
        text = await response.text()
    lines = re.findall(r"^([a-z_]+(?:\{[^}]*\})?) ([-+0-9.e]+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in lines}


def speculations(before: dict[str, float], after: dict[str, float]) -> dict[str, int]:
    """How many speculations were played and discarded between two countings."""

    def of(outcome: str) -> int:
        return round(
            sum(
                value - before.get(name, 0.0)
                for name, value in after.items()
                if f'"speculation_{outcome}"' in name and "_total" in name
            )
        )

    return {"played": of("played"), "discarded": of("discarded")}


def of_kind(messages: list[Message], *kinds: str) -> list[Message]:
    """Those of some kinds, in order."""
    return [each for each in messages if each["type"] in kinds]


async def settled(caller: Caller, *, within: float = 30.0) -> None:
    """Wait until the agent listens and is silent."""
    async with asyncio.timeout(within):
        while (phases := of_kind(caller.messages, "phase")) and phases[-1]["phase"] != "listening":
            await caller.changed()
        await caller.recording.fell_silent(0.4)
