"""Keys pressed on a telephone (DTMF), as they come in RTP: telephone-event, RFC 4733.

Pure. A key is one event in many packets with one timestamp, the last three of them with the end
bit; it is told once, when its end is seen or the next key begins, with the time it was held.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

TELEPHONE_EVENT = "telephone-event"
"""Its codec name in SDP."""
KEYS = "0123456789*#ABCD"
_EVENT = struct.Struct("!BBH")


@dataclass(frozen=True, slots=True)
class Key:
    """A key that was pressed, and for how many seconds."""

    key: str
    seconds: float


class Keys:
    """One call's telephone events. `clock_rate`: Hz of the negotiated type, 8000 as a rule."""

    def __init__(self, clock_rate: int = 8_000) -> None:
        self._clock_rate = clock_rate
        self._held: tuple[int, Key] | None = None
        self._told: int | None = None

    def feed(self, payload: bytes, timestamp: int) -> list[Key]:
        """A packet's payload and RTP timestamp; the keys that are over. Garbage gives none."""
        if len(payload) < _EVENT.size:
            return []
        event, flags, duration = _EVENT.unpack_from(payload)
        if event >= len(KEYS) or timestamp == self._told:
            return []
        over = []
        if self._held is not None and self._held[0] != timestamp:
            over.append(self._held[1])  # its end was lost
        key = Key(KEYS[event], duration / self._clock_rate)
        self._held = (timestamp, key)
        if flags & 0x80:
            over.append(key)
            self._held, self._told = None, timestamp
        return over
