"""What `bench.llm` has models do: turns at the same moment, whole calls, long histories."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.engines.protocols import LanguageModel, ReplyRequest
from agent.messages import Message, Usage

SYSTEM = "be the voice of a small shop on the corner, kind and brief and never wrong. " * 3
TALKING = 4
"""Whole calls at once."""
FIRST_REPLY = 8
"""Tokens of a first reply, which is there for the second one's sake."""


@dataclass(frozen=True)
class Turn:
    """One reply: seconds to its first token and to its end, tokens, and its cost where it is
    told."""

    first: float
    tokens: int
    seconds: float
    usage: Usage | None


async def turn(model: LanguageModel, asked: ReplyRequest) -> tuple[str, Turn]:
    """The reply, and how it came."""
    told: list[Usage] = []
    began = time.perf_counter()
    pieces, first = [], 0.0
    async for piece in model.reply(replace(asked, count=told.append)):
        first = first or time.perf_counter() - began
        pieces.append(piece)
    seconds = time.perf_counter() - began
    # The random model's tokens are letters; a real one's pieces are about its tokens.
    return "".join(pieces), Turn(first, len(pieces), seconds, told[0] if told else None)


def request(name: str, texts: Sequence[str], tokens: int) -> ReplyRequest:
    """The last of `texts`, which caller and agent said in turn, is to be answered."""
    turns = [Message("assistant" if i % 2 else "user", text) for i, text in enumerate(texts)]
    return ReplyRequest(
        conversation=name, messages=(Message("system", SYSTEM), *turns), max_tokens=tokens
    )


async def together(model: LanguageModel, calls: int, tokens: int, label: str) -> list[Turn]:
    """The second turn of `calls` calls, all at the same moment."""
    names = [f"{label} {number}" for number in range(calls)]
    histories = {name: [f"hello, this is {name}"] for name in names}
    for name in names:
        text, _ = await turn(model, request(name, histories[name], FIRST_REPLY))
        histories[name] += [text, "and what does that cost?"]
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(turn(model, request(name, histories[name], tokens))) for name in names
        ]
    for name in names:
        model.forget(name)
    return [task.result()[1] for task in tasks]


async def conversations(model: LanguageModel, turns: int, tokens: int) -> list[Usage | None]:
    """Whole calls, all at once, in which every turn asks with all that was said before: the cost of
    each turn."""

    async def call(name: str) -> list[Usage | None]:
        history: list[str] = []
        costs = []
        for number in range(turns):
            history.append(f"and number {number}?")
            text, made = await turn(model, request(name, history, tokens))
            history.append(text)
            costs.append(made.usage)
        model.forget(name)
        return costs

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(call(f"whole {number}")) for number in range(TALKING)]
    return [usage for task in tasks for usage in task.result()]


async def continued(
    model: LanguageModel, histories: Sequence[int], label: str, times: int
) -> list[list[Turn]]:
    """The next turns of calls, each after so many tokens of its past: each time with another
    question, and the calls in turn, so that they share what disturbs them. (`Llama()` has room for
    one of them, and reads the other anew.)"""
    pasts = [["tell me a story", "x" * history] if history else [] for history in histories]
    names = [f"{label} {history}" for history in histories]
    for name, past in zip(names, pasts, strict=True):
        await turn(model, request(name, [*past, "ok"], 1))
    found: list[list[Turn]] = [[] for _ in names]
    for number in range(times):
        for turns, name, past in zip(found, names, pasts, strict=True):
            _, made = await turn(model, request(name, [*past, f"{number}, what is it?"], 1))
            turns.append(made)
    for name in names:
        model.forget(name)
    return found
