"""What the parts of one call share: the engines, the mouth, the history, and the one clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from agent.dialogue.filler import Fillers
from agent.dialogue.forecast import Forecast
from agent.dialogue.history import History
from agent.engines.protocols import LanguageModel, Synthesizer, Transcriber, TurnJudge
from agent.engines.tools import Tools
from agent.events import Observer
from agent.load import Load, ReadyReplies
from agent.messages import NO_TOOLS, Toolbox
from agent.persona import Persona
from agent.ready import Canned
from agent.settings import TurnSettings
from media.audio import AudioChunk, Samples
from media.microphone import Mark


@dataclass(frozen=True, slots=True)
class Engines:
    """What serves every call: the three engines, and the judge of pauses where there is one."""

    transcriber: Transcriber
    model: LanguageModel
    synthesizer: Synthesizer
    judge: TurnJudge | None = None
    tools: Tools | None = None
    forecast: Forecast = field(default_factory=Forecast)
    """How long they take: no matter of one call, so that its first turn knows it, too."""


class Detector(Protocol):
    """Is this speech? One per call."""

    async def hear(self, chunk: AudioChunk) -> float: ...


class Ear(Protocol):
    """The caller's audio: chunks of 16 kHz and the marks between them, until the call ends."""

    is_patient: bool
    """Whether a chunk may come 20 ms late: set by the call, for who brings them."""

    def __aiter__(self) -> AsyncIterator[AudioChunk | Mark]: ...


class Mouth(Protocol):
    """The agent's audio on its way out; positions are seconds of its content clock."""

    @property
    def played(self) -> float: ...
    @property
    def heard(self) -> float: ...
    @property
    def queued(self) -> float: ...
    @property
    def level(self) -> float | None: ...
    @property
    def recent(self) -> Sequence[Samples]: ...
    def forget_recent(self) -> None: ...
    async def play(self, audio: AudioChunk) -> float: ...
    async def reached(self, position: float) -> bool: ...
    async def drained(self) -> None: ...
    def clear(self) -> None: ...
    def duck(self) -> None: ...
    def unduck(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...


@dataclass(slots=True)
class Context:
    """One call's common ground. `persona`, `history` and `fillers` change with the language."""

    call_id: str
    persona: Persona
    engines: Engines
    mouth: Mouth
    settings: TurnSettings
    emit: Observer
    history: History = field(init=False)
    fillers: Fillers = field(init=False)
    load: Load = field(default_factory=Load)
    """The server's; every call reads the same one."""
    ready: ReadyReplies = field(default_factory=Canned)
    asked_of_client: Toolbox = NO_TOOLS
    """The tools that the caller's client offers, and how any tool is to be used."""

    def __post_init__(self) -> None:
        self.history = History(self.persona.instructions, self.settings.history)
        self.fillers = Fillers(self.settings.fillers, self.persona.language)

    def now(self) -> float:
        """Seconds of the one clock, `loop.time()`."""
        return asyncio.get_running_loop().time()

    @property
    def forecast(self) -> Forecast:
        """When what is asked of the engines may be expected."""
        return self.engines.forecast

    @asynccontextmanager
    async def told_of_load(self) -> AsyncIterator[None]:
        """While the block runs, a change of the server's load is an event of the call."""
        with self.load.telling(self.emit, at=self.now()):
            yield

    def toolbox(self, of_client: Toolbox) -> Toolbox:
        """What the model may ask for: the client's tools and, under other names, the server's."""
        return toolbox(self.engines.tools, self.persona, self.settings, of_client)

    @property
    def tools(self) -> Toolbox:
        """What the model may ask for in this call."""
        return self.toolbox(self.asked_of_client)

    def adopt(self, persona: Persona) -> None:
        """Go on as another persona; what was said before stays said."""
        self.persona = persona
        self.history.system = persona.instructions
        self.fillers = Fillers(self.settings.fillers, persona.language)


def toolbox(
    tools: Tools | None, persona: Persona, settings: TurnSettings, of_client: Toolbox = NO_TOOLS
) -> Toolbox:
    """What of the tools a model may ask for when it answers as `persona`; a tool of the client's
    hides one of that name."""
    allowed, taken = persona.tools, {tool.name for tool in of_client.tools}
    offered = [
        tool
        for tool in (tools.offered if tools is not None else ())
        if tool.name not in taken and (allowed is None or tool.name in allowed)
    ]
    most = settings.tools.max_tokens
    return replace(of_client, tools=(*offered, *of_client.tools), max_tokens=most)
