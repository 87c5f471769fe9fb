"""A model whose every answer follows from all tokens before it, and a cache that checks its use.

Tokens are characters. The next one is computed from the whole text in the cache: one wrong, lost or
foreign token in there and the reply is another.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from zlib import crc32

from agent.engines.llama.job import Job
from agent.engines.llama.prompt import ChatTemplate
from agent.engines.llama.prompts import Prompts
from agent.engines.llama.runtime import DecodeFailed, Entry
from agent.engines.llama.scheduler import Scheduler
from agent.engines.llama.shares import Shares
from agent.engines.protocols import Priority, ReplyRequest
from agent.errors import EngineError
from agent.messages import Message

END = 0
SYSTEM = "You are the voice of a small shop."


def next_token(text: str, adapters: str = "") -> int:
    """A letter, or one time in forty the end; like real models a space before the first word.

    `adapters`: the first letter of each token's adapter (or a space): they count as the text does.
    """
    if text.endswith(":"):
        return ord(" ")
    number = crc32((text + adapters.strip()).encode())
    return END if number % 40 == 0 else ord("a") + number % 26


def reply_to(prompt: str, max_tokens: int, adapter: str = "") -> str:
    """What the model says after this prompt, as if it were alone."""
    text = prompt
    for _ in range(max_tokens):
        token = next_token(text, adapter[:1] * len(text))
        if token == END:
            break
        text += chr(token)
    return text[len(prompt) :].lstrip()


class ScriptedGrammar:
    """A grammar that allows one text."""

    def __init__(self, text: str) -> None:
        self._left = list(text)
        self.closed = False

    def choose(self, answer: int) -> int:
        assert not self.closed
        return ord(self._left.pop(0)) if self._left else END

    def close(self) -> None:
        self.closed = True


class ScriptedRuntime:
    """Fails the test where llama.cpp would fail, or go wrong in silence."""

    def __init__(
        self, *, cells: int = 4096, sequences: int = 16, context: int = 512, rewinds: bool = True
    ) -> None:
        self.adapters = frozenset({"polite", "rude"})
        self.cells, self.sequences, self.context, self.rewinds = cells, sequences, context, rewinds
        self.batches: list[list[Entry]] = []
        self.grammars: list[ScriptedGrammar] = []
        self.failing = False
        self.served: list[str] = []
        """The adapter of each batch."""
        self.kept: set[tuple[str, tuple[int, ...]]] = set()
        """What a later start would find on the disk."""
        self._numbers = itertools.count()
        self._held: dict[int, list[tuple[int, int, str]]] = {s: [] for s in range(sequences)}

    def tokenize(self, text: str) -> list[int]:
        return [ord(c) for c in text]

    def piece(self, token: int) -> bytes:
        return chr(token).encode()

    def ends(self, token: int) -> bool:
        return token == END

    def marker(self, token: int) -> bytes:
        return self.piece(token)

    def likeliest(self, answer: int, refused: Collection[int]) -> int:
        raise NotImplementedError("no tools are offered to it")

    def bound(self, gbnf: str) -> ScriptedGrammar:
        self.grammars.append(ScriptedGrammar(gbnf))
        return self.grammars[-1]

    def decode(self, batch: Sequence[Entry], adapter: str) -> list[int]:
        if self.failing:
            raise DecodeFailed("out of luck")
        self.batches.append(list(batch))
        self.served.append(adapter)
        answers = []
        for entry in batch:
            held = self._held[entry.sequence]
            assert entry.position == len(held), "a token goes to the end of its sequence"
            held.append((next(self._numbers), entry.token, adapter[:1] or " "))
            if entry.answer:
                answers.append(next_token(self.text(entry.sequence), self.adapters_of(held)))
        assert self.used <= self.cells, "llama.cpp would find no slot"
        return answers

    def copy(self, source: int, target: int, length: int) -> None:
        assert not self._held[target], "a sequence is copied into an empty one"
        assert self.rewinds or length == len(self._held[source])
        self._held[target] = self._held[source][:length]

    def cut(self, sequence: int, length: int) -> None:
        assert self.rewinds or length == 0
        del self._held[sequence][length:]

    def keep(self, sequence: int, tokens: Sequence[int], adapter: str) -> None:
        assert [token for _, token, _ in self._held[sequence]] == list(tokens)
        self.kept.add((adapter, tuple(tokens)))

    def restore(self, sequence: int, tokens: Sequence[int], adapter: str) -> bool:
        assert not self._held[sequence]
        if (adapter, tuple(tokens)) not in self.kept:
            return False
        named = adapter[:1] or " "
        self._held[sequence] = [(next(self._numbers), token, named) for token in tokens]
        return True

    def clear(self) -> None:
        self._held = {s: [] for s in range(self.sequences)}

    def close(self) -> None:
        self.clear()

    @property
    def used(self) -> int:
        return len({cell for held in self._held.values() for cell, _, _ in held})

    @property
    def decoded(self) -> int:
        """Tokens that went through the model."""
        return sum(len(batch) for batch in self.batches)

    def text(self, sequence: int) -> str:
        return "".join(chr(token) for _, token, _ in self._held[sequence])

    @staticmethod
    def adapters_of(held: Sequence[tuple[int, int, str]]) -> str:
        return "".join(adapter for _, _, adapter in held)


class Listener:
    """Hears one reply."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.ends = 0
        self.error: EngineError | None = None

    def piece(self, text: str) -> None:
        assert not self.ends, "nothing follows the end"
        self.pieces.append(text)

    def end(self, error: EngineError | None) -> None:
        self.ends += 1
        self.error = error

    @property
    def said(self) -> str:
        return "".join(self.pieces)


