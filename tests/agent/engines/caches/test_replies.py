"""Replies to frequent first questions are made once, and only those."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import pytest

from agent.engines.caches import CachedModel, ReplyCacheSettings
from agent.engines.caches.replies import ReplyKey
from agent.engines.protocols import ReplyRequest
from agent.errors import EngineFailed
from agent.messages import Message, Tool, Toolbox, ToolCall
from tests.virtual_time import virtual

CAFE = "You are a café's voice."
HOURS = Tool("hours", "The opening hours.")
CALL = ToolCall("1", "hours", "{}")


class Model:
    """Replies with the number of the reply, word by word; breaks off at `broken`."""

    def __init__(self) -> None:
        self.made = 0
        self.forgotten: list[str] = []
        self.committed: list[str] = []
        self.prefilled = 0
        self.broken = False
        self.calls = False

    async def start(self) -> None: ...

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        self.made += 1
        yield "Reply "
        if self.broken:
            raise EngineFailed("llm", "broken")
        if self.calls:
            request.call(CALL)
        yield f"{self.made}."

    async def prefill(self, request: ReplyRequest) -> None:
        self.prefilled += 1

    def commit(self, conversation: str) -> None:
        self.committed.append(conversation)

    def forget(self, conversation: str) -> None:
        self.forgotten.append(conversation)

    async def aclose(self) -> None: ...


class Store:
    """A shared store in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], bytes] = {}

    async def get(self, kind: str, key: str) -> bytes | None:
        return self.kept.get((kind, key))

    def put(self, kind: str, key: str, value: bytes) -> None:
        self.kept[kind, key] = value


class Alike:
    """Takes every question for the first one that was learnt."""

    def __init__(self) -> None:
        self.learnt: list[ReplyKey] = []

    async def start(self) -> None: ...

    async def like(self, key: ReplyKey) -> ReplyKey | None:
        return self.learnt[0] if self.learnt else None

    def learn(self, key: ReplyKey) -> None:
        self.learnt.append(key)

    async def aclose(self) -> None: ...


def request(
    *words: str, system: str = CAFE, max_tokens: int = 48, greeting: str = "Hello!"
) -> ReplyRequest:
    """The caller's words, each but the last with an answer."""
    messages = [Message("system", system)]
    if greeting:
        messages.append(Message("assistant", greeting))
    for said in words[:-1]:
        messages += [Message("user", said), Message("assistant", "Sure.")]
    messages.append(Message("user", words[-1]))
    return ReplyRequest(conversation="call", messages=tuple(messages), max_tokens=max_tokens)


def cached(model: Model, **parts: object) -> CachedModel:
    return CachedModel(model, ReplyCacheSettings(), instructions=[CAFE], mark="tiny", **parts)  # type: ignore[arg-type]


async def said(model: CachedModel, asked: ReplyRequest) -> str:
    async with aclosing(model.reply(asked)) as pieces:
        return "".join([piece async for piece in pieces])


@virtual
async def test_a_first_question_is_answered_once() -> None:
    inner = Model()
    model = cached(inner)
    assert await said(model, request("When do you open?")) == "Reply 1."
    assert await said(model, request("when do you open")) == "Reply 1."
    assert await said(model, request("When do you open?", greeting="")) == "Reply 1."
    assert inner.made == 1
    assert (model.counts.hits, model.counts.misses, len(model)) == (2, 1, 1)


@pytest.mark.parametrize(
    "other",
    [
        request("Hello.", "When do you open?"),
        request("When do you open?", system=CAFE + " The guest is Anna."),
        request("When does my train leave?"),
        request("When do you open? " * 20),
    ],
    ids=["a later question", "other instructions", "personal", "long"],
)
@virtual
async def test_what_is_none_of_its_business_is_made_each_time(other: ReplyRequest) -> None:
    inner = Model()
    model = cached(inner)
    await said(model, other)
    await said(model, other)
    assert inner.made == 2 and len(model) == 0
    assert model.counts.passed == 2


@virtual
async def test_what_was_said_with_an_adapter_is_remembered_for_that_adapter() -> None:
    model = cached(Model())
    polite = replace(request("When do you open?"), adapter="polite")
    assert await said(model, request("When do you open?")) == "Reply 1."
    assert await said(model, polite) == "Reply 2."
    assert await said(model, polite) == "Reply 2."


@virtual
async def test_a_question_that_took_no_tool_is_answered_once_for_the_same_tools() -> None:
    inner = Model()
    model = cached(inner)
    offering = replace(request("When do you open?"), tools=Toolbox(tools=(HOURS,)))
    assert await said(model, offering) == "Reply 1."
    assert await said(model, offering) == "Reply 1."
    assert inner.made == 1


