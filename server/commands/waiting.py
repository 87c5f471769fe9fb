"""What the person at the terminal waits for while the server starts.

On a terminal it is one line that the next thing takes the place of, and that leaves no trace;
elsewhere (a log file, a service's journal) each thing is a line.
"""

from __future__ import annotations

from typing import TextIO

_TO_LINE_START = "\r\x1b[K"


class Waiting:
    """Tells what is being loaded. `shown`: whether anyone wants to know."""

    def __init__(self, stream: TextIO, *, shown: bool = True) -> None:
        self._stream = stream
        self._shown = shown
        self._on_terminal = stream.isatty()
        self._is_open = False

    def briefly_for(self, what: str) -> None:
        """What takes a moment from now on: no line of a log is worth that."""
        if self._on_terminal:
            self.for_(what)

    def for_(self, what: str) -> None:
        """What takes its time from now on, as in "loading llama"."""
        if not self._shown:
            return
        if self._on_terminal:
            self._stream.write(f"{_TO_LINE_START}{what} …")
            self._is_open = True
        else:
            self._stream.write(f"{what} …\n")
        self._stream.flush()

    def over(self) -> None:
        """There is nothing to wait for any more. Harmless twice."""
        if self._is_open:
            self._stream.write(_TO_LINE_START)
            self._stream.flush()
            self._is_open = False
