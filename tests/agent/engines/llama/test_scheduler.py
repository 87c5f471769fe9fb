"""Many conversations in one context: who is served, what is shared, and that nothing is mixed."""

from __future__ import annotations

import random

import pytest

from agent.engines.protocols import Priority
from agent.errors import EngineFailed
from tests.agent.engines.llama.scripted import (
    SYSTEM,
    Listener,
    ScriptedRuntime,
    Stage,
)

COMMITTED, SPECULATIVE, PARTIAL = Priority.COMMITTED, Priority.SPECULATIVE, Priority.PARTIAL


def test_a_reply_is_the_models_own() -> None:
    stage = Stage()

    _, heard = stage.ask("a", "hello there")
    stage.run()

    assert heard.said == stage.alone("hello there")
    assert (heard.ends, heard.error) == (1, None)


@pytest.mark.parametrize("rewinds", [True, False])
def test_interleaved_replies_are_those_of_calls_one_after_another(rewinds: bool) -> None:
    stage = Stage(ScriptedRuntime(rewinds=rewinds))

    replies = {}
    for i in range(8):
        replies[i] = stage.ask(f"call {i}", f"question {i} " * (i + 1))[1]
        stage.scheduler.step()
    stage.run()

    for i, heard in replies.items():
        assert heard.said == stage.alone(f"question {i} " * (i + 1))


def test_a_turn_reads_only_what_is_new() -> None:
    stage = Stage()
    history = ["the first question, which is long" * 4]
    _, heard = stage.ask("a", *history)
    stage.run()
    before = stage.runtime.decoded

    history += [heard.said, "next"]
    _, second = stage.ask("a", *history)
    stage.run()

    new = len("\nUser: next\nAssistant:") + 1
    assert stage.runtime.decoded - before <= new + 20
    assert second.said == stage.alone(*history)


def test_the_system_prompt_is_read_once_for_all_calls() -> None:
    system = SYSTEM * 6
    stage = Stage()

    for i in range(6):
        stage.ask(f"call {i}", "hi", system=system, max_tokens=1)
    stage.run()

    tail = len("hi\nAssistant:") + 1
    assert stage.runtime.decoded <= len(system) + len("\n\nUser: ") + 6 * tail
    assert stage.scheduler.counts.reused >= 5 * len(system)


def test_calls_wait_for_the_system_prompt_that_another_one_reads() -> None:
    stage = Stage(batch=16)

    heard = [stage.ask(f"call {i}", f"hi {i}", system=SYSTEM * 3)[1] for i in range(4)]
    stage.run()

    assert [h.said for h in heard] == [stage.alone(f"hi {i}", system=SYSTEM * 3) for i in range(4)]
    assert stage.scheduler.counts.read < 2 * len(SYSTEM * 3)


def test_reading_along_saves_the_reply_the_work() -> None:
    stage = Stage()
    question = "where is my order, the one of last week?"
    for end in (10, 20, len(question)):
        _, heard = stage.ask("a", question[:end], replies=False)
        stage.run()
        assert heard.ends == 1
    before = stage.scheduler.counts.read

    _, reply = stage.ask("a", question)
    stage.run()

    assert stage.scheduler.counts.read - before == len("\nAssistant:")
    assert reply.said == stage.alone(question)


def test_reading_along_twice_costs_nothing() -> None:
    stage = Stage()
    stage.ask("a", "hello there", replies=False)
    stage.run()
    before = stage.runtime.decoded

    _, heard = stage.ask("a", "hello there", replies=False)
    stage.run()

    assert heard.ends == 1
    assert stage.runtime.decoded == before


def test_reading_along_gives_way_to_a_prompt_that_must_be_read() -> None:
    stage = Stage(batch=8)
    stage.ask("a", "a long question " * 8)

    _, heard = stage.ask("b", "well", replies=False)

    assert heard.ends == 1
    assert stage.scheduler.counts.prompt == 0


