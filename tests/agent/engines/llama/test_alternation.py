"""Whose adapter the next step is made with."""

from __future__ import annotations

from itertools import groupby

from agent.engines.llama.alternation import PATIENCE, STAY, Alternation
from agent.engines.llama.shares import Demand
from agent.engines.protocols import Priority


def demand(
    adapter: str, *, unread: int = 0, priority: Priority = Priority.COMMITTED, job: int = 1
) -> Demand:
    return Demand(job, priority, unread, adapter=adapter)


def turns(demands: list[Demand], steps: int) -> list[tuple[str, int]]:
    """Adapters in turn, and the steps of each turn."""
    alternation = Alternation()
    chosen = [alternation.choose(demands) for _ in range(steps)]
    return [(adapter, len(list(steps))) for adapter, steps in groupby(chosen)]


def test_one_adapter_has_every_step() -> None:
    assert turns([demand("a"), demand("a", unread=9)], 7) == [("a", 7)]


def test_replies_with_different_adapters_get_as_many_steps() -> None:
    three = [demand("a"), demand("b"), demand(""), demand("b", job=2)]

    assert turns(three, 6 * STAY) == [("a", STAY), ("b", STAY), ("", STAY)] * 2


def test_a_turn_that_reads_lasts_one_step() -> None:
    assert turns([demand("a", unread=200), demand("b")], 2 + 2 * STAY) == [
        ("a", 1),
        ("b", STAY),
        ("a", 1),
        ("b", STAY),
    ]


def test_what_is_less_urgent_waits_and_gets_a_step_now_and_then() -> None:
    taken = turns([demand("a"), demand("b", priority=Priority.SPECULATIVE)], 100)

    assert {adapter: max(n for a, n in taken if a == adapter) for adapter in "ab"} == {
        "a": STAY * PATIENCE,
        "b": 1,
    }


def test_who_asks_urgently_waits_for_a_turn_of_replies_at_most() -> None:
    alternation, talking = Alternation(), [demand("a"), demand("a", job=2)]
    for _ in range(5):
        alternation.choose(talking)

    waited = [alternation.choose([*talking, demand("b", unread=9)]) for _ in range(STAY + 1)]

    assert "b" in waited


def test_a_guess_gives_way_at_once_to_what_is_committed() -> None:
    alternation, guess = Alternation(), demand("a", priority=Priority.SPECULATIVE)
    alternation.choose([guess])

    assert alternation.choose([guess, demand("b")]) == "b"


def test_an_adapter_that_was_away_does_not_save_up_its_turns() -> None:
    alternation = Alternation()
    for _ in range(50):
        alternation.choose([demand("a")])

    both = [demand("a"), demand("b")]
    chosen = [alternation.choose(both) for _ in range(4 * STAY)]

    assert chosen.count("a") >= STAY
