from __future__ import annotations

import pytest

from media.dtmf import KEYS, Key, Keys


def packet(key: str, duration: int, *, end: bool = False) -> bytes:
    return bytes([KEYS.index(key), 0x8A if end else 0x0A]) + duration.to_bytes(2)


def press(keys: Keys, key: str, timestamp: int, *, ends: int = 3) -> list[Key]:
    packets = [packet(key, 160 * n) for n in range(1, 6)] + [packet(key, 800, end=True)] * ends
    return [told for each in packets for told in keys.feed(each, timestamp)]


@pytest.mark.parametrize("key", KEYS)
def test_each_key_is_told_once_with_its_length(key: str) -> None:
    assert press(Keys(), key, 1000) == [Key(key, 0.1)]


def test_the_same_key_twice_is_two() -> None:
    keys = Keys()
    assert press(keys, "5", 1000) == press(keys, "5", 9000) == [Key("5", 0.1)]


def test_a_key_whose_end_was_lost_is_told_when_the_next_begins() -> None:
    keys = Keys()
    assert press(keys, "1", 1000, ends=0) == []
    assert press(keys, "2", 9000) == [Key("1", 0.1), Key("2", 0.1)]


@pytest.mark.parametrize("volume", [0, 1, 0x3F])
def test_a_key_is_over_by_its_end_alone_however_loud_it_is(volume: int) -> None:
    keys = Keys()
    assert keys.feed(bytes([5, volume, 0, 160]), 1000) == []
    assert keys.feed(bytes([5, 0x80 | volume, 3, 32]), 1000) == [Key("5", 0.1)]


@pytest.mark.parametrize("event", [16, 0x40, 0xFF])
def test_an_event_that_is_no_key_is_passed_over(event: int) -> None:
    """16 is the flash of a telephone's hook."""
    keys = Keys()
    assert keys.feed(bytes([event, 0x8A, 3, 32]), 1000) == []
    assert press(keys, "1", 9000) == [Key("1", 0.1)]


@pytest.mark.parametrize("garbage", [b"", b"\x05", b"\x05\x8a\x00"])
def test_garbage_is_no_key(garbage: bytes) -> None:
    assert Keys().feed(garbage, 1000) == []
