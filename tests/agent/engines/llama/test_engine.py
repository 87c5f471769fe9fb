"""llama.cpp itself: on a model of random weights that the test writes, and on small real ones."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from agent.engines.llama import Llama, LlamaSettings
from agent.engines.llama.scheduler import Scheduler
from agent.engines.llama.settings import physical_cores, spare_cores
from agent.engines.protocols import LanguageModel, Priority, ReplyRequest
from agent.errors import EngineFailed, EngineMissing
from agent.messages import Usage
from bench.random_llama import TINY, write_llama
from tests.agent.engines.llama.scripted import messages
from tests.conftest import TestData

SETTINGS = LlamaSettings(device="cpu", context=512, cache_tokens=4096, conversations=10, threads=1)
"""On the CPU also where there is a GPU, which rounds by how many replies it makes at once."""
QUESTIONS = (
    "hello, how are you?",
    "can you help me order a coffee?",
    "what do you like to do?",
    "where do you want to go?",
    "my dog is called Max",
    "do you have a brother or a sister?",
    "I am tired today.",
    "what is your favourite colour?",
)


def request(
    conversation: str,
    *texts: str,
    max_tokens: int = 24,
    priority: Priority = Priority.COMMITTED,
    system: str = "You are a friendly voice, and brief.",
) -> ReplyRequest:
    return ReplyRequest(
        conversation=conversation,
        messages=messages(*texts, system=system),
        max_tokens=max_tokens,
        priority=priority,
    )


async def said(model: LanguageModel, asked: ReplyRequest) -> str:
    return "".join([piece async for piece in model.reply(asked)])


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("model") / "random.gguf", TINY)


@pytest.fixture
async def model(random_model: Path) -> AsyncIterator[Llama]:
    model = Llama(SETTINGS, random_model)
    await model.start()
    yield model
    await model.aclose()


async def interleaved_and_alone(path: Path, settings: LlamaSettings) -> tuple[list[str], list[str]]:
    """Eight calls of two turns: all at once in one context, and each in a fresh one."""
    together, alone = Llama(settings, path), Llama(settings, path)
    await together.start()

    async def call(model: Llama, number: int) -> str:
        question = QUESTIONS[number]
        first = await said(model, request(f"call {number}", question))
        second = await said(
            model, request(f"call {number}", question, first or "-", "and you? tell me more.")
        )
        return f"{first}|{second}"

    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(call(together, number)) for number in range(8)]
    await together.aclose()
    await alone.start()
    expected = []
    for number in range(8):
        expected.append(await call(alone, number))
        alone.forget(f"call {number}")
    await alone.aclose()
    return [task.result() for task in calls], expected


async def test_eight_interleaved_calls_are_token_for_token_those_alone(random_model: Path) -> None:
    together, alone = await interleaved_and_alone(random_model, SETTINGS)

    assert together == alone
    assert len(set(together)) == 8


@pytest.mark.real
@pytest.mark.parametrize("name", ["tinytalk-3m-q4_0", "stories260K"])
async def test_eight_interleaved_calls_of_a_real_model_are_those_alone(
    testdata: TestData, name: str
) -> None:
    path = testdata.folder / f"models/llm/{name}.gguf"

    together, alone = await interleaved_and_alone(path, SETTINGS)

    assert together == alone


@pytest.mark.real
async def test_a_real_model_answers_in_its_own_words(testdata: TestData) -> None:
    model = Llama(SETTINGS, testdata.folder / "models/llm/tinytalk-3m-q4_0.gguf")
    await model.start()

    reply = await said(model, request("a", "can you help me order a coffee?", max_tokens=40))
    await model.aclose()

    assert reply == "Sure, what would you like?"


@pytest.mark.real
async def test_a_real_conversation_outgrows_its_context_and_goes_on(testdata: TestData) -> None:
    model = Llama(SETTINGS, testdata.folder / "models/llm/tinytalk-3m-q4_0.gguf")
    await model.start()
    history: list[str] = []
    for turn in range(24):
        history.append(QUESTIONS[turn % 8])
        reply = await said(model, request("a", *history, max_tokens=40))
        assert "User:" not in reply
        history.append(reply or "-")
    await model.aclose()

    assert model.counts.reused > model.counts.prompt / 2


async def test_a_korean_conversation_of_one_token_a_byte_goes_through(model: Llama) -> None:
    reply = await said(model, request("a", "안녕하세요?", "네, 반갑습니다.", "오늘 날씨 어때요?"))

    assert len(reply) == 24
    assert model.counts.prompt > 3 * len("안녕하세요네반갑습니다오늘날씨어때요")


async def test_every_token_of_a_reply_is_a_piece(model: Llama) -> None:
    pieces = [piece async for piece in model.reply(request("a", "hi", max_tokens=30))]

    assert len(pieces) == 30
    assert "".join(pieces).isalpha()


async def test_a_history_is_not_read_twice(model: Llama) -> None:
    question = "a long story about the sea and the ships. " * 6
    reply = await said(model, request("a", question))
    before = model.counts

    await said(model, request("a", question, reply or "-", "go on"))

    assert model.counts.reused - before.reused > len(question)
    assert model.counts.read - before.read < 160


async def test_reading_along_leaves_the_reply_little_to_read(model: Llama) -> None:
    await model.prefill(request("a", "where is my order, the one of last week"))
    before = model.counts

    await said(model, request("a", "where is my order, the one of last week?"))

    assert model.counts.read - before.read <= len("?</user><assistant>") + 1


async def test_closing_a_reply_frees_the_model(model: Llama) -> None:
    async with aclosing(model.reply(request("a", "hi", max_tokens=200))) as pieces:
        async for _ in pieces:
            break
    made = model.counts.replied

    await said(model, request("b", "hello", max_tokens=5))

    assert model.counts.replied - made < 50


async def test_a_cancelled_reply_leaves_the_model_usable(model: Llama) -> None:
    for _ in range(3):
        task = asyncio.ensure_future(said(model, request("a", "hi there", max_tokens=200)))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert await said(model, request("a", "hi there", max_tokens=5)) == await said(
        model, request("b", "hi there", max_tokens=5)
    )


async def test_forgetting_is_idempotent_and_ends_the_calls_replies(model: Llama) -> None:
    async with aclosing(model.reply(request("a", "hi", max_tokens=200))) as pieces:
        await anext(pieces)
        model.forget("a")
        model.forget("a")
        rest = [piece async for piece in pieces]

    assert len(rest) < 199


async def test_a_reply_before_the_start_says_so(random_model: Path) -> None:
    with pytest.raises(EngineFailed, match="not started"):
        await said(Llama(SETTINGS, random_model), request("a", "hi"))


async def test_a_reply_under_way_when_the_model_is_closed_raises(random_model: Path) -> None:
    model = Llama(SETTINGS, random_model)
    await model.start()
    pieces = model.reply(request("a", "hi", max_tokens=250))
    await anext(pieces)

    await model.aclose()
    await model.aclose()

    with pytest.raises(EngineFailed, match="closed"):
        async for _ in pieces:
            pass
    with pytest.raises(EngineFailed):
        await said(model, request("a", "hi"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_bug_in_the_thread_ends_its_replies_instead_of_hanging_them(
    random_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Llama(SETTINGS, random_model)
    await model.start()

    def fail(self: Scheduler) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(Scheduler, "step", fail)
    async with asyncio.timeout(10):
        with pytest.raises(EngineFailed):
            await said(model, request("a", "hi"))
        await model.aclose()

    with pytest.raises(EngineFailed, match="not running"):
        await said(model, request("a", "hi"))


def test_threads_are_as_many_as_cores_that_may_be_used() -> None:
    assert 1 <= physical_cores() <= (os.cpu_count() or 1)


def test_a_core_is_left_to_the_rest_of_the_server() -> None:
    assert spare_cores() == max(1, physical_cores() - 1)


async def test_no_thread_is_left_after_the_close(random_model: Path) -> None:
    model = Llama(SETTINGS, random_model)
    await model.start()
    await model.aclose()
    gc.collect()

    assert not [thread for thread in threading.enumerate() if thread.name == "llama"]


@pytest.mark.parametrize("settings", [SETTINGS, SETTINGS.model_copy(update={"mmap": False})])
async def test_a_file_that_is_not_there_is_named(tmp_path: Path, settings: LlamaSettings) -> None:
    with pytest.raises(EngineMissing, match=r"none\.gguf: no such file"):
        await Llama(settings, tmp_path / "none.gguf").start()


@pytest.mark.parametrize("content", [b"", b"no GGUF at all", b"GGUF" + b"\0" * 64])
async def test_a_damaged_file_is_refused_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)

    with pytest.raises(EngineMissing, match=r"bad\.gguf .*Pull it again"):
        await Llama(SETTINGS, path).start()


async def test_a_template_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    path = write_llama(tmp_path / "odd.gguf", TINY, template="{{ raise_exception('no') }}")

    with pytest.raises(EngineMissing, match=r"odd\.gguf .*chat template"):
        await Llama(SETTINGS, path).start()


async def test_a_model_without_a_template_gets_plain_lines(tmp_path: Path) -> None:
    model = Llama(SETTINGS, write_llama(tmp_path / "plain.gguf", TINY, template=None))
    await model.start()

    reply = await said(model, request("a", "hi"))
    await model.aclose()

    assert "User:" not in reply


async def test_a_cache_type_that_the_model_cannot_have_is_named(random_model: Path) -> None:
    # Heads of 16 numbers do not fill the blocks of 32 that q8_0 is made of.
    with pytest.raises(EngineMissing, match="kv_type"):
        await Llama(SETTINGS.model_copy(update={"kv_type": "q8_0"}), random_model).start()


async def test_a_library_for_another_processor_is_told_and_stops_nothing_else(
    random_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "agent.engines.llama.library", raising=False)
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    model = Llama(SETTINGS, random_model)
    with pytest.raises(EngineMissing, match="llama-cpp-python cannot be loaded.*make run"):
        await model.start()
    await model.aclose()


@pytest.mark.parametrize("layout", ["shared", "split"])
async def test_eight_interleaved_calls_are_those_alone_in_either_layout_of_the_cache(
    random_model: Path, layout: str
) -> None:
    settings = SETTINGS.model_copy(update={"cache_layout": layout})

    together, alone = await interleaved_and_alone(random_model, settings)

    assert together == alone


@pytest.mark.parametrize("layout", ["shared", "split"])
async def test_a_quantised_cache_answers_and_continues(tmp_path: Path, layout: str) -> None:
    # Heads of 64 numbers: the blocks of q8_0 hold 32.
    shape = dataclasses.replace(TINY, width=128, heads=2, kv_heads=2)
    path = write_llama(tmp_path / "wide.gguf", shape)
    settings = SETTINGS.model_copy(update={"kv_type": "q8_0", "cache_layout": layout})

    together, alone = await interleaved_and_alone(path, settings)

    assert together == alone
    assert len(set(together)) == 8


async def test_a_reply_tells_what_it_cost(model: Llama) -> None:
    counted: list[Usage] = []
    asked = dataclasses.replace(request("usage", QUESTIONS[0], max_tokens=5), count=counted.append)
    pieces = [piece async for piece in model.reply(asked)]
    again = dataclasses.replace(
        request("usage", QUESTIONS[0], "".join(pieces) or "Yes.", QUESTIONS[1]),
        count=counted.append,
    )
    async with aclosing(model.reply(again)) as reply:
        await anext(reply)
    first, second = counted
    assert first.generated <= 5 and first.is_cut == (first.generated == 5)
    assert first.prompt > 10 and second.prompt > first.prompt
    assert second.cached > 10, "what was read before is not read again"
    assert 1 <= second.generated < 24 and not second.is_cut
