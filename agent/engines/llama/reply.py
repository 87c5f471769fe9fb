"""Bytes of tokens in, text that can be shown out.

A token may end in the middle of a character (a Korean syllable is three bytes and often two tokens)
or of a stop string. `ReplyText` gives out only what is sure: whole characters, and nothing that may
yet turn out to begin a stop string.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class ReplyText:
    """One reply as it grows. White space before its first word is left out."""

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._begins = frozenset(stop[0] for stop in self._stops)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        self._began = False
        self.stopped = False
        """A stop string came: the reply is over, and nothing more comes out."""

    def feed(self, piece: bytes) -> str:
        """What is now sure to be part of the reply; may be empty."""
        if self.stopped:
            return ""
        self._held += self._decoder.decode(piece)
        if self._began and self._begins.isdisjoint(self._held):  # most tokens: as cheap as can be
            out, self._held = self._held, ""
            return out
        return self._release(self._unsure())

    def finish(self) -> str:
        """The rest, once no token follows. A character cut in half is left out."""
        if self.stopped:
            return ""
        return self._release(0)

    def _release(self, unsure: int) -> str:
        """Give out what is held, less the last `unsure` characters, and less a stop string."""
        starts = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if starts:
            self.stopped = True
            out, self._held = self._held[: min(starts)], ""
        else:
            keep = len(self._held) - unsure
            out, self._held = self._held[:keep], self._held[keep:]
        if not self._began:
            out = out.lstrip()
            self._began = bool(out)
        return out

    def _unsure(self) -> int:
        """Length of the longest end of what is held that begins a stop string."""
        return max((_overlap(self._held, stop) for stop in self._stops), default=0)


def _overlap(text: str, stop: str) -> int:
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
