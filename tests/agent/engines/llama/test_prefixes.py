"""System prompts that outlive the process."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest

from agent.engines.llama import Llama, LlamaSettings
from agent.engines.llama.prefixes import Prefixes, mark_of
from bench.random_llama import TINY, write_llama
from tests.agent.engines.llama.scripted import SYSTEM, ScriptedRuntime, Stage
from tests.agent.engines.llama.test_engine import SETTINGS, request, said

TOKENS = [1, 2, 3]
PERSONA = "You are the voice of a small shop, and you are brief."


def test_what_was_kept_is_found_by_the_same_mark_and_tokens(tmp_path: Path) -> None:
    Prefixes(tmp_path / "new", mark="a", most=1000).keep(TOKENS, b"state")

    again = Prefixes(tmp_path / "new", mark="a", most=1000)
    assert again.find(TOKENS) == b"state"
    assert again.find([1, 2]) is None
    assert Prefixes(tmp_path / "new", mark="b", most=1000).find(TOKENS) is None


@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 37])
def test_a_damaged_file_is_told_and_left_aside(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    prefixes = Prefixes(tmp_path, mark="a", most=1000)
    prefixes.keep(TOKENS, b"state")
    [path] = tmp_path.iterdir()
    path.write_bytes(damage)

    with caplog.at_level(logging.WARNING):
        assert prefixes.find(TOKENS) is None

    assert "is damaged" in caplog.text
    assert not path.exists()


def test_the_folder_stays_within_its_size_and_the_latest_used_stay(tmp_path: Path) -> None:
    prefixes = Prefixes(tmp_path, mark="a", most=350)
    for number in range(3):
        prefixes.keep([number], b"x" * 68)  # 100 bytes each
        os.utime(prefixes._path([number]), ns=(number, number))
    prefixes.find([0])

    prefixes.keep([3], b"x" * 68)
    prefixes.keep([4], b"x" * 1000)

    assert [n for n in range(5) if prefixes.find([n])] == [0, 2, 3]


def test_a_folder_that_cannot_be_written_costs_nothing_but_the_file(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    prefixes = Prefixes(tmp_path / "taken", mark="a", most=1000)

    prefixes.keep(TOKENS, b"state")

    assert prefixes.find(TOKENS) is None


def test_a_full_disk_leaves_no_half_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Prefixes(tmp_path, mark="m", most=1000)
    kept.keep([1], b"before")

    def half(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(Path, "write_bytes", half)
        kept.keep([2], b"after")
    assert len(list(tmp_path.iterdir())) == 1
    assert (kept.find([1]), kept.find([2])) == (b"before", None)


def test_two_models_of_one_size_are_told_apart(tmp_path: Path) -> None:
    one, other = (write_llama(tmp_path / f"{seed}.gguf", TINY, seed=seed) for seed in (1, 2))

    assert one.stat().st_size == other.stat().st_size
    assert mark_of(one) != mark_of(other)


def test_a_restored_opening_is_not_read_again() -> None:
    first = Stage()
    first.ask("a", "hello")
    first.run()
    later = Stage(ScriptedRuntime())
    later.runtime.kept = first.runtime.kept

    _, heard = later.ask("a", "hello", max_tokens=1)
    later.run()

    assert later.scheduler.counts.read == len("hello\nAssistant:")
    assert len(SYSTEM) > 20 and stage_says(heard.said, later)


def stage_says(said: str, stage: Stage) -> bool:
    return said == stage.alone("hello", max_tokens=1)


@pytest.mark.parametrize("layout", ["shared", "split"])
async def test_a_second_start_reads_no_system_prompt_and_says_the_same(
    tmp_path: Path, layout: str
) -> None:
    path = write_llama(tmp_path / "m.gguf", TINY)
    settings = SETTINGS.model_copy(update={"cache_layout": layout})

    first, read = await one_reply(path, settings)
    second, reread = await one_reply(path, settings)
    [kept] = (tmp_path / "prefixes").iterdir()
    kept.write_bytes(kept.read_bytes()[:-7])
    third, anew = await one_reply(path, settings)
    off, never = await one_reply(path, settings.model_copy(update={"prefix_megabytes": 0}))

    assert first == second == third == off
    assert read == anew == never
    assert read - reread >= len(PERSONA)


async def one_reply(path: Path, settings: LlamaSettings) -> tuple[str, int]:
    """What a fresh process says, and how many tokens of prompts it reads."""
    model = Llama(settings, path, prefixes=path.parent / "prefixes")
    await model.start()
    text = await said(model, request("a", "hello there", system=PERSONA))
    await model.aclose()
    return text, model.counts.read
