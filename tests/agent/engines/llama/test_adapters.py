"""LoRA adapters: calls with and without them in one context, and nothing of one in another."""

from __future__ import annotations

import asyncio
import dataclasses
from itertools import pairwise
from pathlib import Path

import pytest

from agent.engines.llama import Llama, LlamaSettings
from agent.engines.llama.prompt import ChatTemplate
from agent.engines.llama.settings import AdapterSettings
from agent.engines.protocols import Priority, ReplyRequest
from agent.errors import EngineFailed, EngineMissing
from bench.random_llama import TEMPLATE, TINY, Shape, write_adapter, write_llama
from tests.agent.engines.llama.scripted import SYSTEM, ScriptedRuntime, Stage
from tests.agent.engines.llama.test_engine import QUESTIONS, SETTINGS, request, said
from tests.conftest import TestData

STORIES = Shape(layers=5, width=64, hidden=172, heads=8, kv_heads=4)
"""stories260K, but for its vocabulary."""
MOST = 24
PERSONA = "You are the voice of a small shop, and you are brief."


# -- the scheduler ------------------------------------------------------------------------------


@pytest.mark.parametrize("rewinds", [True, False])
def test_interleaved_replies_with_different_adapters_are_those_alone(rewinds: bool) -> None:
    stage = Stage(ScriptedRuntime(rewinds=rewinds))
    adapters = ["", "polite", "rude", "polite"] * 2

    heard = []
    for number, adapter in enumerate(adapters):
        question = f"question {number} " * (number + 1)
        heard.append(stage.ask(f"call {number}", question, adapter=adapter)[1])
        stage.scheduler.step()
    stage.run()

    for number, adapter in enumerate(adapters):
        question = f"question {number} " * (number + 1)
        assert heard[number].said == stage.alone(question, adapter=adapter)
    assert len({h.said for h in heard}) == 8
    assert set(stage.runtime.served) == {"", "polite", "rude"}


def test_every_adapter_reads_the_system_prompt_for_itself_and_once() -> None:
    system = SYSTEM * 6
    stage = Stage()

    for number in range(6):
        adapter = ("", "polite")[number % 2]
        stage.ask(f"call {number}", "hi", system=system, max_tokens=1, adapter=adapter)
    stage.run()

    tail = len("hi\nAssistant:") + 1
    assert stage.runtime.decoded <= 2 * (len(system) + len("\n\nUser: ")) + 6 * tail
    assert stage.scheduler.counts.reused >= 4 * len(system)


def test_a_call_that_changes_its_adapter_is_read_anew_and_goes_on() -> None:
    stage = Stage()
    _, first = stage.ask("a", "hello there", adapter="polite")
    stage.run()
    history = ["hello there", first.said or "-", "and now?"]

    _, second = stage.ask("a", *history, adapter="rude")
    stage.run()
    _, back = stage.ask("a", *history, adapter="polite")
    stage.run()

    assert second.said == stage.alone(*history, adapter="rude")
    assert back.said == stage.alone(*history, adapter="polite")


def test_no_reply_waits_longer_than_the_turns_of_the_other_adapters() -> None:
    stage = Stage()
    heard = {
        adapter: stage.ask(f"with {adapter}", "talk", adapter=adapter, max_tokens=200)[1]
        for adapter in ("", "polite", "rude")
    }
    gaps: dict[str, list[int]] = {adapter: [] for adapter in heard}
    for step in range(60):
        before = {adapter: len(h.pieces) for adapter, h in heard.items()}
        stage.scheduler.step()
        for adapter, h in heard.items():
            if len(h.pieces) > before[adapter]:
                gaps[adapter].append(step)

    for adapter, steps in gaps.items():
        assert heard[adapter].ends or len(steps) > 12
        assert max((b - a for a, b in pairwise(steps)), default=0) <= 9


