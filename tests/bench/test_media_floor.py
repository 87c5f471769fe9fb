"""The floor of bench.media: a loop in C that handles a call's packets."""

from __future__ import annotations

import os
from math import isnan

import numpy as np
import pytest

from bench.media_floor import hot, paced
from bench.media_load import encoded
from media.native import NotCompiled, compiled

CORE = min(os.sched_getaffinity(0))
PACKETS = encoded(np.zeros(48_000, np.int16))
SAID = np.zeros(9_600, np.int16)


@pytest.fixture(autouse=True)
def _compiler() -> None:
    try:
        compiled()
    except NotCompiled as error:
        pytest.skip(f"nothing can be compiled here: {error}")


def test_a_calls_packets_are_heard() -> None:
    assert hot(PACKETS, SAID, seconds=1.0, core=CORE) > 0


def test_what_is_no_opus_is_not_taken_for_a_call() -> None:
    assert isnan(hot([b"\x03\x00"], SAID, seconds=1.0, core=CORE))


def test_so_are_those_of_several_calls_at_a_beat() -> None:
    assert paced(3, PACKETS, SAID[:0], seconds=0.2, core=CORE) > 0
