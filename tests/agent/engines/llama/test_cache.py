"""The mirror of the cache: cells that are shared count once."""

from __future__ import annotations

from agent.engines.llama.cache import Cache, common_prefix


def opened(cache: Cache) -> int:
    sequence = cache.open()
    assert sequence is not None
    return sequence


def test_a_common_beginning_takes_room_once() -> None:
    cache = Cache(cells=10, sequences=2)
    one, other = opened(cache), opened(cache)
    cache.append(one, [1, 2, 3, 4])

    cache.copy(one, other, 3)
    cache.append(other, [9])

    assert cache.tokens(other) == (1, 2, 3, 9)
    assert cache.free == 5


def test_room_is_free_when_the_last_holder_lets_go() -> None:
    cache = Cache(cells=10, sequences=2)
    one, other = opened(cache), opened(cache)
    cache.append(one, [1, 2, 3, 4])
    cache.copy(one, other, 2)

    cache.close(one)
    assert cache.free == 8
    cache.cut(other, 1)
    assert cache.free == 9
    cache.close(other)
    assert cache.free == 10


def test_sequences_are_few_and_come_back() -> None:
    cache = Cache(cells=10, sequences=1)
    one = opened(cache)
    assert cache.open() is None

    cache.close(one)

    assert cache.open() == one


def test_what_is_usable_ends_where_the_prompts_part() -> None:
    cache = Cache(cells=10, sequences=1)
    one = opened(cache)
    cache.append(one, [1, 2, 3, 4])

    assert cache.usable(one, [1, 2, 9, 9], most=3) == 2
    assert cache.usable(one, [1, 2, 3, 4], most=3) == 3
    assert cache.usable(one, [7], most=0) == 0


def test_a_model_that_cannot_rewind_goes_on_at_the_end_or_not_at_all() -> None:
    cache = Cache(cells=10, sequences=1, rewinds=False)
    one = opened(cache)
    cache.append(one, [1, 2, 3])

    assert cache.usable(one, [1, 2, 3, 4], most=3) == 3
    assert cache.usable(one, [1, 2, 9, 4], most=3) == 0


def test_common_prefix() -> None:
    assert common_prefix([1, 2], [1, 2, 3]) == 2
    assert common_prefix([], [1]) == 0
    assert common_prefix([1, 5], [1, 6]) == 1