def test_a_guess_with_one_adapter_hardly_slows_a_committed_reply_with_another() -> None:
    stage = Stage()
    stage.ask("a", "maybe " * 30, priority=Priority.SPECULATIVE, max_tokens=200, adapter="rude")
    _, sure = stage.ask("b", "surely", max_tokens=200)
    while not sure.ends:
        stage.scheduler.step()

    assert len(sure.pieces) >= 10
    assert stage.runtime.served.count("rude") <= 1 + len(stage.runtime.served) // 10


def test_what_is_read_beside_replies_with_another_adapter_is_bounded_too() -> None:
    stage = Stage(beside_replies=4)
    _, first = stage.ask("a", "hi", max_tokens=200)
    while not first.pieces:
        stage.scheduler.step()

    stage.ask("b", "a very long question " * 5, adapter="polite")
    for _ in range(10):
        stage.scheduler.step()

    assert max(len(batch) for batch in stage.runtime.batches[-10:]) <= 4


def test_a_restored_opening_is_that_of_its_adapter() -> None:
    first = Stage()
    first.ask("a", "hello", adapter="polite")
    first.run()
    later = Stage(ScriptedRuntime())
    later.runtime.kept = first.runtime.kept

    _, plain = later.ask("a", "hello")
    _, polite = later.ask("b", "hello", adapter="polite")
    later.run()

    assert plain.said == later.alone("hello")
    assert polite.said == later.alone("hello", adapter="polite")


def test_an_adapter_that_nobody_loaded_is_named() -> None:
    stage = Stage()

    _, heard = stage.ask("a", "hello", adapter="grim")

    assert isinstance(heard.error, EngineFailed)
    assert "no adapter grim" in str(heard.error)


# -- llama.cpp itself ---------------------------------------------------------------------------


def named(request: ReplyRequest, adapter: str) -> ReplyRequest:
    return dataclasses.replace(request, adapter=adapter)


def with_adapters(**adapters: AdapterSettings) -> LlamaSettings:
    return SETTINGS.model_copy(update={"adapters": adapters})


def by_llama_itself(path: Path, prompt: str, adapter: AdapterSettings | None) -> str:
    """What `llama_cpp.Llama`, alone and fresh, says on the CPU."""
    import llama_cpp

    lora = {"lora_path": str(adapter.path), "lora_scale": adapter.scale} if adapter else {}
    no_gpu = {"split_mode": llama_cpp.LLAMA_SPLIT_MODE_NONE, "main_gpu": -1}
    llama = llama_cpp.Llama(
        str(path), n_ctx=512, n_batch=32, n_threads=1, verbose=False, **no_gpu, **lora
    )
    made = llama.create_completion(prompt, max_tokens=MOST, temperature=0)
    llama.close()
    text: str = made["choices"][0]["text"]
    return text.lstrip()


async def compared(path: Path, shape: Shape, template: str | None) -> list[tuple[str, str]]:
    """Replies of eight calls at once, with three adapters and none, and `Llama()`'s."""
    adapters = {
        "one": AdapterSettings(path=write_adapter(path.with_suffix(".1"), shape, seed=1)),
        "weak": AdapterSettings(path=path.with_suffix(".1"), scale=0.25),
        "two": AdapterSettings(path=write_adapter(path.with_suffix(".2"), shape, seed=2)),
    }
    model = Llama(with_adapters(**adapters), path)
    await model.start()
    asked = [
        named(request(f"call {number}", question), ("", "one", "two", "weak")[number % 4])
        for number, question in enumerate(QUESTIONS)
    ]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(said(model, one)) for one in asked]
    await model.aclose()
    chat = ChatTemplate(template, bos="<s>", eos="</s>")
    return [
        (
            task.result(),
            by_llama_itself(path, chat.prompt(one.messages), adapters.get(one.adapter)),
        )
        for task, one in zip(tasks, asked, strict=True)
    ]


async def test_replies_with_adapters_are_token_for_token_those_of_llama_itself(
    tmp_path: Path,
) -> None:
    path = write_llama(tmp_path / "m.gguf", TINY)

    replies = await compared(path, TINY, TEMPLATE)

    assert [ours for ours, _ in replies] == [theirs for _, theirs in replies]