class Stage:
    """A scheduler on a scripted model, and what was asked of it."""

    def __init__(
        self,
        runtime: ScriptedRuntime | None = None,
        *,
        batch: int = 64,
        beside_replies: int = 16,
        speculative: int = 1,
        openings: int = 2,
    ) -> None:
        self.runtime = runtime or ScriptedRuntime()
        self.template = ChatTemplate(None)
        self.scheduler = Scheduler(
            self.runtime,
            Prompts(self.template, self.runtime.tokenize, context=self.runtime.context),
            shares=Shares(batch=batch, beside_replies=beside_replies, speculative=speculative),
            openings=openings,
        )

    def ask(
        self,
        conversation: str,
        *texts: str,
        max_tokens: int = 20,
        priority: Priority = Priority.COMMITTED,
        replies: bool = True,
        system: str = SYSTEM,
        grammar: str = "",
        adapter: str = "",
    ) -> tuple[Job, Listener]:
        """Submit a reply to the last of `texts`, which caller and agent said in turn."""
        listener = Listener()
        request = ReplyRequest(
            conversation=conversation,
            messages=messages(*texts, system=system),
            max_tokens=max_tokens,
            priority=priority,
            grammar=grammar,
            adapter=adapter,
        )
        return self.scheduler.submit(request, listener, replies=replies), listener

    def alone(
        self, *texts: str, max_tokens: int = 20, system: str = SYSTEM, adapter: str = ""
    ) -> str:
        """The reply as it would be without anybody else."""
        prompt = self.template.prompt(messages(*texts, system=system))
        return reply_to(prompt, max_tokens, adapter)

    def run(self, steps: int = 10_000) -> int:
        """Step until nothing is left to do; how many steps it took."""
        for step in range(steps):
            if not self.scheduler.busy:
                return step
            self.scheduler.step()
        raise AssertionError(f"still at work after {steps} steps")


def messages(*texts: str, system: str = SYSTEM) -> tuple[Message, ...]:
    head = (Message("system", system),) if system else ()
    turns = (Message("assistant" if i % 2 else "user", text) for i, text in enumerate(texts))
    return (*head, *turns)
