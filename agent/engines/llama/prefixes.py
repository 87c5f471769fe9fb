"""Openings on disk: what the model has read of a system prompt outlives the process.

A file is named by all that its content follows from (model file, library, cache's settings,
adapter, tokens)
and begins with a checksum of the rest, so that an old one is never found, and a damaged one is
never used. Losing one costs the reading of a prompt: no error leaves this file.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

_SUM = 32  # bytes of the checksum
_ENDS = 1 << 20  # bytes at each end of a model file that tell it from others


class Prefixes:
    """The files of one folder, `most` bytes at most: the one unused for longest goes first."""

    def __init__(self, folder: Path, *, mark: str, most: int) -> None:
        self._folder = folder
        self._mark = mark
        self._most = most

    def find(self, tokens: Sequence[int], adapter: str = "") -> bytes | None:
        """What was kept for these tokens, read with the adapter of this mark; None if nothing was,
        or it is damaged."""
        path = self._path(tokens, adapter)
        try:
            content = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        state = content[_SUM:]
        if _sum(state) != content[:_SUM]:
            log.warning("%s is damaged: it is left aside and made anew", path)
            self.drop(tokens, adapter)
            return None
        return state

    def keep(self, tokens: Sequence[int], state: bytes, adapter: str = "") -> None:
        """Write it, all or nothing."""
        if _SUM + len(state) > self._most:
            return
        path = self._path(tokens, adapter)
        unfinished = path.with_suffix(f".{os.getpid()}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._make_room(_SUM + len(state))
            unfinished.write_bytes(_sum(state) + state)
            unfinished.replace(path)
        except OSError as error:
            log.info("a system prompt is not kept for the next start: %s", error)
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)

    def drop(self, tokens: Sequence[int], adapter: str = "") -> None:
        """Of no use after all."""
        with suppress(OSError):
            self._path(tokens, adapter).unlink(missing_ok=True)

    def _make_room(self, need: int) -> None:
        files = sorted((f.stat().st_mtime_ns, f.stat().st_size, f) for f in self._folder.iterdir())
        taken = sum(size for _, size, _ in files)
        for _, size, file in files:
            if taken + need <= self._most:
                return
            file.unlink(missing_ok=True)
            taken -= size

    def _path(self, tokens: Sequence[int], adapter: str = "") -> Path:
        name = hashlib.sha256(f"{self._mark} {adapter} {list(tokens)}".encode()).hexdigest()
        return self._folder / f"{name}.prefix"


def mark_of(model: Path) -> str:
    """What tells a model file from others: its size, and its first and last megabyte.

    (Tensors lie at the end: two trainings of one model differ there.)"""
    digest = hashlib.sha256()
    with model.open("rb") as file:
        digest.update(file.read(_ENDS))
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _ENDS))
        digest.update(file.read())
    return f"{size} {digest.hexdigest()}"


def _sum(state: bytes) -> bytes:
    return hashlib.sha256(state).digest()
