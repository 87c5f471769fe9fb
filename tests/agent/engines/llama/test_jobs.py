"""What becomes of a job under way: committed, interrupted, bound by a grammar."""

from __future__ import annotations

import pytest

from agent.engines.protocols import Priority
from tests.agent.engines.llama.scripted import Stage


def test_a_speculation_that_is_committed_is_served_as_such_from_the_next_step_on() -> None:
    stage = Stage(speculative=1)
    guesses = [
        stage.ask(f"g{i}", f"guess {i}", priority=Priority.SPECULATIVE, max_tokens=60)[1]
        for i in range(3)
    ]
    while not all(guess.pieces for guess in guesses):
        stage.scheduler.step()
    stage.ask("c", "sure?", max_tokens=60)
    for _ in range(3):
        stage.scheduler.step()

    stage.scheduler.commit("g2")
    before = len(guesses[2].pieces)
    for _ in range(6):
        stage.scheduler.step()

    assert len(guesses[2].pieces) - before == 6 or guesses[2].ends
    assert sum(len(guess.pieces) for guess in guesses[:2]) < 2 * len(guesses[2].pieces)
    stage.run()
    assert [g.said for g in guesses] == [stage.alone(f"guess {i}", max_tokens=60) for i in range(3)]


def test_an_interrupted_reply_is_read_only_from_where_it_was_cut() -> None:
    stage = Stage()
    _, heard = stage.ask("a", "tell me a long story, please")
    stage.run()
    before = stage.scheduler.counts.read
    kept = heard.said[:5]

    _, second = stage.ask("a", "tell me a long story, please", kept, "stop")
    stage.run()

    assert stage.scheduler.counts.read - before <= len("\nUser: stop\nAssistant:") + 1
    assert second.said == stage.alone("tell me a long story, please", kept, "stop")


def test_a_grammar_binds_the_reply_of_its_own_job_alone() -> None:
    stage = Stage()

    _, bound = stage.ask("a", "is it so?", grammar="yes")
    _, free = stage.ask("b", "is it so?")
    stage.run()

    assert bound.said == "yes"
    assert free.said == stage.alone("is it so?")
    assert [grammar.closed for grammar in stage.runtime.grammars] == [True]


@pytest.mark.parametrize("steps", range(6))
def test_a_grammar_is_freed_whenever_its_job_ends(steps: int) -> None:
    stage = Stage(batch=16)
    job, _ = stage.ask("a", "is it so?", grammar="yes, certainly")
    for _ in range(steps):
        stage.scheduler.step()

    stage.scheduler.cancel(job)
    stage.scheduler.cancel(job)

    assert [grammar.closed for grammar in stage.runtime.grammars] == [True]