@pytest.mark.real
async def test_a_real_model_with_adapters_says_what_it_says_in_llama_itself(
    testdata: TestData, tmp_path: Path
) -> None:
    path = tmp_path / "stories.gguf"
    path.symlink_to(testdata.folder / "models/llm/stories260K.gguf")

    replies = await compared(path, STORIES, None)

    assert [ours for ours, _ in replies] == [theirs for _, theirs in replies]
    assert len({ours for ours, _ in replies}) == 8


async def test_an_adapter_changes_what_is_said_as_far_as_its_scale_goes(tmp_path: Path) -> None:
    path = write_llama(tmp_path / "m.gguf", TINY)
    lora = write_adapter(tmp_path / "a.gguf", TINY)
    faint = AdapterSettings(path=lora, scale=1e-6)
    model = Llama(with_adapters(full=AdapterSettings(path=lora), faint=faint), path)
    await model.start()

    replies = [
        await said(model, named(request(f"as {name}", "hello there"), name))
        for name in ("", "full", "faint")
    ]
    await model.aclose()

    assert replies[0] == replies[2] != replies[1]


@pytest.mark.parametrize("layout", ["shared", "split"])
async def test_a_second_start_reads_no_system_prompt_of_an_adapter_that_is_the_same(
    tmp_path: Path, layout: str
) -> None:
    path = write_llama(tmp_path / "m.gguf", TINY)
    lora = write_adapter(tmp_path / "a.gguf", TINY)
    same = with_adapters(it=AdapterSettings(path=lora)).model_copy(update={"cache_layout": layout})
    scaled = same.model_copy(update={"adapters": {"it": AdapterSettings(path=lora, scale=0.5)}})

    first, read = await one_reply(path, same, "it")
    _, plain = await one_reply(path, same, "")
    again, reread = await one_reply(path, same, "it")
    _, weaker = await one_reply(path, scaled, "it")
    write_adapter(lora, TINY, seed=9)
    _, changed = await one_reply(path, same, "it")

    assert first == again
    assert read == plain == weaker == changed
    assert read - reread >= len(PERSONA)


async def one_reply(path: Path, settings: LlamaSettings, adapter: str) -> tuple[str, int]:
    """What a fresh process says, and how many tokens of prompts it reads."""
    model = Llama(settings, path, prefixes=path.parent / "prefixes")
    await model.start()
    text = await said(model, named(request("a", "hello there", system=PERSONA), adapter))
    await model.aclose()
    return text, model.counts.read


def written(folder: Path, content: bytes | None) -> Path:
    path = folder / "bad.gguf"
    if content is not None:
        path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, r"no adapter it at .*bad\.gguf: no such file.*llm\.llama\.adapters\.it\.path"),
        (b"", r"cannot use the adapter it at .*bad\.gguf.*llm\.llama\.adapters\.it\.path"),
        (b"GGUF" + b"\0" * 64, "cannot use the adapter it"),
    ],
)
async def test_an_adapter_that_cannot_be_used_is_named_with_what_to_do(
    tmp_path: Path, content: bytes | None, told: str
) -> None:
    path = write_llama(tmp_path / "m.gguf", TINY)
    adapter = AdapterSettings(path=written(tmp_path, content))

    with pytest.raises(EngineMissing, match=told):
        await Llama(with_adapters(it=adapter), path).start()


@pytest.mark.parametrize("shape", [dataclasses.replace(TINY, width=128, heads=4), None])
async def test_an_adapter_for_another_model_and_a_model_for_an_adapter_are_refused(
    tmp_path: Path, shape: Shape | None
) -> None:
    path = write_llama(tmp_path / "m.gguf", TINY)
    lora = tmp_path / "a.gguf"
    _ = write_adapter(lora, shape) if shape else write_llama(lora, TINY)

    with pytest.raises(EngineMissing, match="made for another model"):
        await Llama(with_adapters(it=AdapterSettings(path=lora)), path).start()
