"""Who takes part in a step."""

from __future__ import annotations

from agent.engines.llama.shares import Demand, Shares, divide
from agent.engines.protocols import Priority

COMMITTED, SPECULATIVE, PARTIAL = Priority.COMMITTED, Priority.SPECULATIVE, Priority.PARTIAL
SHARES = Shares(batch=32, beside_replies=16, speculative=1)


def test_nobody_asks_nobody_gets() -> None:
    assert divide([], SHARES) == {}


def test_without_replies_a_prompt_gets_the_whole_step() -> None:
    assert divide([Demand(1, COMMITTED, 100)], SHARES) == {1: 32}


def test_replies_come_first_and_reading_is_bounded() -> None:
    demands = [Demand(1, COMMITTED, 100), Demand(2, COMMITTED, 0), Demand(3, COMMITTED, 0)]

    assert divide(demands, SHARES) == {2: 1, 3: 1, 1: 16}


def test_reading_never_makes_the_step_longer_than_the_batch() -> None:
    demands = [Demand(i, COMMITTED, 0) for i in range(30)] + [Demand(99, COMMITTED, 100)]

    shares = divide(demands, SHARES)

    assert sum(shares.values()) == 32
    assert shares[99] == 2


def test_committed_prompts_are_read_first_and_reading_along_takes_the_rest() -> None:
    demands = [Demand(1, PARTIAL, 10), Demand(2, SPECULATIVE, 20), Demand(3, COMMITTED, 5)]

    assert divide(demands, Shares(48, 16, 1)) == {3: 5, 2: 20, 1: 10}


def test_a_short_prompt_need_not_wait_for_a_long_one() -> None:
    demands = [Demand(1, COMMITTED, 400), Demand(2, COMMITTED, 12)]

    assert divide(demands, SHARES) == {2: 12, 1: 16}


def test_a_part_of_a_prompt_beside_others_is_a_multiple_of_sixteen_and_its_end_is_not() -> None:
    demands = [Demand(1, COMMITTED, 13), Demand(2, COMMITTED, 14), Demand(3, COMMITTED, 90)]

    assert divide(demands, SHARES) == {1: 13, 2: 14}
    assert divide(demands, Shares(64, 16, 1)) == {1: 13, 2: 14, 3: 32}


def test_whoever_is_alone_reads_what_there_is_room_for() -> None:
    demands = [Demand(1, COMMITTED, 40)]

    assert divide(demands, Shares(3, 16, 1)) == {1: 3}
    assert divide(demands, Shares(7, 16, 1)) == {1: 4}
    assert divide(demands, Shares(30, 16, 1)) == {1: 16}


def test_among_long_prompts_the_oldest_is_read_first() -> None:
    demands = [Demand(2, COMMITTED, 400), Demand(1, COMMITTED, 400)]

    assert divide(demands, SHARES) == {1: 32}


def test_speculations_all_reply_when_no_committed_turn_is_served() -> None:
    demands = [Demand(i, SPECULATIVE, 0) for i in range(3)]

    assert divide(demands, SHARES) == {0: 1, 1: 1, 2: 1}


def test_beside_a_committed_turn_the_speculation_goes_on_that_waited_longest() -> None:
    demands = [
        Demand(1, SPECULATIVE, 0, served=7),
        Demand(2, SPECULATIVE, 0, served=5),
        Demand(3, COMMITTED, 0),
    ]

    assert divide(demands, SHARES) == {3: 1, 2: 1}


def test_a_committed_prompt_holds_back_speculative_replies_too() -> None:
    demands = [Demand(i, SPECULATIVE, 0) for i in range(4)] + [Demand(9, COMMITTED, 8)]

    assert divide(demands, Shares(32, 16, 0)) == {9: 8}