@pytest.mark.parametrize(
    "box",
    [
        Toolbox(),
        Toolbox(tools=(HOURS, Tool("menu"))),
        Toolbox(tools=(Tool("hours", "The opening hours of a shop."),)),
        Toolbox(tools=(Tool("hours", HOURS.description, {"type": "object", "required": ["a"]}),)),
        Toolbox(tools=(HOURS,), choice="none"),
    ],
    ids=["none", "one more", "another description", "another schema", "not to be used"],
)
@virtual
async def test_other_tools_are_another_key(box: Toolbox) -> None:
    store, inner = Store(), Model()
    asked = request("When do you open?")
    await said(cached(inner, shared=store), replace(asked, tools=Toolbox(tools=(HOURS,))))
    assert await said(cached(inner, shared=store), replace(asked, tools=box)) == "Reply 2."


@virtual
async def test_a_reply_that_calls_a_tool_is_never_kept() -> None:
    inner, store = Model(), Store()
    inner.calls = True
    model = cached(inner, shared=store)
    calls: list[ToolCall] = []
    offering = replace(
        request("When do you open?"), tools=Toolbox(tools=(HOURS,)), call=calls.append
    )
    await said(model, offering)
    await said(model, offering)
    assert calls == [CALL, CALL] and inner.made == 2
    assert len(model) == 0 and not store.kept


@virtual
async def test_only_a_complete_reply_is_kept() -> None:
    inner = Model()
    model = cached(inner)
    async with aclosing(model.reply(request("When do you open?"))) as pieces:
        assert await anext(pieces) == "Reply "
    inner.broken = True
    with pytest.raises(EngineFailed):
        await said(model, request("When do you open?"))
    assert len(model) == 0


@virtual
async def test_a_reply_made_short_is_made_again_when_there_is_time() -> None:
    inner = Model()
    model = cached(inner)
    assert await said(model, request("When do you open?", max_tokens=16)) == "Reply 1."
    assert await said(model, request("When do you open?", max_tokens=48)) == "Reply 2."
    assert await said(model, request("When do you open?", max_tokens=16)) == "Reply 2."


@virtual
async def test_what_is_made_while_it_is_not_to_be_kept_is_not_and_what_is_known_serves() -> None:
    model, keeps = Model(), [True]
    remembering = CachedModel(
        model, ReplyCacheSettings(), instructions={CAFE}, keeps=lambda: keeps[0]
    )
    assert await said(remembering, request("When do you open?")) == "Reply 1."
    keeps[0] = False
    assert await said(remembering, request("When do you open?")) == "Reply 1."
    assert await said(remembering, request("Where do you bake?")) == "Reply 2."
    keeps[0] = True
    assert await said(remembering, request("Where do you bake?")) == "Reply 3."


@virtual
async def test_servers_share_replies() -> None:
    store, one, other = Store(), Model(), Model()
    await said(cached(one, shared=store), request("When do you open?"))
    asking = cached(other, shared=store)
    assert await said(asking, request("when do you open")) == "Reply 1."
    assert other.made == 0 and len(asking) == 1


@pytest.mark.parametrize("garbage", [b"", b"\xff", b"[]", b'{"text": ""}', b'{"text": 1}'])
@virtual
async def test_garbage_in_the_store_is_a_miss(garbage: bytes) -> None:
    store, inner = Store(), Model()
    await said(cached(Model(), shared=store), request("When do you open?"))
    store.kept = dict.fromkeys(store.kept, garbage)
    assert await said(cached(inner, shared=store), request("When do you open?")) == "Reply 1."
    assert inner.made == 1


@virtual
async def test_another_model_has_other_replies() -> None:
    store = Store()
    await said(cached(Model(), shared=store), request("When do you open?"))
    inner = Model()
    other = CachedModel(
        inner, ReplyCacheSettings(), instructions=[CAFE], mark="large", shared=store
    )
    await said(other, request("When do you open?"))
    assert inner.made == 1


@virtual
async def test_a_question_of_the_same_meaning_gets_the_same_reply() -> None:
    inner = Model()
    model = cached(inner, likeness=Alike())
    await said(model, request("When do you open?"))
    assert await said(model, request("What are the opening hours?")) == "Reply 1."
    assert model.counts.by_meaning == 1 and inner.made == 1


@virtual
async def test_the_rest_is_the_models() -> None:
    inner = Model()
    model = cached(inner)
    await model.prefill(request("When"))
    model.forget("call")
    assert inner.prefilled == 1 and inner.forgotten == ["call"]
