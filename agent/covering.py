"""The silence before a reply, covered by a filler when it will be felt.

A filler makes way as soon as the reply can be heard: it ends with the word that it is in. Once the
reply's first word is there, it begins no word that would keep the reply back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress

from agent.context import Context
from agent.dialogue.making_way import SpokenWord, has_time, nearest_end, silence_before
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
        self._words: list[SpokenWord] = []
        self._ended: float | None = None
        """When the last filler's sound was over, in loop time."""
        self.begins: float | None = None
        """The content position where the first filler begins; None: there was none."""

    async def run(
        self,
        *,
        since: float,
        expected: Callable[[], float],
        heard: Callable[[], str],
        uses_tool: Callable[[], bool],
        is_coming: Callable[[], bool],
    ) -> None:
        """Say a filler when the wait since the turn's end (`since`, loop time) will be felt, and a
        longer one later. `expected()`: seconds until the reply; `heard()`: what it answers;
        `uses_tool()`: a tool's result is what is waited for; `is_coming()`: the reply's text is."""
        fillers, has_tried = self._context.fillers, False
        while not self._reply_is_there.is_set():
            await self._look_later()
            waited, room = self._context.now() - since, expected()
            silent = waited if self._ended is None else self._context.now() - self._ended
            if self._reply_is_there.is_set() or is_coming():
                continue
            if has_tried and fillers.due_again(waited, waited + room, silent):
                await self._say(fillers.long(room), expected, is_coming)
                return
            if not has_tried and fillers.due(waited, waited + room):
                has_tried = True
                phrase = fillers.tool(room) if uses_tool() else fillers.choose(heard(), room)
                await self._say(phrase, expected, is_coming)

    async def tool(self, waited: float, expected: float) -> None:
        """A tool elsewhere was asked for, `waited` seconds after the turn's end: say so, unless
        something was said or what it brings is soon heard (`expected` seconds, at the least)."""
        fillers = self._context.fillers
        begin = max(waited, fillers.settings.begin)
        if self.begins is None and fillers.due(begin, waited + expected):
            if phrase := fillers.tool():
                await self._play(phrase)
                await self._context.mouth.drained()

    async def make_way(self) -> None:
        """The reply can be heard: end what is being said with its word, and a breath."""
        self._reply_is_there.set()
        mouth = self._context.mouth
        async with self._mouth_taken:
            if not self._words or not mouth.queued:
                return
            end = nearest_end(self._words, mouth.played)
            if end > mouth.played:  # Its last 20 ms fade out.
                await mouth.reached(end - FRAME_SECONDS)
            mouth.clear()
            silent = silence_before(self._words, mouth.played)
            await pause(self._context, self._context.fillers.settings.breath - silent)

    async def _look_later(self) -> None:
        try:
            async with asyncio.timeout(self._context.fillers.settings.look_every):
                await self._reply_is_there.wait()
        except TimeoutError:
            pass

    async def _say(
        self, phrase: str | None, expected: Callable[[], float], is_coming: Callable[[], bool]
    ) -> None:
        """Say `phrase`, as far as there is time for it."""
        if not phrase:
            return
        await self._play(phrase)
        mouth, settings = self._context.mouth, self._context.fillers.settings
        for word in [word for word in self._words if word.end > mouth.played]:
            reached = await mouth.reached(word.end - FRAME_SECONDS)
            if not reached or self._reply_is_there.is_set():
                return
            in_time = has_time(
                self._words,
                word.end,
                expected(),
                breath=settings.breath,
                most_kept_back=settings.most_kept_back,
            )
            if is_coming() and not in_time:
                mouth.clear()
                break
        self._ended = self._context.now()

    async def _play(self, phrase: str) -> None:
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
                        self._words += [
                            SpokenWord(position + word.start, position + word.end)
                            for word in piece.words
                        ]
                        if self.begins is None:
                            self.begins = position
                        self._on_begun()
        if said:
            context.emit(FillerSpoken(at=context.now(), turn=self._turn, text=phrase))
