"""Requests to tokens: the template, the window of the history that fits, and how prompts begin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import TemplateError

from agent.engines.llama.cache import common_prefix
from agent.engines.llama.prompt import ChatTemplate
from agent.engines.llama.tools import Notation
from agent.engines.llama.window import Window, fit
from agent.engines.protocols import ReplyRequest
from agent.errors import EngineFailed
from agent.messages import Message, Tool

_OPENINGS = 16  # system prompts whose tokens are remembered


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model reads for one request."""

    tokens: list[int]
    opening: list[int]
    """How every prompt with this system prompt begins; may be shorter than is worth keeping."""
    max_tokens: int
    """Tokens of the reply that have room in the context."""


class Prompts:
    """Makes prompts of at most `context` tokens, reply included."""

    def __init__(
        self, template: ChatTemplate, tokenize: Callable[[str], list[int]], *, context: int
    ) -> None:
        self._template = template
        self._tokenize = tokenize
        self._context = context
        self._windows: dict[str, Window] = {}
        self._openings: dict[tuple[str, tuple[Tool, ...]], list[int]] = {}

    @property
    def notation(self) -> Notation:
        """How this model asks for tools."""
        return self._template.notation

    def of(self, request: ReplyRequest, *, finished: bool) -> Prompt:
        """The prompt of a request; not `finished`: up to its last word. Raises EngineFailed."""
        try:
            return self._made(request, finished)
        except (TemplateError, ValueError, TypeError) as error:
            raise EngineFailed(
                "llm", f"the model's chat template refuses this conversation: {error}"
            ) from error

    def forget(self, conversation: str) -> None:
        self._windows.pop(conversation, None)

    def _made(self, request: ReplyRequest, finished: bool) -> Prompt:
        tools = request.tools.tools
        if all(m.role == "system" for m in request.messages) and not finished:
            opening = self._opening(request.messages, tools)
            return Prompt(opening, opening, 0)
        most = request.max_tokens + (request.tools.max_tokens if tools else 0)
        max_tokens = max(1, min(most, self._context // 2))
        room = self._context - max_tokens
        window = self._windows.get(request.conversation, Window())
        # The prompt that was counted last mostly is the one that is made.
        tokens_of = lru_cache(maxsize=1)(self._tokenize)
        messages, window = fit(
            request.messages,
            count=lambda messages: len(tokens_of(self._template.prompt(messages, tools))),
            room=room,
            window=window,
        )
        self._windows[request.conversation] = window
        made = self._template.prompt if finished else self._template.unfinished
        # A template's own text may be longer than the context; then its end must do.
        tokens = tokens_of(made(messages, tools))[-room:]
        opening = self._opening(messages, tools)
        # One that is longer than the context is no beginning of what is left.
        shared = opening if tokens[: len(opening)] == opening else []
        return Prompt(tokens, shared, max_tokens)

    def _opening(self, messages: Sequence[Message], tools: tuple[Tool, ...]) -> list[int]:
        system = next((m.text for m in messages[:1] if m.role == "system"), None)
        if system is None:
            return []
        key = (system, tools)
        if key not in self._openings:
            if len(self._openings) >= _OPENINGS:
                del self._openings[next(iter(self._openings))]
            # Two prompts tell what all have in common: a token may span the place where they part.
            one, other = (
                self._tokenize(self._template.prompt([Message("system", system), said], tools))
                for said in (Message("user", "a"), Message("user", "1"))
            )
            self._openings[key] = one[: common_prefix(one, other)]
        return self._openings[key]
