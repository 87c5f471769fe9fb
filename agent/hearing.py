"""What the caller is saying, understood while they say it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from os.path import commonprefix

from agent.engines.protocols import Priority, Recognition, Transcript
from media.audio import AudioChunk

OnPartial = Callable[[str, str], Awaitable[None]]
"""Called with all that is understood so far, and with the part of it that is stable."""


class Hearing:
    """One utterance, from its first sound until its turn is closed.

    Positions are seconds of the caller's audio since the call began; a chunk that was fed before
    is not fed again, so that whoever goes on after a pause may hand in the margin once more.
    """

    def __init__(self, recognition: Recognition, *, turn: int, onset: float) -> None:
        self.turn = turn
        self.onset = onset
        self.text = ""
        """The latest partial transcript."""
        self.voiced = 0.0
        """Seconds of it that were speech."""
        self._recognition = recognition
        self._fed_until = 0.0
        self._revision = 0
        self._news = asyncio.Event()

    @property
    def revision(self) -> int:
        """Counts what was fed: two transcripts of one revision are of the same audio."""
        return self._revision

    def feed(self, chunk: AudioChunk, position: float) -> None:
        """Take the chunk that begins at `position`, unless it was taken before."""
        if position < self._fed_until - 1e-6:
            return
        self._fed_until = position + chunk.seconds
        self._revision += 1
        self._recognition.feed(chunk)
        self._news.set()

    async def follow(self, fastest: float, slowest: float, on_partial: OnPartial) -> None:
        """Report partial transcripts every `fastest` to `slowest` seconds while audio comes.

        A recogniser that is busy, or slow to answer, is asked more seldom. Runs until cancelled."""
        now = asyncio.get_running_loop().time
        before: list[str] = []
        every = fastest
        while True:
            await asyncio.sleep(every)
            await self._news.wait()
            self._news.clear()
            asked = now()
            partial = await self._recognition.partial()
            # Half of the time at most is spent on partials, by each call for itself.
            busy = slowest if partial is None else 2 * (now() - asked)
            every = min(max(fastest, busy), slowest)
            if partial is None or not partial.text:
                continue
            words = partial.text.split()
            stable = commonprefix([before, words])
            before = words
            self.text = partial.text
            await on_partial(partial.text, " ".join(stable))

    async def final(self, priority: Priority) -> Transcript:
        """The transcript of all that was fed."""
        return await self._recognition.final(priority=priority)

    def close(self) -> None:
        """Nothing more will be asked of it."""
        self._recognition.close()
