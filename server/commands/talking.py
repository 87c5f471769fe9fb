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
from server.talk import Exchange, conversation, timeline_text


async def talk(settings: Settings, files: Sequence[Path], language: str, output: Path) -> int:
    """Say each file, print what came of it, write what the agent said; 1 if one got no answer.

    Raises OSError (a file that cannot be read or written), StageUnavailable, CallFailed."""
    said = [recordings.read(path) for path in files]
    hardware = probe()
    stages = await choose(settings, open_store(settings.models), hardware)
    async with aclosing(stages):
        print(start_block(hardware, stages.reports), end="\n\n", flush=True)
        outcomes = await _hold(settings, stages, files, said, language, output)
    return 0 if outcomes == ["turn.finished"] * len(files) else 1


async def _hold(
    settings: Settings,
    stages: Stages,
    files: Sequence[Path],
    said: Sequence[AudioChunk],
    language: str,
    output: Path,
) -> list[str]:
    outcomes: list[str] = []
    call = conversation(settings, stages, said, language=language or None)
    async with aclosing(call):
        async for caller, exchange in call:
            outcome = exchange.outcome or {}
            print("\n".join(_lines(files[len(outcomes)], exchange)), end="\n\n", flush=True)
            outcomes.append(str(outcome.get("type", "")))
            recordings.write(output, caller.recording.audio())
    print(f"The agent's side of the call: {output}")
    return outcomes


def _lines(file: Path, exchange: Exchange) -> Iterator[str]:
    outcome = exchange.outcome or {}
    yield f"{file}"
    match outcome.get("type"):
        case "turn.finished":
            yield f"  caller  {outcome.get('transcript', '')}"
            yield f"  agent   {outcome.get('reply', '')}"
            yield f"  ms      {timeline_text(exchange)}"
        case "turn.dropped":
            yield f"  not taken for a turn: {outcome.get('reason', '')}"
        case "call.ended":
            yield f"  the call ended: {outcome.get('reason', '')}"
        case _:
            yield "  no answer came"
    for note in exchange.notes:
        if note.get("type") == "error":
            yield f"  error   {note.get('message', '')}"
