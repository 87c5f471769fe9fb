"""Where a call begins in a free reply, token by token; and real models under grammars."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.engines.llama import Llama, LlamaSettings
from agent.engines.llama.calling import Calling
from agent.engines.llama.tools import HERMES, LLAMA, Notation
from agent.engines.protocols import ReplyRequest
from agent.errors import EngineFailed
from agent.messages import Message, Tool, Toolbox, ToolCall, ToolChoice
from bench.random_llama import TINY, write_llama
from tests.conftest import TestData

TOOL = Tool("order", "", {"type": "object", "properties": {"drink": {"enum": ["tea", "latte"]}}})
PIECES = ["", "Sure", ".", "<tool", "_call", ">", ">x", " <tool_call>", "{", '{"', " ", "<to"]


class Grammar:
    def __init__(self, gbnf: str) -> None:
        self.root = gbnf.splitlines()[1] if gbnf.startswith("call") else gbnf
        self.closed = False

    def choose(self, answer: int) -> int:
        return PIECES.index(">")

    def close(self) -> None:
        self.closed = True


class Runtime:
    """Tokens are PIECES; the likeliest but for those refused is the plain word."""

    def __init__(self) -> None:
        self.grammars: list[Grammar] = []

    def marker(self, token: int) -> bytes:
        return PIECES[token].encode()

    def ends(self, token: int) -> bool:
        return token == 0

    def likeliest(self, answer: int, refused: Collection[int]) -> int:
        return next(t for t in (PIECES.index(">x"), PIECES.index("Sure")) if t not in refused)

    def bound(self, gbnf: str) -> Grammar:
        self.grammars.append(Grammar(gbnf))
        return self.grammars[-1]


def calling(notation: Notation = HERMES, choice: ToolChoice = "auto") -> tuple[Calling, Runtime]:
    runtime: Any = Runtime()
    request = ReplyRequest(
        conversation="a",
        messages=(),
        max_tokens=8,
        tools=Toolbox(tools=(TOOL,), choice=choice),
    )
    return Calling(request, notation, runtime), runtime


def write(it: Calling, *pieces: str) -> list[str]:
    return [PIECES[it.choose(0, PIECES.index(piece))] for piece in pieces]


def test_plain_text_is_free() -> None:
    it, runtime = calling()

    assert write(it, "Sure", ".", "<tool", "Sure") == ["Sure", ".", "<tool", "Sure"]
    assert not it.is_call and not runtime.grammars


def test_the_token_that_completes_the_marker_is_chosen_under_the_grammar() -> None:
    it, runtime = calling()

    assert write(it, "Sure", ".", "<tool", "_call", ">x")[-1] == ">"
    assert it.is_call
    assert runtime.grammars[0].root.startswith('root ::= ">\\n" call')


def test_a_marker_inside_one_token_is_written_anew() -> None:
    it, runtime = calling()

    write(it, "Sure", " <tool_call>")

    assert it.is_call
    assert runtime.grammars[0].root.startswith('root ::= "<tool_call>\\n" call')


def test_where_no_tool_may_be_used_the_marker_never_comes() -> None:
    it, runtime = calling(choice="none")

    assert write(it, "<tool", "_call", ">") == ["<tool", "_call", "Sure"]
    assert not it.is_call and not runtime.grammars


@pytest.mark.parametrize(("pieces", "is_call"), [([" ", '{"'], True), (["Sure", "{"], False)])
def test_a_bare_brace_is_a_call_at_the_beginning_alone(pieces: list[str], is_call: bool) -> None:
    it, _ = calling(LLAMA)

    write(it, *pieces)

    assert it.is_call is is_call


def test_a_reply_that_must_be_a_call_is_one_from_its_first_token() -> None:
    it, runtime = calling(choice="required")

    assert it.is_call and len(runtime.grammars) == 1
    assert it.limit == 8 + 256
    it.close()
    assert runtime.grammars[0].closed


# -- real models --------------------------------------------------------------------------------

SETTINGS = LlamaSettings(device="cpu", context=512, cache_tokens=6144, conversations=10, threads=1)

WORDS = st.sampled_from(["tea", "latte", "한 잔", 'a "b"', "x\\y", "1"])
SCALARS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "integer"}),
    st.just({"type": "number"}),
    st.just({"type": "null"}),
    st.lists(WORDS, min_size=1, max_size=3, unique=True).map(lambda words: {"enum": words}),
    st.integers(1, 6).map(lambda most: {"type": "string", "maxLength": most}),
    st.just({"const": "한"}),
)
SCHEMAS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        inner.map(lambda item: {"type": "array", "items": item, "minItems": 1, "maxItems": 2}),
        st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=2).map(
            lambda properties: {
                "type": "object",
                "properties": properties,
                "required": sorted(properties),
                "additionalProperties": False,
            }
        ),
        st.lists(inner, min_size=1, max_size=2).map(lambda each: {"anyOf": each}),
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("model") / "random.gguf", TINY)


def request(
    conversation: str, words: str, box: Toolbox, told: list[ToolCall], grammar: str = ""
) -> ReplyRequest:
    return ReplyRequest(
        conversation=conversation,
        messages=(Message("system", "You sell drinks."), Message("user", words)),
        max_tokens=16,
        tools=box,
        call=told.append,
        grammar=grammar,
    )


async def asked(model: Llama, *args: Any, **named: Any) -> tuple[str, list[tuple[str, str]]]:
    """What was said, and what was called (without its id, which is drawn by lot)."""
    told: list[ToolCall] = []
    text = "".join([piece async for piece in model.reply(request(*args, told, **named))])
    return text, [(call.name, call.arguments) for call in told]


async def _schema_valid(path: Path, schema: dict[str, Any]) -> None:
    model = Llama(SETTINGS, path)
    await model.start()
    parameters = {
        "type": "object",
        "properties": {"it": schema},
        "required": ["it"],
        "additionalProperties": False,
    }
    tool = Tool("use", "", parameters)
    box = Toolbox(tools=(tool,), choice="required", parallel=False)
    try:
        text, calls = await asked(model, "a", "hello", box)
    finally:
        await model.aclose()
    assert not text
    assert [name for name, _ in calls] == ["use"]
    jsonschema.validate(json.loads(calls[0][1]), parameters)


@given(schema=SCHEMAS)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_model_under_a_grammar_writes_valid_arguments(
    random_model: Path, schema: dict[str, Any]
) -> None:
    asyncio.run(_schema_valid(random_model, schema))


@pytest.mark.real
@given(schema=SCALARS)
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_real_small_model_under_a_grammar_writes_valid_arguments(
    testdata: TestData, schema: dict[str, Any]
) -> None:
    asyncio.run(_schema_valid(testdata.folder / "models/llm/stories260K.gguf", schema))


async def test_eight_interleaved_replies_with_and_without_calls_are_those_alone(
    random_model: Path,
) -> None:
    together = Llama(SETTINGS, random_model)
    await together.start()
    must = Toolbox(tools=(TOOL,), choice="required", parallel=False)
    boxes = [must, Toolbox(), must, Toolbox(tools=(TOOL,))] * 2
    words = [f"question number {number}" for number in range(8)]
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(asked(together, f"call {n}", words[n], boxes[n])) for n in range(8)
        ]
    await together.aclose()
    alone = Llama(SETTINGS, random_model)
    await alone.start()
    expected = [await asked(alone, f"call {n}", words[n], boxes[n]) for n in range(8)]
    await alone.aclose()

    assert [task.result() for task in tasks] == expected
    assert [bool(calls) for _, calls in expected] == [box is must for box in boxes]


async def test_a_call_that_is_given_up_frees_the_model_at_once(random_model: Path) -> None:
    model = Llama(SETTINGS, random_model)
    await model.start()
    endless = Tool("say", "", {"type": "object", "properties": {"it": {"type": "string"}}})
    box = Toolbox(tools=(endless,), choice="required")

    async def begin() -> None:
        async with aclosing(model.reply(request("a", "hi", box, []))) as pieces:
            await anext(pieces, None)

    task = asyncio.create_task(begin())
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.wait([task])
    text, calls = await asked(model, "a", "hi", Toolbox())
    await model.aclose()

    assert text and not calls


async def test_tools_are_read_once_for_all_calls(tmp_path: Path) -> None:
    roomy = write_llama(tmp_path / "roomy.gguf", replace(TINY, context=2048))
    model = Llama(SETTINGS.model_copy(update={"context": 2048}), roomy)
    await model.start()
    box = Toolbox(tools=(TOOL,))
    await asked(model, "a", "hi", box)
    before = model.counts.read
    await asked(model, "b", "ho", box)
    read = model.counts.read - before
    await model.aclose()

    assert read < 40, "the system prompt and the tools were in the cache"


async def test_a_reply_can_be_bound_to_a_grammar_of_its_own(random_model: Path) -> None:
    model = Llama(SETTINGS, random_model)
    await model.start()

    text, _ = await asked(model, "a", "hi", Toolbox(), grammar='root ::= "yes" | "no"')
    with pytest.raises(EngineFailed, match="grammar"):
        await asked(model, "b", "hi", Toolbox(), grammar="root ::= (")
    again, _ = await asked(model, "c", "hi", Toolbox())
    await model.aclose()

    assert text in ("yes", "no")
    assert again
