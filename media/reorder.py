"""Packets in the order in which they were sent, holding nothing back while they come in order.

No clock: every call is told the time. A packet that is in order passes at once. Behind a gap
packets wait for the missing ones as long as such packets have lately been late (0 to 60 ms): on a
network that loses but does not reorder the wait shrinks to nothing, so a lost packet costs no time.

A jump of more than a second, or far back, is taken for a new beginning once a second packet
confirms it (RFC 3550, appendix A.1); a single stray packet changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from media.packets import ahead

MOST_WAIT = 0.06
"""Seconds that a packet may wait for the ones before it."""
_FIRST_WAIT = 0.02
_MARGIN = 1.25
_FORGET = 0.998
"""Per packet: after seven seconds without a late one the wait has halved."""
_JUMP = 50
"""Packets; more is no gap but a new beginning."""
_REMEMBERED = 16
"""Packets given up that may still show how late they were."""


class Numbered(Protocol):
    """Anything with RTP's 16-bit sequence number."""

    @property
    def sequence_number(self) -> int: ...


PacketT = TypeVar("PacketT", bound=Numbered)


@dataclass(frozen=True, slots=True)
class Arrived(Generic[PacketT]):
    """The next packet, and how many before it were given up."""

    packet: PacketT
    lost: int
    is_new_beginning: bool = False


class Reorder(Generic[PacketT]):
    """One stream's packets."""

    def __init__(self) -> None:
        self._expected: int | None = None
        self._waiting: dict[int, tuple[PacketT, float]] = {}
        self._given_up: dict[int, float] = {}
        self._stray: PacketT | None = None
        self._wait = _FIRST_WAIT / _MARGIN
        self._begins_anew = False
        self.lost = 0
        """Packets given up."""
        self.late = 0
        """Packets that came after they were given up, or twice."""

    @property
    def wait(self) -> float:
        """Seconds that a gap is waited for at present."""
        return min(self._wait * _MARGIN, MOST_WAIT)

    @property
    def next(self) -> int | None:
        """The sequence number that would pass at once; None: packets are waited for, or none has
        come yet."""
        return None if self._waiting else self._expected

    def passed(self, count: int, following: int) -> None:
        """So many packets passed elsewhere, each the next; `following`: the number after them."""
        self._stray = None
        self._wait *= _FORGET**count
        self._expected = following

    def passes(self, packet: PacketT) -> bool:
        """Whether the packet that arrived is the next, as nearly all are, and has passed; False:
        it is to be put in and waited for."""
        if packet.sequence_number != self._expected or self._waiting:
            return False
        self._stray = None
        self._wait *= _FORGET
        self._expected = (self._expected + 1) & 0xFFFF
        return True

    def put(self, packet: PacketT, now: float) -> None:
        """A packet arrived that does not just pass."""
        number = packet.sequence_number
        if self._expected is None:
            self._expected = number
        distance = ahead(number, self._expected, 16)
        if abs(distance) >= _JUMP and number not in self._given_up:
            self._jump(packet, now)
            return
        self._stray = None
        if distance < 0 or number in self._waiting:
            self._note_late(number, now)
            return
        if distance == 0 and self._waiting:
            noticed = min(arrival for _, arrival in self._waiting.values())
            self._learn(now - noticed)
        self._wait *= _FORGET
        self._waiting[number] = (packet, now)

    def take(self, now: float) -> Iterator[Arrived[PacketT]]:
        """What may pass now, in order."""
        while self._waiting and self._expected is not None:
            number, lost = self._expected, 0
            if number not in self._waiting:
                number = min(self._waiting, key=self._distance)
                lost = self._distance(number)
                if now < self._waiting[number][1] + self.wait:
                    return
                self._give_up(lost, self._waiting[number][1])
            packet, _ = self._waiting.pop(number)
            self._expected = (number + 1) & 0xFFFF
            begins_anew, self._begins_anew = self._begins_anew, False
            yield Arrived(packet, lost, begins_anew)

    def _distance(self, number: int) -> int:
        return ahead(number, self._expected or 0, 16)

    def _jump(self, packet: PacketT, now: float) -> None:
        stray, self._stray = self._stray, packet
        if stray is None or ahead(packet.sequence_number, stray.sequence_number, 16) != 1:
            return
        self._expected = stray.sequence_number
        self._waiting = {
            stray.sequence_number: (stray, now),
            packet.sequence_number: (packet, now),
        }
        self._given_up.clear()
        self._stray = None
        self._begins_anew = True

    def _give_up(self, count: int, noticed: float) -> None:
        self.lost += count
        for step in range(count):
            self._given_up[((self._expected or 0) + step) & 0xFFFF] = noticed
        while len(self._given_up) > _REMEMBERED:
            del self._given_up[next(iter(self._given_up))]

    def _note_late(self, number: int, now: float) -> None:
        self.late += 1
        noticed = self._given_up.pop(number, None)
        if noticed is not None:
            self._learn(now - noticed)

    def _learn(self, lateness: float) -> None:
        self._wait = max(self._wait, min(lateness, MOST_WAIT))
