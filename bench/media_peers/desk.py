"""What every other server answers the benchmark: offers, and what its process used.

The same answers as those of `bench.media_server`, so that the load and the figures are the same.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import web

from bench.media_sound import speech

_LOUD = 4_000
_QUIET_CHUNKS = 10
UNASKED = 60.0
"""Seconds that an agent talks which begins by itself: longer than any call that is measured."""

Answer = Callable[[str], Awaitable[str]]
"""From an offer's SDP to the answer's."""


class Usage:
    """CPU, memory and what was heard since the last question."""

    def __init__(self) -> None:
        self.mark()

    def hear(self, heard: float, onset: bool) -> None:
        """So many chunks of 20 ms came to the speech detector; with `onset`, a sound began."""
        self._chunks += heard
        if onset:
            self._onsets.append(time.monotonic())

    def mark(self) -> None:
        self._cpu, self._wall, self._sleeps = _cpu(), time.monotonic(), _sleeps()
        self._chunks, self._onsets = 0.0, list[float]()

    def tell(self) -> dict[str, Any]:
        answer = {
            "cpu": _cpu() - self._cpu,
            "wall": time.monotonic() - self._wall,
            "rss": int(Path("/proc/self/statm").read_text().split()[1])
            * os.sysconf("SC_PAGE_SIZE"),
            "threads": threading.active_count(),
            "tasks": len(asyncio.all_tasks()),
            "sleeps": _sleeps() - self._sleeps,
            "chunks": self._chunks,
            "onsets": self._onsets,
        }
        self.mark()
        return answer


class Ear:
    """One call's: counts what comes to the speech detector, and notes where a sound begins."""

    def __init__(self, usage: Usage) -> None:
        self._usage = usage
        self._quiet = 0.0

    def hear(self, samples: np.ndarray[Any, np.dtype[np.int16]], rate: int) -> None:
        chunks = len(samples) / rate * 50
        is_loud = bool(np.abs(samples).max(initial=0) > _LOUD)
        self._usage.hear(chunks, is_loud and self._quiet > _QUIET_CHUNKS)
        self._quiet = 0.0 if is_loud else self._quiet + chunks


def reply(rate: int, options: argparse.Namespace) -> np.ndarray[Any, np.dtype[np.int16]]:
    """What the agent says, loud from its first sample on."""
    seconds = 0.0 if options.mute else UNASKED if options.unasked else options.reply
    said = speech(rate)
    begin = int(np.argmax(np.abs(said) > _LOUD))
    return np.tile(said[begin:], int(seconds / 10) + 2)[: int(rate * seconds)]


def arguments(doc: str | None) -> argparse.Namespace:
    """The flags that all of them take."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--core", type=int)
    parser.add_argument("--reply", type=float, default=10.0, help="seconds of each answer")
    parser.add_argument("--mute", action="store_true", help="every answer is empty")
    parser.add_argument("--unasked", action="store_true", help="talk from the call's begin on")
    parser.add_argument("--eager", action="store_true", help="their most aggressive settings")
    return parser.parse_args()


def serve(answer: Answer, usage: Usage, options: argparse.Namespace) -> None:
    """Answer the benchmark until the process is told to end."""
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})

    async def offer(request: web.Request) -> web.Response:
        return web.json_response({"sdp": await answer((await request.json())["sdp"])})

    async def told(request: web.Request) -> web.Response:
        return web.json_response(usage.tell())

    app = web.Application()
    app.add_routes([web.post("/offer", offer), web.get("/usage", told)])
    web.run_app(app, host="127.0.0.1", port=options.port, print=None)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _sleeps() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
