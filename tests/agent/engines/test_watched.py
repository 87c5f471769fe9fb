from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from agent.engines.protocols import Priority, ReplyRequest
from agent.engines.watched import WatchedModel
from agent.errors import EngineFailed
from agent.messages import Message
from tests.fakes import FakeModel


def request(priority: Priority = Priority.COMMITTED) -> ReplyRequest:
    return ReplyRequest(
        conversation="c1", messages=(Message("user", "hi"),), max_tokens=8, priority=priority
    )


async def test_a_reply_waits_until_its_first_word_and_no_longer() -> None:
    model = WatchedModel(FakeModel("One two three.", first_token=0.05))
    assert model.wait == 0
    async with aclosing(model.reply(request())) as pieces:
        first = asyncio.ensure_future(anext(pieces))
        await asyncio.sleep(0.03)
        assert model.wait > 0.02
        await first
        assert model.wait == 0
        assert [piece async for piece in pieces]


async def test_the_wait_of_a_speculation_is_nobodys() -> None:
    model = WatchedModel(FakeModel("One.", first_token=0.05))
    async with aclosing(model.reply(request(Priority.SPECULATIVE))) as pieces:
        first = asyncio.ensure_future(anext(pieces))
        await asyncio.sleep(0.03)
        assert model.wait == 0
        await first


async def test_a_speculation_is_waited_for_from_its_commitment_on() -> None:
    model = WatchedModel(FakeModel("One two.", first_token=0.1))
    async with aclosing(model.reply(request(Priority.SPECULATIVE))) as pieces:
        first = asyncio.ensure_future(anext(pieces))
        await asyncio.sleep(0.05)
        model.commit("another")
        assert model.wait == 0
        model.commit("c1")
        assert 0 < model.wait < 0.04, "not from its beginning"
        await first
        model.commit("c1")
        assert model.wait == 0, "it has begun"


async def test_a_reply_that_fails_or_is_given_up_waits_no_more() -> None:
    failing = WatchedModel(FakeModel(error=EngineFailed("llm", "no")))
    with pytest.raises(EngineFailed):
        async for _ in failing.reply(request()):
            pass
    assert failing.wait == 0
    slow = WatchedModel(FakeModel(first_token=60.0))
    waiting = asyncio.ensure_future(anext(slow.reply(request())))
    await asyncio.sleep(0.02)
    assert slow.wait > 0
    waiting.cancel()
    await asyncio.wait([waiting])
    assert slow.wait == 0
