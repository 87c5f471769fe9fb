"""A whole server with engines that need no model: a recogniser with a script, the scripted
responder, espeak-ng. And a caller's voice, which is espeak-ng's too."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager

import numpy as np

from agent.context import Engines
from agent.engines.espeak import Espeak, EspeakSettings
from agent.engines.protocols import LanguageModel, Priority, Transcript, Urgent
from agent.engines.scripted import Scripted
from media.audio import AudioChunk, join
from server.config import Settings
from server.stages import StageReport, Stages


class Hearsay:
    """A recogniser that understands its lines one after the other, whatever is said."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)
        self.opened = 0

    async def start(self) -> None: ...

    def open(self, *, language: str) -> _Hearing:
        self.opened += 1
        return _Hearing(self, language)

    async def aclose(self) -> None: ...


class _Hearing:
    def __init__(self, owner: Hearsay, language: str) -> None:
        self._line = owner.lines[min(owner.opened, len(owner.lines)) - 1]
        self._language = language

    def feed(self, chunk: AudioChunk) -> None: ...

    async def partial(self) -> Transcript | None:
        return None

    async def final(self, *, priority: Urgent = Priority.COMMITTED) -> Transcript:
        return Transcript(self._line, self._language)

    def close(self) -> None: ...


@asynccontextmanager
async def stages(*lines: str, model: LanguageModel | None = None) -> AsyncGenerator[Stages, None]:
    """Started engines that understand `lines`; `model` instead of the scripted responder."""
    voice = Espeak(EspeakSettings())
    await voice.start()
    reports = tuple(
        StageReport(stage=stage, engine=engine, model="", device="cpu", why="a test")
        for stage, engine in (("stt", "hearsay"), ("llm", "scripted"), ("tts", "espeak"))
    )
    standing = Stages(Engines(Hearsay(*lines), model or Scripted(), voice), reports)  # type: ignore[arg-type]  # reports' stages are plain strings here
    try:
        yield standing
    finally:
        await standing.aclose()


def settings(**changes: object) -> Settings:
    """The defaults on loopback, with a port of its own."""
    return Settings.model_validate(
        {
            "server": {"port": 0, "shutdown_grace": 3.0},
            "ice": {"bind": ["127.0.0.1"]},
            # A machine that is busy with other tests must not refuse this one's callers.
            "load": {"enabled": False},
            **changes,
        }
    )


async def spoken(text: str, *, language: str = "en") -> AudioChunk:
    """`text` in a voice, with a little silence around it."""
    voice = Espeak(EspeakSettings())
    await voice.start()
    try:
        async with aclosing(voice.speak(text, language=language)) as speech:
            pieces = [piece.audio async for piece in speech]
    finally:
        await voice.aclose()
    quiet = AudioChunk(np.zeros(pieces[0].rate // 10, np.int16), pieces[0].rate)
    return join([quiet, *pieces, quiet])
