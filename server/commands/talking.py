"""`run.py talk FILE.wav…`: a call over the server's real WebRTC path, in one process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import aclosing
from pathlib import Path

from media.audio import AudioChunk
from server import recordings
from server.commands.serving import start_block
from server.config import Settings
from server.hardware import probe
from server.models import open_store
from server.stages import Stages, choose
from server.talk import Exchange, at_home, exchange, greeting
from signaling.client import Caller

RATE = 24_000
"""Hz of the file that the agent's audio is written to."""


async def talk(settings: Settings, files: Sequence[Path], language: str, output: Path) -> int:
    """Say each file, print what came of it, write what the agent said; 1 if one got no answer.

    Raises OSError (a file that cannot be read or written), StageUnavailable, CallFailed."""
    said = [recordings.read(path) for path in files]
    hardware = probe()
    stages = await choose(settings, open_store(settings.models), hardware)
    async with aclosing(stages):
        print(start_block(hardware, stages.reports), end="\n\n", flush=True)
        return await _hold(settings, stages, list(zip(files, said, strict=True)), language, output)


async def _hold(
    settings: Settings,
    stages: Stages,
    said: Sequence[tuple[Path, AudioChunk]],
    language: str,
    output: Path,
) -> int:
    persona = settings.personas.get(language or settings.language)
    outcomes = []
    async with at_home(settings, stages) as (url, ice):
        async with Caller(url, language=language or None, settings=ice) as caller:
            await greeting(caller, expected=bool(persona and persona.greeting))
            for path, audio in said:
                told = await exchange(caller, audio)
                print("\n".join(lines(path, told)), end="\n\n", flush=True)
                outcomes.append((told.outcome or {}).get("type"))
                recordings.write(output, caller.recording.audio(RATE))
                if caller.is_gone:
                    break
    print(f"The agent's side of the call: {output}")
    return 0 if outcomes == ["turn.finished"] * len(said) else 1


def lines(path: Path, told: Exchange) -> Iterator[str]:
    """What was understood and said, and when, for a person."""
    yield f"{path}"
    outcome = told.outcome or {}
    match outcome.get("type"):
        case "turn.finished":
            yield f"  caller  {outcome['transcript']}"
            yield f"  agent   {outcome['reply']}"
            yield f"  ms      {times(told)}"
        case "turn.dropped":
            yield f"  not taken for a turn: {outcome['reason']}"
        case "call.ended":
            yield f"  the call ended: {outcome['reason']}"
        case _:
            yield "  no answer came"
    for message in told.messages:
        if message["type"] == "error":
            yield f"  error   {message['message']}"


def times(told: Exchange) -> str:
    """The turn's moments, in milliseconds after the caller's last speech."""
    timeline = (told.outcome or {})["timeline"]
    moments = [
        f"{name.replace('_', ' ')} {1000 * at:.0f}"
        for name, at in timeline.items()
        if at is not None
    ]
    if told.heard_after is not None:
        moments.append(f"heard {1000 * told.heard_after:.0f}")
    return ", ".join(moments)
