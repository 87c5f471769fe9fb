"""How many calls this machine is given, and the memory that they take together."""

from __future__ import annotations

from dataclasses import dataclass

from server.hardware import cores, held_memory, memory
from server.settings import ServerSettings

PER_CORE = 4
"""Calls that a core without a GPU serves nearly as fast as one: what `bench.capacity` measured with
small models. Larger ones take more; the ladder of the load says no where this is too many."""
PER_CALL = 8_000_000
"""Bytes that a call takes: twice what `bench.capacity` measured, for buffers, the connection and
its history. The language model's cache is reserved at the start and part of the base."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """`places`: calls at the same time. `base`, `memory`: bytes that are held without a call, and
    that there are; `later`: what engines and caches take once they are needed."""

    places: int
    base: int
    memory: int
    later: int = 0

    @property
    def ceiling(self) -> int:
        """Bytes that the server takes when every place is."""
        return self.base + self.later + self.places * PER_CALL

    def __str__(self) -> str:
        held = f"{self.base / 1e6:.0f} MB now, at most {self.ceiling / 1e6:.0f} MB"
        return f"room for {self.places} calls ({held} of {self.memory / 1e6:.0f} MB)"


def capacity(settings: ServerSettings, later: int = 0) -> Capacity:
    """Of this process, once its models are loaded."""
    base, there = held_memory(), memory()
    wanted = settings.max_calls
    calls = places(cores(), there - base - later) if wanted == "auto" else wanted
    return Capacity(calls, base, there, later)


def places(cores: int, free: int) -> int:
    """How many calls `auto` is, with so many cores and free bytes; at least one."""
    return max(1, min(PER_CORE * cores, free // 2 // PER_CALL))
