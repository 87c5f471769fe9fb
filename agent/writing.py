"""A reply that is read, not heard: handed over piece by piece, as the model makes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from agent.context import Context


class Writing:
    """One reply being written; stands where `Speaking` does.

    `on_written(text)` is called with each piece, from the release on."""

    def __init__(self, context: Context, *, on_written: Callable[[str], None]) -> None:
        self._context = context
        self._on_written = on_written
        self._released = asyncio.Event()
        self._pieces: list[str] = []
        self._written = 0
        self.sounding = asyncio.Event()
        """Set when the reply's first piece exists."""
        self.first_sound: float | None = None
        """A text has none."""

    def release(self) -> None:
        """From now on it may be read."""
        self._released.set()

    @property
    def begun(self) -> bool:
        return self._written > 0

    @property
    def text(self) -> str:
        """All of it that has been made."""
        return "".join(self._pieces).strip()

    @property
    def heard(self) -> str:
        """What was handed over."""
        return "".join(self._pieces[: self._written]).strip()

    @property
    def begins(self) -> float | None:
        """It has no sound."""
        return None

    def heard_at(self, position: float) -> str:
        """It has no sound to be cut in."""
        return self.heard

    def leave_unsaid(self) -> None:
        """What was not handed over will not be."""
        del self._pieces[self._written :]

    async def run(self, pieces: AsyncGenerator[str, None]) -> None:
        """Hand everything over; returns when the last piece has been. Run again, it goes on
        with a line of its own."""
        if self.begun:
            self._pieces.append("\n")
        async with asyncio.TaskGroup() as tasks:
            telling = tasks.create_task(self._tell_when_released())
            async with aclosing(pieces):
                async for piece in pieces:
                    self._pieces.append(piece)
                    self.sounding.set()
                    if self._released.is_set():
                        self._tell()
            await telling
        self._tell()

    async def _tell_when_released(self) -> None:
        await self._released.wait()
        self._tell()

    def _tell(self) -> None:
        for piece in self._pieces[self._written :]:
            self._written += 1
            self._on_written(piece)
