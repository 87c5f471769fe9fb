"""One piece of the scheduler's work, and who waits for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from agent.engines.llama.calling import Calling
from agent.engines.llama.prompts import Prompt
from agent.engines.llama.reply import ReplyText
from agent.engines.llama.shares import Demand
from agent.engines.protocols import Priority, ReplyRequest
from agent.errors import EngineError
from agent.messages import ToolCall, Usage


class Sink(Protocol):
    """Where a reply goes. Called from the scheduler's thread; never blocks."""

    def piece(self, text: str) -> None: ...

    def call(self, call: ToolCall) -> None: ...

    def end(self, error: EngineError | None) -> None:
        """Nothing follows. Called once at least; later calls change nothing."""


@dataclass(eq=False, slots=True)
class Job:
    """A prompt to be read, and perhaps a reply to be made from it."""

    request: ReplyRequest
    sink: Sink
    replies: bool
    """False: only read it ahead of a reply."""
    asked: float = 0.0
    """When it came, by the clock of whoever submitted it."""
    number: int = 0
    priority: Priority = Priority.COMMITTED
    prompt: Prompt = field(default_factory=lambda: Prompt([], [], 0))
    text: ReplyText = field(default_factory=ReplyText)
    calling: Calling | None = None
    """What watches over a reply that may call tools, or follows a grammar."""
    sequence: int | None = None
    """Where in the cache it is at work; None: it waits."""
    read: int = 0
    """Tokens of the prompt that are in the cache."""
    reused: int = 0
    """Of these, those that were there before it."""
    made: int = 0
    """Tokens of the reply so far."""
    next: int | None = None
    """The token that was chosen last, and is not in the cache yet."""
    served: int = 0
    """The step in which it last took part."""

    @property
    def conversation(self) -> str:
        return self.request.conversation

    @property
    def adapter(self) -> str:
        return self.request.adapter

    @property
    def unread(self) -> int:
        return len(self.prompt.tokens) - self.read

    @property
    def limit(self) -> int:
        """Tokens of the reply at most."""
        most = self.prompt.max_tokens
        return most if self.calling is None else min(most, self.calling.limit)

    @property
    def outstanding(self) -> int:
        """Cells that it may still fill."""
        return self.unread + self.prompt.max_tokens * self.replies - self.made

    @property
    def usage(self) -> Usage:
        """What it cost so far."""
        cut = self.made >= self.limit > 0
        return Usage(
            prompt=len(self.prompt.tokens), cached=self.reused, generated=self.made, is_cut=cut
        )

    def demand(self) -> Demand:
        return Demand(self.number, self.priority, self.unread, self.served, self.adapter)


@dataclass(eq=False, slots=True)
class Opening:
    """A system prompt in the cache: what the prompts of many conversations begin with."""

    tokens: list[int]
    adapter: str
    """What it is read with."""
    sequence: int
    number: int
    """Below 0: apart from those of jobs, and before them among equals."""
    priority: Priority
    """That of the most urgent job that waits for it."""
    used: int = 0
    """The step in which it was last copied."""
    read: int = 0

    @property
    def unread(self) -> int:
        return len(self.tokens) - self.read

    @property
    def outstanding(self) -> int:
        return self.unread

    def demand(self) -> Demand:
        return Demand(self.number, self.priority, self.unread, adapter=self.adapter)
