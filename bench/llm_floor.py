"""What llama.cpp itself takes to read tokens, without a scheduler: for `bench.llm`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from agent.engines.llama import LlamaSettings
from agent.engines.llama.library import LlamaCpp
from agent.engines.llama.runtime import NO_ADAPTER, Entry

_LETTER = 100  # a token of the random model's; any other of a real one's does as well
_ROUNDS = 15


def reading_seconds(
    path: Path, settings: LlamaSettings, readings: Sequence[tuple[int, int]]
) -> list[float]:
    """Seconds at the median for each reading, which are made in turns: (tokens that are in the
    cache, tokens that are read after them, with the one that follows)."""
    runtime = LlamaCpp(path, settings)
    try:
        for sequence, (cached, _) in enumerate(readings):
            _read(runtime, sequence, 0, cached)
        found: list[list[float]] = [[] for _ in readings]
        for _ in range(_ROUNDS):
            for sequence, (cached, read) in enumerate(readings):
                began = time.perf_counter()
                _read(runtime, sequence, cached, read)
                found[sequence].append(time.perf_counter() - began)
                runtime.cut(sequence, cached)
    finally:
        runtime.close()
    return [statistics.median(seconds) for seconds in found]


def _read(runtime: LlamaCpp, sequence: int, begin: int, tokens: int) -> None:
    """So many tokens from this position on, in as few calls as they fit in."""
    end = begin + tokens
    for start in range(begin, end, runtime.batch):
        stop = min(start + runtime.batch, end)
        entries = [
            Entry(_LETTER + at % 26, at, sequence, at == end - 1) for at in range(start, stop)
        ]
        runtime.decode(entries, NO_ADAPTER)
