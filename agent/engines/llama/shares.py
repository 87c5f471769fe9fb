"""Who takes part in a step, and with how many tokens. Pure: the rules of one place, as a function.

1. Replies being made come first, one token each: a caller listens to them.
2. Beside a committed turn (reading or replying) only a few speculative replies go on, in rotation.
3. What a step may read is bounded while replies are made, so that none of them stutters.
4. Of those that read, committed turns come before speculations, and those before reading along;
   among equals, prompts that can be read in this step come first, and then the oldest.
5. What is read of a prompt without its end is a multiple of sixteen, or of four where there is room
   for less and nobody else reads: any other number costs as much as the next one (`parts.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.engines.llama.parts import AT_LEAST, AT_ONCE
from agent.engines.protocols import Priority


@dataclass(frozen=True, slots=True)
class Demand:
    """What one job asks of a step. `unread` tokens of its prompt remain; 0: it is replying."""

    job: int
    """Number of the job; jobs that came later have greater ones."""
    priority: Priority
    unread: int
    served: int = 0
    """The step in which it last took part."""
    adapter: str = ""
    """What it is read and answered with."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Tokens in a step."""

    batch: int
    """At most, in all."""
    beside_replies: int
    """Of prompts, while replies are made."""
    speculative: int
    """Speculative replies, while a committed turn is served."""


def divide(
    demands: Sequence[Demand], shares: Shares, *, others: Sequence[Demand] = ()
) -> dict[int, int]:
    """Tokens for each job that takes part in the next step: 1 for a reply.

    `others`: jobs that cannot take part, as their adapter is another, but wait for its end."""
    everybody = [*demands, *others]
    replying = _replying([d for d in demands if not d.unread], everybody, shares)
    left = shares.batch - len(replying)
    if replying or any(not d.unread for d in others):
        left = min(left, shares.beside_replies)
    return {d.job: 1 for d in replying} | _reading([d for d in demands if d.unread], left)


def _replying(replies: list[Demand], everybody: list[Demand], shares: Shares) -> list[Demand]:
    committed = [d for d in replies if d.priority is Priority.COMMITTED]
    others = [d for d in replies if d.priority is not Priority.COMMITTED]
    if any(d.priority is Priority.COMMITTED for d in everybody):
        others = sorted(others, key=lambda d: (d.served, d.job))[: shares.speculative]
    return (committed + others)[: shares.batch]


def _reading(readers: list[Demand], budget: int) -> dict[int, int]:
    order = sorted(readers, key=lambda d: (d.priority, d.unread > budget, d.job))
    tokens: dict[int, int] = {}
    for demand in order:
        if budget <= 0:
            break
        taken = min(demand.unread, budget)
        if taken < demand.unread and (tokens or taken > AT_LEAST):
            taken -= taken % (AT_ONCE if tokens or taken > AT_ONCE else AT_LEAST)
        if taken:
            tokens[demand.job] = taken
            budget -= taken
    return tokens
