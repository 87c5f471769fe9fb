"""Server-sent events, as far as chat endpoints use them: bytes in, the data of each event out.

Pure. The data of an event is decoded when its line is complete, so that a character may be cut
anywhere on its way. https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

LONGEST = 1 << 20
"""Bytes of one event at most."""


class EventTooLong(Exception):
    """An event grew beyond LONGEST: the other side does not speak this protocol."""


class EventStream:
    """One stream as it comes. Field names other than `data`, and comments, are left out."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._data: list[str] = []
        self._size = 0

    def feed(self, data: bytes) -> list[str]:
        """The data of the events that are now complete. Raises EventTooLong."""
        self._bytes += data
        lines = self._bytes.splitlines(keepends=True)
        # A line is complete at its end mark; a lone CR may be the first half of a CR LF.
        self._bytes = lines.pop() if lines and not lines[-1].endswith(b"\n") else bytearray()
        events = [event for line in lines if (event := self._line(bytes(line))) is not None]
        if len(self._bytes) + self._size > LONGEST:
            raise EventTooLong(f"an event of more than {LONGEST} bytes")
        return events

    def _line(self, raw: bytes) -> str | None:
        line = raw.rstrip(b"\r\n").decode("utf-8", "replace")
        if not line:
            event, self._data, self._size = self._data, [], 0
            return "\n".join(event) if event else None
        name, _, value = line.partition(":")
        if name == "data":
            self._data.append(value.removeprefix(" "))
            self._size += len(raw)
        return None
