"""Engines with a script of what happens: pieces, waits, failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from agent.engines.protocols import Priority, ReplyRequest, Speech, Transcript, Urgent
from agent.errors import EngineError, EngineFailed
from agent.messages import Message
from media.audio import AudioChunk, silence

Step = str | float | EngineError
"""A piece of text, seconds to wait, or what is raised."""

BROKEN = EngineFailed("llm", "the model broke")
REQUEST = ReplyRequest(conversation="c1", messages=(Message("user", "Hello?"),), max_tokens=20)


async def act(steps: Sequence[Step]) -> AsyncGenerator[str, None]:
    """Do one step after another."""
    for step in steps:
        if isinstance(step, EngineError):
            raise step
        if isinstance(step, str):
            yield step
        else:
            await asyncio.sleep(step)


async def result(steps: Sequence[Step]) -> str:
    """All pieces of text as one."""
    return " ".join([piece async for piece in act(steps)])


@dataclass
class Engine:
    """Counts its starts and ends, and how often it was used. Each use takes the next script."""

    scripts: list[Sequence[Step]] = field(default_factory=list)
    starts: int = 0
    closes: int = 0
    uses: int = 0

    async def start(self) -> None:
        self.starts += 1

    async def aclose(self) -> None:
        self.closes += 1

    def next_script(self) -> Sequence[Step]:
        self.uses += 1
        return self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]


@dataclass
class Model(Engine):
    prefilled: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    committed: list[str] = field(default_factory=list)

    def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        return act(self.next_script())

    async def prefill(self, request: ReplyRequest) -> None:
        await result(self.next_script())
        self.prefilled.append(request.conversation)

    def commit(self, conversation: str) -> None:
        self.committed.append(conversation)

    def forget(self, conversation: str) -> None:
        self.forgotten.append(conversation)


@dataclass
class Voice(Engine):
    voices: list[str] = field(default_factory=list)

    async def speak(
        self,
        text: str,
        *,
        language: str,
        voice: str = "",
        priority: Priority = Priority.COMMITTED,
    ) -> AsyncGenerator[Speech, None]:
        self.voices.append(voice)
        async for _ in act(self.next_script()):
            yield Speech(silence(0.1), ())


@dataclass
class Ear(Engine):
    """Understands its script, however often it is asked; says how much it was fed before that."""

    refuses: EngineError | None = None
    opened: list[Understanding] = field(default_factory=list)

    def open(self, *, language: str) -> Understanding:
        if self.refuses is not None:
            raise self.refuses
        self.opened.append(Understanding(self, language))
        return self.opened[-1]


@dataclass
class Understanding:
    ear: Ear
    language: str
    fed: int = 0
    closed: bool = False

    def feed(self, chunk: AudioChunk) -> None:
        self.fed += 1

    async def partial(self) -> Transcript | None:
        return Transcript(await result(self.ear.next_script()), self.language)

    async def final(self, *, priority: Urgent = Priority.COMMITTED) -> Transcript:
        text = await result(self.ear.next_script())
        return Transcript(f"{text} ({self.fed} chunks)", self.language)

    def close(self) -> None:
        self.closed = True
