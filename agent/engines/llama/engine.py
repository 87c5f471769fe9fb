"""A GGUF model behind the Protocol of a language model: one reply after the other, greedy."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

from agent.engines.llama.prompt import ChatTemplate
from agent.engines.llama.reply import ReplyText
from agent.engines.llama.runtime import Entry, LlamaCpp
from agent.engines.llama.settings import LlamaSettings
from agent.engines.protocols import ReplyRequest
from agent.engines.threads import Stop, Workers
from agent.errors import EngineMissing


class Llama:
    """llama.cpp in this process. `start()` loads the file at `path`."""

    def __init__(self, settings: LlamaSettings, path: Path) -> None:
        self._settings = settings
        self._path = path
        self._workers = Workers(1, stage="llm", name="llama", niceness=settings.niceness)
        self._runtime: LlamaCpp | None = None

    async def start(self) -> None:
        """Load the model. Raises EngineMissing when it can't be."""
        await self._workers.run(self._load)

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        """The reply as it is made."""
        pieces = self._workers.stream(
            lambda stop: self._generate(request, stop), priority=request.priority
        )
        try:
            async for piece in pieces:
                yield piece
        finally:
            await pieces.aclose()

    async def prefill(self, request: ReplyRequest) -> None:
        """Does nothing yet."""

    def forget(self, conversation: str) -> None:
        """There is nothing to free yet."""

    async def aclose(self) -> None:
        await self._workers.aclose()

    def _load(self, stop: Stop) -> None:
        self._runtime = LlamaCpp(self._path, self._settings)
        self._template = ChatTemplate(
            self._runtime.template, bos=self._runtime.bos, eos=self._runtime.eos
        )

    def _generate(self, request: ReplyRequest, stop: Stop) -> Iterator[str]:
        if self._runtime is None:
            raise EngineMissing("llm", "the language model was not started")
        runtime, text = self._runtime, ReplyText(self._template.stops)
        tokens = runtime.tokenize(self._template.prompt(request.messages))
        tokens = tokens[-(runtime.context - request.max_tokens) :]
        runtime.cut(0, 0)
        for start in range(0, len(tokens), runtime.batch):
            part = tokens[start : start + runtime.batch]
            last = start + len(part) == len(tokens)
            answers = runtime.decode(
                [Entry(t, start + i, 0, last and i == len(part) - 1) for i, t in enumerate(part)]
            )
            if stop.is_set():
                return
        for position in range(len(tokens), len(tokens) + request.max_tokens):
            if stop.is_set() or runtime.ends(answers[0]):
                break
            if piece := text.feed(runtime.piece(answers[0])):
                yield piece
            if text.stopped:
                break
            answers = runtime.decode([Entry(answers[0], position, 0, True)])
        if rest := text.finish():
            yield rest
