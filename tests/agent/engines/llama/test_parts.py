"""How a step's tokens are put to llama.cpp: divided into calls, and filled up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engines.llama import LlamaSettings
from agent.engines.llama.parts import Part, covered, filled, parts
from agent.engines.llama.runtime import Entry
from bench.random_llama import TINY, write_llama
from tests.agent.engines.llama.test_engine import SETTINGS, interleaved_and_alone

RUNS = st.lists(st.tuples(st.integers(1, 20), st.booleans()), min_size=1, max_size=9)


def step(runs: list[tuple[int, bool]]) -> list[Entry]:
    """Runs of so many tokens, each in a sequence of its own; the last one may want an answer."""
    entries: list[Entry] = []
    for sequence, (tokens, answer) in enumerate(runs):
        entries += [Entry(7, at, sequence, False) for at in range(tokens)]
        entries[-1].answer = answer
    return entries


def told(found: list[Part]) -> list[list[tuple[int, int]]]:
    """Of each call, its sequences and how many tokens they have."""
    return [
        [(s, sum(e.sequence == s for e in part.entries)) for s in sequences_of(part)]
        for part in found
    ]


def sequences_of(part: Part) -> list[int]:
    return list(dict.fromkeys(entry.sequence for entry in part.entries))


def test_one_cache_for_all_takes_a_step_in_one_call() -> None:
    assert told(parts(step([(1, True), (5, True), (1, True)]), split=False)) == [
        [(0, 1), (1, 5), (2, 1)]
    ]


def test_prompts_are_read_apart_from_replies_where_each_sequence_has_its_memory() -> None:
    batch = step([(1, True), (5, True), (1, True), (9, False)])

    found = parts(batch, split=True)

    assert told(found) == [[(1, 5)], [(3, 9)], [(0, 1), (2, 1)]]
    assert [part.answers for part in found] == [[1], [], [0, 2]]


def test_replies_are_made_in_the_order_of_their_sequences() -> None:
    batch = [Entry(7, 0, sequence, True) for sequence in (4, 2, 3)]

    (found,) = parts(batch, split=True)

    assert sequences_of(found) == [2, 3, 4]
    assert found.answers == [1, 2, 0]


@given(runs=RUNS, split=st.booleans())
def test_nothing_is_lost_or_told_twice(runs: list[tuple[int, bool]], split: bool) -> None:
    batch = step(runs)

    found = parts(batch, split=split)

    assert sorted(map(id, batch)) == sorted(id(e) for part in found for e in part.entries)
    wanted = [entry for entry in batch if entry.answer]
    numbered = {
        number: entry
        for part in found
        for number, entry in zip(part.answers, (e for e in part.entries if e.answer), strict=True)
    }
    assert [numbered[number] for number in range(len(wanted))] == wanted


@pytest.mark.parametrize(
    ("tokens", "cheapest"),
    [(1, 1), (2, 2), (3, 4), (7, 8), (9, 9), (13, 16), (16, 16), (59, 60), (61, 64)],
)
def test_a_call_is_filled_up_where_that_costs_less(tokens: int, cheapest: int) -> None:
    assert filled(tokens) == cheapest


@pytest.mark.parametrize(
    ("sequences", "take_part"),
    [
        ((5,), (5,)),
        ((0, 1), (0, 1)),
        ((0, 2), (0, 2)),  # two single ones cost no more than four together
        ((1, 2, 3), (0, 1, 2, 3)),
        ((0, 1, 3), (0, 1, 2, 3)),
        ((17, 18, 19), (16, 17, 18, 19)),
        ((0, 1, 2, 3, 4), (0, 1, 2, 3, 4)),
        ((0, 2, 4, 6, 8, 10, 12), tuple(range(16))),
        ((0, 1, 3, 9), (0, 1, 2, 3, 9)),
        (tuple(range(13)), tuple(range(16))),
    ],
)
def test_a_sequence_between_replies_takes_part_where_that_costs_less(
    sequences: tuple[int, ...], take_part: tuple[int, ...]
) -> None:
    assert covered(sequences, 20) == take_part


@given(sequences=st.sets(st.integers(0, 6), min_size=1))
def test_whoever_replies_takes_part_and_nobody_beyond_the_last_sequence(
    sequences: set[int],
) -> None:
    found = covered(tuple(sorted(sequences)), 7)

    assert sequences <= set(found) <= set(range(7))
    assert list(found) == sorted(set(found))


# -- llama.cpp itself ---------------------------------------------------------------------------


def always(fills: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from agent.engines.llama.batch import Batch

    def decide(self: Batch) -> None:
        self.fills = fills

    monkeypatch.setattr(Batch, "fill_where_it_pays", decide)


@pytest.mark.parametrize("layout", ["shared", "split"])
async def test_a_reply_is_the_same_whether_calls_are_filled_up_or_not(
    tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_llama(tmp_path / "m.gguf", TINY)
    settings = SETTINGS.model_copy(update={"cache_layout": layout, "prefill_share": 7})

    always(True, monkeypatch)
    together, alone = await interleaved_and_alone(path, settings)
    always(False, monkeypatch)
    _, unfilled = await interleaved_and_alone(path, settings)

    assert together == alone == unfilled


@pytest.mark.parametrize("layout", ["shared", "split"])
def test_a_call_that_leaves_no_room_is_made_without_filling(
    tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_llama(tmp_path / "m.gguf", replace(TINY, context=256))
    settings = LlamaSettings(
        device="cpu",
        context=256,
        cache_tokens=256,
        conversations=1,
        threads=1,
        cache_layout=layout,
    )
    always(True, monkeypatch)
    filled_up = list(answers_to_the_brim(path, settings))
    always(False, monkeypatch)

    assert filled_up == list(answers_to_the_brim(path, settings))


def answers_to_the_brim(path: Path, settings: LlamaSettings) -> Iterator[int]:
    """A sequence is read in threes until its 256 cells are full."""
    from agent.engines.llama.library import LlamaCpp

    runtime = LlamaCpp(path, settings)
    runtime.decode([Entry(100, 0, 0, False)], "")
    for begin in range(1, 256, 3):
        run = [Entry(100 + at % 26, at, 0, at == begin + 2) for at in range(begin, begin + 3)]
        yield from runtime.decode(run, "")
    runtime.close()


def test_a_sequence_that_only_takes_part_keeps_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_llama(tmp_path / "m.gguf", TINY)
    always(True, monkeypatch)
    joined = list(answers_around_a_gap(path))
    always(False, monkeypatch)

    assert joined == list(answers_around_a_gap(path))


def answers_around_a_gap(path: Path) -> Iterator[int]:
    """Five replies' tokens in the sequences 3, 0 and 2, and then one in 1, which lay between."""
    from agent.engines.llama.library import LlamaCpp

    runtime = LlamaCpp(path, SETTINGS.model_copy(update={"cache_layout": "split"}))
    for sequence in range(4):
        read = [Entry(100 + (at * sequence) % 26, at, sequence, False) for at in range(9)]
        runtime.decode(read, "")
    for at in range(9, 14):
        yield from runtime.decode([Entry(100 + at, at, s, True) for s in (3, 0, 2)], "")
    yield from runtime.decode([Entry(105, 9, 1, True)], "")
    runtime.close()
