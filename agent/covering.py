"""The silence before a reply, covered by a filler when it will be felt.

A filler makes way as soon as the reply can be heard: it ends with the word that it is in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress

from agent.context import Context
from agent.errors import EngineError
from agent.events import FillerSpoken
from agent.speaking import pause
from media.opus import FRAME_SECONDS


class Cover:
    """The fillers of one turn. `on_begun()` is called as each begins."""

    def __init__(self, context: Context, turn: int, *, on_begun: Callable[[], None]) -> None:
        self._context = context
        self._turn = turn
        self._on_begun = on_begun
        self._mouth_taken = asyncio.Lock()
        self._reply_is_there = asyncio.Event()
        self._word_ends: list[float] = []
        self.begins: float | None = None
        """The content position where the first filler begins; None: there was none."""

    async def run(
        self,
        *,
        since: float,
        expected: Callable[[], float],
        heard: Callable[[], str],
        uses_tool: Callable[[], bool],
    ) -> None:
        """Say a filler when the wait since the turn's end (`since`, loop time) will be felt, and a
        longer one later. `expected()`: seconds until the reply; `heard()`: what it answers;
        `uses_tool()`: a tool's result is what is waited for."""
        fillers, spoken = self._context.fillers, 0
        while not self._reply_is_there.is_set():
            await self._look_later()
            waited = self._context.now() - since
            if self._reply_is_there.is_set() or not fillers.due(
                waited, waited + expected(), spoken
            ):
                continue
            if spoken:
                phrase = fillers.long()
            else:
                phrase = fillers.tool() if uses_tool() else fillers.choose(heard())
            spoken += 1
            if phrase:
                await self._say(phrase)

    async def tool(self, waited: float, expected: float) -> None:
        """A tool elsewhere was asked for, `waited` seconds after the turn's end: say so, unless
        something was said or what it brings is soon heard (`expected` seconds, at the least)."""
        fillers = self._context.fillers
        begin = max(waited, fillers.settings.begin)
        if self.begins is None and fillers.due(begin, waited + expected):
            if phrase := fillers.tool():
                await self._say(phrase)
                await self._context.mouth.drained()

    async def make_way(self) -> None:
        """The reply can be heard: end what is being said with its word, and a breath."""
        self._reply_is_there.set()
        mouth = self._context.mouth
        async with self._mouth_taken:
            left = [end for end in self._word_ends if end > mouth.played]
            if not left:
                return
            if left[0] < mouth.played + mouth.queued - FRAME_SECONDS:
                await mouth.reached(left[0])
                mouth.clear()
            else:  # its last word: a clock that stands at its end never passes it
                await mouth.drained()
            await pause(self._context, self._context.fillers.settings.breath)

    async def _look_later(self) -> None:
        try:
            async with asyncio.timeout(self._context.fillers.settings.look_every):
                await self._reply_is_there.wait()
        except TimeoutError:
            pass

    async def _say(self, phrase: str) -> None:
        context, said = self._context, False
        async with self._mouth_taken:
            speech = context.engines.synthesizer.speak(
                phrase, language=context.persona.language, voice=context.persona.voice
            )
            # A filler that can't be made is no loss: the reply itself will tell what fails.
            with suppress(EngineError):
                async with aclosing(speech):
                    async for piece in speech:
                        if self._reply_is_there.is_set():
                            break
                        position = await context.mouth.play(piece.audio)
                        said = True
                        self._word_ends += [position + word.end for word in piece.words]
                        if self.begins is None:
                            self.begins = position
                        self._on_begun()
        if said:
            context.emit(FillerSpoken(at=context.now(), turn=self._turn, text=phrase))