def test_a_system_prompt_can_be_read_before_any_call() -> None:
    stage = Stage()
    _, warm = stage.ask("", replies=False)
    stage.run()
    before = stage.scheduler.counts.read

    stage.ask("a", "hi", max_tokens=1)
    stage.run()

    assert warm.ends == 1
    assert stage.scheduler.counts.read - before == len("hi\nAssistant:")


def test_words_that_were_misheard_are_rolled_back() -> None:
    stage = Stage()
    stage.ask("a", "I would like two copies", priority=SPECULATIVE)
    stage.run()

    _, heard = stage.ask("a", "I would like two coffees please")
    stage.run()

    assert heard.said == stage.alone("I would like two coffees please")


def test_a_reply_goes_on_while_another_calls_prompt_is_read() -> None:
    stage = Stage(beside_replies=4)
    _, first = stage.ask("a", "hi", max_tokens=40)
    while not first.pieces:
        stage.scheduler.step()
    spoken = len(first.pieces)

    stage.ask("b", "a very long question " * 5)
    for _ in range(5):
        stage.scheduler.step()

    assert len(first.pieces) == spoken + 5 or first.ends
    assert max(len(batch) for batch in stage.runtime.batches[-5:]) <= 5


def test_more_is_read_beside_replies_from_the_step_on_in_which_it_may_be() -> None:
    stage = Stage(beside_replies=4)
    _, first = stage.ask("a", "hi", max_tokens=40)
    while not first.pieces:
        stage.scheduler.step()
    stage.ask("b", "a very long question " * 5)

    stage.scheduler.step()
    stage.scheduler.read_beside(32)
    stage.scheduler.step()

    assert [len(batch) for batch in stage.runtime.batches[-2:]] == [5, 33]


def test_a_committed_turn_is_read_before_a_speculation() -> None:
    stage = Stage(batch=8)
    _, eager = stage.ask("a", "maybe " * 20, priority=SPECULATIVE, system="")
    stage.scheduler.step()
    _, sure = stage.ask("b", "really " * 20, system="")

    while not sure.pieces:
        stage.scheduler.step()

    assert not eager.pieces
    stage.run()
    assert eager.said == stage.alone("maybe " * 20, system="")


def test_speculations_rotate_beside_a_committed_reply() -> None:
    stage = Stage(speculative=1)
    guesses = [
        stage.ask(f"g{i}", f"guess {i}", priority=SPECULATIVE, max_tokens=40)[1] for i in range(3)
    ]
    while not all(guess.pieces for guess in guesses):
        stage.scheduler.step()
    stage.ask("c", "sure?", max_tokens=60)
    for _ in range(4):
        stage.scheduler.step()
    marks = [len(guess.pieces) for guess in guesses]

    for _ in range(6):
        stage.scheduler.step()

    grown = [len(guess.pieces) - mark for guess, mark in zip(guesses, marks, strict=True)]
    assert all(g == 2 or guess.ends for g, guess in zip(grown, guesses, strict=True))


@pytest.mark.parametrize("after", range(40))
def test_a_job_cancelled_at_any_step_takes_part_in_no_other(after: int) -> None:
    stage = Stage(batch=8)
    job, heard = stage.ask("a", "the question of the one who hangs up", max_tokens=20)
    _, other = stage.ask("b", "the question of the one who stays", max_tokens=20)
    for _ in range(after):
        stage.scheduler.step()

    stage.scheduler.cancel(job)
    said = heard.said
    stage.run()

    assert heard.ends == 1
    assert heard.said == said
    assert stage.alone("the question of the one who hangs up").startswith(said)
    assert other.said == stage.alone("the question of the one who stays")
    _, again = stage.ask("a", "the question of the one who hangs up", max_tokens=20)
    stage.run()
    assert again.said == stage.alone("the question of the one who hangs up")


