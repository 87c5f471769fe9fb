"""A call to this server by itself: recordings go in, and what came of each comes out.

The call runs over the real path (HTTP offer, WebRTC on loopback, the control channel) in one
process, so that a machine without microphone or browser can try everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from media.audio import AudioChunk
from server.app import create_app, listening
from server.config import Settings
from server.stages import Stages
from signaling.client import Caller, CallFailed, Message
from signaling.ice import IceSettings
from signaling.voice_track import Said

HERE = {"host": "127.0.0.1", "port": 0, "https": False, "tls_certificate": None, "tls_key": None}
"""Where a server listens that calls itself."""
LONGEST_TURN = 60.0
"""Seconds after which no reply is expected any more."""
NOTHING_HEARD = 6.0
"""Seconds without any word from the server after which it has not noticed that one spoke."""
AFTER_FAILURE = 3.0
"""Seconds without any word from the server, after one of its stages has failed and it has said so,
after which no reply is expected any more."""
QUIET = 0.4
"""Seconds of the agent's silence after which the caller speaks."""
OUTCOMES = frozenset({"turn.finished", "turn.dropped", "call.ended"})
"""The messages that say what a turn came to."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One thing that the caller said, and what came of it.

    `outcome`: the message that ended the turn, None when none came. `heard_after`: seconds from
    the caller's last voiced sample to the agent's first audible packet. `messages`: all that came.
    """

    said: Said
    outcome: Message | None
    heard_after: float | None
    messages: tuple[Message, ...]


@asynccontextmanager
async def at_home(settings: Settings, stages: Stages) -> AsyncGenerator[tuple[str, IceSettings]]:
    """Serves on a free loopback port: the URL, and the settings that a caller needs."""
    ice = IceSettings(bind=("127.0.0.1",))
    server = settings.server.model_copy(update=HERE)
    access = settings.access.model_copy(update={"required": False})
    here = settings.model_copy(update={"server": server, "ice": ice, "access": access})
    async with listening(create_app(here, stages), server) as url:
        yield url, ice


async def greeting(caller: Caller, *, expected: bool) -> None:
    """Wait until the agent has said its greeting, if one is expected. Raises CallFailed."""
    await caller.wait_for("call.started")
    if expected:
        await caller.wait_for("reply.spoken")
        await _quiet(caller, since=0)


async def exchange(caller: Caller, audio: AudioChunk) -> Exchange:
    """Say something, and wait until the agent has answered. Raises CallFailed."""
    begin = len(caller.messages)
    said = await caller.say(audio)
    outcome = await _outcome(caller, begin)
    await _quiet(caller, since=begin)
    heard = caller.recording.first_voice(said.voice_end)
    return Exchange(
        said=said,
        outcome=outcome,
        heard_after=None if heard is None else heard - said.voice_end,
        messages=tuple(caller.messages[begin:]),
    )


async def _outcome(caller: Caller, begin: int) -> Message | None:
    """The last message that ended a turn, once nobody speaks or thinks any more."""
    try:
        while True:
            told = caller.messages[begin:]
            outcomes = [each for each in told if each["type"] in OUTCOMES]
            if outcomes and _is_settled(told):
                return outcomes[-1]
            if caller.is_gone:
                return None
            async with asyncio.timeout(_patience(told)):
                await caller.changed()
    except TimeoutError:
        return None


def _patience(told: Sequence[Message]) -> float:
    """Seconds that the next message may take."""
    if not told:
        return NOTHING_HEARD
    failed = any(each["type"] == "error" and not each.get("recovered") for each in told)
    return AFTER_FAILURE if failed and _is_settled(told) else LONGEST_TURN


async def _quiet(caller: Caller, *, since: int) -> None:
    """Wait until the agent listens again, and what it said has arrived."""
    try:
        async with asyncio.timeout(LONGEST_TURN):
            while not (caller.is_gone or _is_settled(caller.messages[since:])):
                await caller.changed()
            await caller.recording.fell_silent(QUIET)
    except TimeoutError:
        raise CallFailed(0, "timeout", "the agent does not stop talking") from None


def _is_settled(told: Sequence[Message]) -> bool:
    """Nobody speaks or thinks, by the phase that was told last."""
    phases = [each["phase"] for each in told if each["type"] == "phase"]
    return not phases or phases[-1] in ("listening", "ended")
