"""`run.py talk FILE.wav…`: a call over the server's real WebRTC path, in one process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import aclosing
from pathlib import Path

from media.audio import AudioChunk
from server import recordings
from server.commands.serving import start_block
from server.commands.waiting import Waiting
from server.config import Settings
from server.hardware import probe
from server.models import open_store
from server.stages import choose
from server.talk import Exchange, at_home, exchange, greeting
from signaling.client import Caller

RATE = 24_000
"""Hz of the file that the agent's audio is written to."""


async def talk(
    settings: Settings, files: Sequence[Path], language: str, output: Path, waiting: Waiting
) -> int:
    """Say each file, print what came of it, write what the agent said; 1 if one got no answer.

    Raises OSError (a file that cannot be read or written), StageUnavailable, CallFailed."""
    said = [recordings.read(path) for path in files]
    recordings.try_writing(output)
    hardware = probe()
    stages = await choose(settings, open_store(settings.models), hardware, waiting.for_)
    waiting.over()
    async with aclosing(stages):
        print(start_block(hardware, stages.reports), end="\n\n", flush=True)
        async with at_home(settings, stages) as (url, ice):
            async with Caller(url, language=language or None, settings=ice) as caller:
                persona = settings.personas.get(language or settings.language)
                await greeting(caller, expected=bool(persona and persona.greeting))
                answered = [await _say(caller, *each) for each in zip(files, said, strict=True)]
                recordings.write(output, caller.recording.audio(RATE))
    print(f"The agent's side of the call: {output}")
    return 0 if all(answered) else 1


async def _say(caller: Caller, file: Path, audio: AudioChunk) -> bool:
    """Say a recording and print what came of it; whether it was answered."""
    told = await exchange(caller, audio)
    print("\n".join(_lines(file, told)), end="\n\n", flush=True)
    return (told.outcome or {}).get("type") == "turn.finished"


def _lines(file: Path, told: Exchange) -> Iterator[str]:
    outcome = told.outcome or {}
    yield f"{file}"
    match outcome.get("type"):
        case "turn.finished":
            yield f"  caller  {outcome['transcript']}"
            yield f"  agent   {outcome['reply']}"
            yield f"  ms      {_timeline(told)}"
        case "turn.dropped":
            yield f"  not taken for a turn: {outcome['reason']}"
        case "call.ended":
            yield f"  the call ended: {outcome['reason']}"
        case _:
            yield "  no answer came"
    for message in told.messages:
        if message["type"] == "error":
            yield f"  error   {message['message']}"


def _timeline(told: Exchange) -> str:
    """The turn's moments, in milliseconds after the caller's last speech."""
    moments: dict[str, float | None] = dict((told.outcome or {}).get("timeline", {}))
    moments["heard by the caller"] = told.heard_after
    return ", ".join(
        f"{name.replace('_', ' ')} {1000 * seconds:.0f}"
        for name, seconds in moments.items()
        if seconds is not None
    )