@pytest.mark.parametrize("after", [0, 1, 3, 8, 30])
def test_a_call_that_is_over_leaves_nothing(after: int) -> None:
    stage = Stage(openings=1)
    _, heard = stage.ask("a", "a question", max_tokens=30)
    for _ in range(after):
        stage.scheduler.step()

    stage.scheduler.forget("a")
    stage.scheduler.forget("a")
    stage.run()

    assert heard.ends == 1
    assert stage.runtime.used <= len(SYSTEM) + len("\n\nUser: ")


def test_a_committed_reply_takes_the_place_of_its_own_calls_speculation() -> None:
    stage = Stage()
    _, guess = stage.ask("a", "what is", priority=SPECULATIVE)
    stage.scheduler.step()

    _, sure = stage.ask("a", "what is the time")
    stage.run()

    assert isinstance(guess.error, EngineFailed)
    assert sure.said == stage.alone("what is the time")


def test_two_replies_of_one_call_are_made_one_after_the_other() -> None:
    stage = Stage()

    first = stage.ask("a", "one")[1]
    second = stage.ask("a", "one", "and", "two")[1]
    stage.run()

    assert first.said == stage.alone("one")
    assert second.said == stage.alone("one", "and", "two")


def test_a_failing_library_fails_only_what_it_was_working_on() -> None:
    stage = Stage(batch=64)
    _, first = stage.ask("a", "hello")
    stage.scheduler.step()
    stage.scheduler.step()
    stage.runtime.failing = True
    stage.scheduler.step()
    stage.runtime.failing = False

    _, second = stage.ask("a", "hello")
    stage.run()

    assert isinstance(first.error, EngineFailed)
    assert "out of luck" in str(first.error)
    assert second.said == stage.alone("hello")


def test_a_closed_scheduler_ends_every_job() -> None:
    stage = Stage()
    _, running = stage.ask("a", "hello")
    stage.scheduler.step()
    _, waiting = stage.ask("b", "hello")

    stage.scheduler.close(EngineFailed("llm", "closed"))
    _, late = stage.ask("c", "hello")

    assert all(h.ends == 1 and h.error is not None for h in (running, waiting, late))


@pytest.mark.parametrize("seed", range(60))
def test_whatever_comes_in_whatever_order_every_reply_is_its_own(seed: int) -> None:
    chance = random.Random(seed)
    runtime = ScriptedRuntime(
        cells=chance.choice([300, 600, 2000]),
        context=300,
        sequences=chance.choice([3, 5, 9]),
        rewinds=seed % 4 != 0,
    )
    stage = Stage(runtime, batch=chance.choice([8, 24, 64]), openings=chance.choice([1, 2]))
    histories: dict[str, list[str]] = {}
    asked: list[tuple[str, Listener, str]] = []
    cut_short: list[Listener] = []
    for _ in range(60):
        name = f"call {chance.randrange(6)}"
        texts = [*histories.get(name, []), f"{chance.random()} please"][-5:]
        texts = texts[1:] if len(texts) % 2 == 0 else texts
        kind = chance.choice(["reply", "reply", "reply", "along", "cancel", "forget"])
        system = SYSTEM if name < "call 3" else SYSTEM[::-1]
        if kind == "forget":
            cut_short += [heard for owner, heard, _ in asked if owner == name and not heard.ends]
            stage.scheduler.forget(name)
            continue
        adapter = chance.choice(["", "", "polite"]) if seed % 3 == 0 else ""
        job, heard = stage.ask(
            name,
            *texts,
            replies=kind != "along",
            system=system,
            max_tokens=15,
            adapter=adapter,
        )
        for _ in range(chance.randrange(12)):
            stage.scheduler.step()
        if kind == "cancel":
            stage.scheduler.cancel(job)
        if kind == "reply":
            alone = stage.alone(*texts, system=system, max_tokens=15, adapter=adapter)
            asked.append((name, heard, alone))
            histories[name] = [*texts, heard.said or "-"]
    stage.run()

    for _, heard, expected in asked:
        assert (heard.ends, heard.error) == (1, None)
        assert heard.said == expected or (heard in cut_short and expected.startswith(heard.said))
