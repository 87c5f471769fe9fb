"""What the engine tells of itself."""

from __future__ import annotations

import asyncio

from agent.engines.llama import Llama
from tests.agent.engines.llama.test_engine import model, random_model, request, said

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
