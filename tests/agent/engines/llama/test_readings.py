"""What the engine tells of itself, and what its library does that no scripted model can."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.engines.llama import Llama
from agent.engines.llama.runtime import Entry, Grammar
from tests.agent.engines.llama.test_engine import SETTINGS, model, random_model, request, said

__all__ = ["model", "random_model"]  # fixtures


async def test_readings_tell_how_busy_it_is(model: Llama) -> None:
    replies = [asyncio.create_task(said(model, request(f"r{i}", "hi"))) for i in range(3)]
    async with asyncio.timeout(10):
        while not model.readings().replying:  # noqa: ASYNC110  # a moment of its thread's
            await asyncio.sleep(0.001)
    busy = model.readings()
    await asyncio.gather(*replies)
    idle = model.readings()

    assert 1 <= busy.replying + busy.waiting <= 3
    assert (idle.replying, idle.waiting, idle.oldest) == (0, 0, 0)
    assert idle.tokens_per_second > 0
    assert 0 < idle.first_token < 5 and model.wait == idle.first_token


async def test_a_grammar_binds_what_llama_cpp_says(random_model: Path) -> None:
    from agent.engines.llama.library import LlamaCpp

    runtime = LlamaCpp(random_model, SETTINGS)
    sampler = runtime.sampler(Grammar('root ::= "one" | "two"'))
    tokens = runtime.tokenize("say a number: ")
    entries = [Entry(token, at, 0, False) for at, token in enumerate(tokens)]
    entries[-1].answer, entries[-1].sampler = True, sampler
    made = b""
    [token] = runtime.decode(entries)
    while not runtime.ends(token) and len(made) < 10:
        made += runtime.piece(token)
        [token] = runtime.decode([Entry(token, len(tokens) + len(made) - 1, 0, True, sampler)])
    sampler.close()
    with pytest.raises(ValueError, match="cannot read this grammar"):
        runtime.sampler(Grammar("root ::= ("))
    runtime.close()

    assert made in (b"one", b"two")
