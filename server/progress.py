"""How far a download is, for whoever waits: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from typing import Never, TextIO

from tqdm import tqdm

STEP = 10
"""Percent between two lines where there is no terminal."""


class DownloadProgress:
    """Called with a file's name, the bytes that are there and the bytes in all (`hub.Progress`)."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._bar: tqdm[Never] | None = None
        self._name = ""
        self._told = 0

    def __call__(self, name: str, done: int, size: int) -> None:
        if self._stream.isatty():
            self._draw(name, done, size)
        else:
            self._write(name, done, size)

    def _draw(self, name: str, done: int, size: int) -> None:
        if self._bar is None or self._name != name:
            # What a former try left is no work of this one: the rate counts from here.
            self._bar = tqdm(
                total=size, initial=done, desc=name, unit="B", unit_scale=True, file=self._stream
            )
            self._name = name
        self._bar.update(done - self._bar.n)
        if done >= size:
            self._bar.close()
            self._bar = None

    def _write(self, name: str, done: int, size: int) -> None:
        percent = 100 * done // max(size, 1)
        if self._name != name:
            self._name, self._told = name, -STEP
        if percent >= self._told + STEP or (done >= size and self._told < 100):
            self._told = percent
            print(f"{name}: {percent} % of {size / 1e6:.0f} MB", file=self._stream, flush=True)
