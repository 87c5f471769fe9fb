from __future__ import annotations

import pytest

from server.admission import Admission
from server.capacity import PER_CALL, Capacity, capacity, places
from server.metrics import Metrics
from server.settings import ServerSettings


@pytest.mark.parametrize(
    ("cores", "free", "calls"),
    [
        (1, 1 << 40, 4),
        (2, 1 << 40, 8),
        (16, 1 << 40, 64),
        (16, 20 * PER_CALL, 10),  # half of the memory is left to others
        (2, 0, 1),
        (2, -1, 1),
    ],
)
def test_auto_follows_cores_and_memory(cores: int, free: int, calls: int) -> None:
    assert places(cores, free) == calls


def test_a_number_is_taken_at_its_word() -> None:
    assert capacity(ServerSettings(max_calls=3)).places == 3
    assert Admission(ServerSettings(max_calls=3)).limit == 3


def test_this_machine_has_room_and_a_ceiling_that_is_told() -> None:
    found = capacity(ServerSettings())
    assert found.places >= 1
    assert 0 < found.base < found.ceiling
    metrics = Metrics()
    metrics.reckon(found)
    told = metrics.registry.get_sample_value("chuimsae_memory_ceiling_bytes")
    assert told == found.base + found.places * PER_CALL


def test_what_engines_and_caches_take_later_is_in_the_ceiling_and_not_given_to_calls() -> None:
    plain, later = capacity(ServerSettings()), capacity(ServerSettings(), later=360_000_000)
    assert later.ceiling - later.base == later.places * PER_CALL + 360_000_000
    assert capacity(ServerSettings(), later=1 << 60).places == 1 < plain.places


def test_the_line_at_the_start_says_how_many_and_how_much() -> None:
    line = str(Capacity(places=8, base=500_000_000, memory=4_000_000_000))
    assert line == "room for 8 calls (500 MB now, at most 564 MB of 4000 MB)"
