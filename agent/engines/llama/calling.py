"""One reply that may ask for tools: free until a call begins, and then bound by a grammar.

Text is free and costs nothing more. The token that would complete the notation's `begin` is chosen
anew, under the grammar of what may follow, so that the grammar never meets a token that does not
fit it. A reply that must be a call (`required`), and one with a grammar of its own, is bound from
its first token.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager

from agent.engines.llama.runtime import Bound, GrammarRefused, Runtime
from agent.engines.llama.tools import Notation, calls_of, grammar
from agent.engines.protocols import ReplyRequest
from agent.errors import EngineFailed
from agent.messages import ToolCall


class Calling:
    """The tokens of one reply. Every method raises only EngineFailed."""

    def __init__(self, request: ReplyRequest, notation: Notation, runtime: Runtime) -> None:
        self._box = request.tools
        self._limit = request.max_tokens
        self._notation = notation
        self._runtime = runtime
        self._grammar: Bound | None = None
        self._tail = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._call = ""
        self.is_call = False
        """A call is being written: what comes is not for the caller's ear."""
        if self._box.tools and self._box.choice == "required":
            self._begin_call(0)
        elif request.grammar:
            self._bind(request.grammar)

    @property
    def limit(self) -> int:
        """Tokens of the reply at most, as far as it has come."""
        return self._limit + self._box.max_tokens if self.is_call else self._limit

    @property
    def begins(self) -> str:
        """What must not be said while it may become the beginning of a call."""
        return self._notation.begin if self._box.tools and not self._notation.is_first else ""

    def choose(self, answer: int, likeliest: int) -> int:
        """The reply's next token. `answer`: its number among those of the last decode."""
        if self._grammar is None and self._box.tools:
            likeliest = self._watch(answer, likeliest)
        if self._grammar is None:
            return likeliest
        with _following():
            token = self._grammar.choose(answer)
        if self.is_call and not self._runtime.ends(token):
            self._call += self._decoder.decode(self._runtime.marker(token))
        return token

    def calls(self) -> list[ToolCall]:
        """What was asked for, now that the reply is over."""
        if not self.is_call:
            return []
        try:
            return calls_of(self._call, self._notation, self._box)
        except ValueError as error:
            raise EngineFailed(
                "llm",
                f"the model's call of a tool broke off after {self._box.max_tokens} tokens: set "
                "turn.tools.max_tokens higher, or give the tool fewer parameters",
            ) from error

    def close(self) -> None:
        """Free the grammar. Idempotent."""
        if self._grammar is not None:
            self._grammar.close()

    def _watch(self, answer: int, token: int) -> int:
        """The token, unless a call would begin with it: then one that may, or none that does."""
        refused: list[int] = []
        while (begun := self._begun(token)) is not None:
            if self._box.choice != "none":
                self._begin_call(begun)
                return token
            refused.append(token)
            token = self._runtime.likeliest(answer, refused)
        text = self._tail + self._text(token)
        self._tail = text if self._notation.is_first else text[-len(self._notation.begin) :]
        return token

    def _begun(self, token: int) -> int | None:
        """Characters of `begin` that were written before this token completes it; None: it does
        not."""
        begin, text = self._notation.begin, self._tail + self._text(token)
        if self._notation.is_first:
            return 0 if not self._tail.strip() and text.lstrip().startswith(begin) else None
        at = text.find(begin, max(0, len(self._tail) - len(begin) + 1))
        return max(0, len(self._tail) - at) if at >= 0 else None

    def _text(self, token: int) -> str:
        return self._runtime.marker(token).decode("utf-8", "replace")

    def _begin_call(self, begun: int) -> None:
        self._bind(grammar(self._notation, self._box, begun))
        self.is_call = True

    def _bind(self, gbnf: str) -> None:
        with _following():
            self._grammar = self._runtime.bound(gbnf)


@contextmanager
def _following() -> Iterator[None]:
    try:
        yield
    except GrammarRefused as error:
        raise EngineFailed("llm", f"the reply cannot follow its grammar: {error}") from error
