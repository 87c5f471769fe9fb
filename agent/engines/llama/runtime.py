"""What the scheduler asks of a model: one context, many sequences.

`library.py` is llama.cpp behind it; tests have a model of their own making. Not thread-safe:
whoever makes one is the only one to call it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

SYSTEM_PROMPTS = 4
"""System prompts that stay in the cache, for the calls to come."""
NO_ADAPTER = ""
"""The model as it is."""


@dataclass(slots=True)
class Entry:
    """One token of a batch: where it goes, and whether the token after it is asked for."""

    token: int
    position: int
    sequence: int
    answer: bool


class DecodeFailed(Exception):
    """llama.cpp refused a batch; what the cache now holds is not known."""


class GrammarRefused(Exception):
    """llama.cpp cannot read a grammar, or no token of the model's fits it."""


class Bound(Protocol):
    """A grammar that a reply follows from here on, and how far it has come."""

    def choose(self, answer: int) -> int:
        """The likeliest token that fits, after the last decode's answer of this number; it counts
        as chosen. Raises GrammarRefused."""

    def close(self) -> None: ...


class Runtime(Protocol):
    """A model with a cache of `cells` tokens, held as `sequences` independent sequences."""

    cells: int
    sequences: int
    context: int
    """Tokens of one sequence at most."""
    rewinds: bool
    """A sequence can be cut anywhere (a recurrent model's only to nothing)."""
    adapters: Collection[str]
    """Names of the adapters that a batch may be decoded with."""

    def tokenize(self, text: str) -> list[int]: ...

    def piece(self, token: int) -> bytes: ...

    def ends(self, token: int) -> bool:
        """The token says that the reply is over."""

    def decode(self, batch: Sequence[Entry], adapter: str) -> list[int]:
        """The likeliest token after each entry with `answer`, in order. Raises DecodeFailed.

        `adapter`: the one that all of it is read with; empty: none."""

    def likeliest(self, answer: int, refused: Collection[int]) -> int:
        """The likeliest token of the last decode's answer of this number, but for these."""

    def marker(self, token: int) -> bytes:
        """The bytes that a token writes, those of a marker included."""

    def bound(self, gbnf: str) -> Bound:
        """Raises GrammarRefused."""

    def copy(self, source: int, target: int, length: int) -> None:
        """`target`, which is empty, begins with the first `length` tokens of `source`."""

    def cut(self, sequence: int, length: int) -> None:
        """Keep the first `length` tokens of a sequence."""

    def keep(self, sequence: int, tokens: Sequence[int], adapter: str) -> None:
        """Write a sequence, which holds these tokens, where a later start finds it."""

    def restore(self, sequence: int, tokens: Sequence[int], adapter: str) -> bool:
        """Fill an empty sequence with what was kept for these tokens, read with this adapter;
        False: nothing was."""

    def clear(self) -> None:
        """Forget all sequences."""

    def close(self) -> None: ...
