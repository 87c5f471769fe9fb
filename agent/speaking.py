"""Text that comes in pieces, spoken as it comes.

Pieces become sentences, sentences become sound side by side, and the sound is played in order.
Nothing is heard before `release()`: a reply that was prepared on suspicion waits at this door,
and is thrown away behind it by cancelling `run()`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from agent.context import Context
from agent.dialogue.heard import Heard
from agent.dialogue.sentences import SentenceSplitter
from agent.dialogue.spoken import SpokenText, to_speech
from agent.engines.protocols import Priority, Speech, Urgency
from agent.errors import EngineError
from media.audio import silence

SECONDS_PER_CHARACTER = 0.06
"""A voice's pace: what a sentence will last is told before all of its sound is there."""


SOON = 2
"""Sentences of a reply whose sound is needed at once: the first, and the one that follows it."""


@dataclass(slots=True)
class _Clip:
    """A sentence on its way to becoming sound; None ends its pieces."""

    spoken: SpokenText
    text: str
    urgency: Urgency
    pieces: asyncio.Queue[Speech | None] = field(default_factory=lambda: asyncio.Queue(maxsize=64))


class Speaking:
    """One reply being spoken.

    `before_sound` is awaited once, between the release and the reply's first sound.
    `on_audible(text, seconds)` is called as each sentence begins to leave for the caller.
    `urgency`: that of its first sentences, which rises with its owner's; None: wanted at once.
    """

    def __init__(
        self,
        context: Context,
        *,
        on_audible: Callable[[str, float], None],
        before_sound: Callable[[], Awaitable[None]] | None = None,
        urgency: Urgency | None = None,
    ) -> None:
        self._context = context
        self._persona = context.persona
        self._on_audible = on_audible
        self._before_sound = before_sound
        self._urgency = urgency or Urgency(Priority.COMMITTED)
        self._released = asyncio.Event()
        self._heard = Heard()
        self._sentences: list[str] = []
        self._broken_off: EngineError | None = None
        self.sounding = asyncio.Event()
        """Set when the reply's first sound exists."""
        self.first_sound: float | None = None

    def release(self) -> None:
        """From now on it may be heard."""
        self._released.set()

    @property
    def begun(self) -> bool:
        """Whether any of it has been handed to the mouth."""
        return self._heard.begins is not None

    @property
    def text(self) -> str:
        """All that is to be said, as far as it is known; what a voice failed to say is not."""
        return " ".join(self._sentences)

    @property
    def heard(self) -> str:
        """What has reached the caller, to the word."""
        return self._heard.text(self._context.mouth.heard)

    @property
    def begins(self) -> float | None:
        """The mouth's position at which its first sound lies; None before there is any."""
        return self._heard.begins

    def heard_at(self, position: float) -> str:
        """What had reached the caller when the mouth's content had, up to `position`."""
        return self._heard.text(position)

    async def run(self, pieces: AsyncGenerator[str, None]) -> None:
        """Say everything; returns when the last of it has left. Cancelling it stops the engines,
        not the mouth. Run again, it goes on after what was said before."""
        try:
            await self._say(pieces)
        except* EngineError:
            self.leave_unsaid()
            raise
        if self._broken_off is not None:
            raise self._broken_off

    def leave_unsaid(self) -> None:
        """What has no sound yet will get none: the text is what was handed to the mouth."""
        said = self._heard.full()
        self._sentences = [said] if said else []

    async def _say(self, pieces: AsyncGenerator[str, None]) -> None:
        # Whatever the call speaks next, this is said to its end in one language and voice.
        self._persona = self._context.persona
        clips: asyncio.Queue[_Clip | None] = asyncio.Queue(
            maxsize=self._context.settings.reply.sentences_ahead
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write(pieces, clips, tasks))
            await self._play(clips, tasks)
            await self._context.mouth.drained()

    async def _write(
        self,
        pieces: AsyncGenerator[str, None],
        clips: asyncio.Queue[_Clip | None],
        tasks: asyncio.TaskGroup,
    ) -> None:
        """Cut the text into sentences, each of which begins to be synthesized at once.

        A source that breaks off leaves the sentences before it to be said."""
        try:
            await self._write_all(pieces, clips, tasks)
        except EngineError as error:
            if not self._sentences:
                raise
            self._broken_off = error
        await clips.put(None)

    async def _write_all(
        self,
        pieces: AsyncGenerator[str, None],
        clips: asyncio.Queue[_Clip | None],
        tasks: asyncio.TaskGroup,
    ) -> None:
        splitter = SentenceSplitter(self._persona.language, self._context.settings.sentences)
        hurrying: asyncio.Task[None] | None = None
        async with aclosing(pieces):
            async for piece in pieces:
                for sentence in splitter.feed(piece):
                    await self._begin(sentence, clips, tasks)
                if hurrying is None:
                    hurrying = tasks.create_task(self._hurry(splitter, clips, tasks))
        if hurrying is not None:
            hurrying.cancel()
        for sentence in splitter.flush():
            await self._begin(sentence, clips, tasks)

    async def _hurry(
        self,
        splitter: SentenceSplitter,
        clips: asyncio.Queue[_Clip | None],
        tasks: asyncio.TaskGroup,
    ) -> None:
        """Say what can be said of a reply that is slow to come, though its source says nothing."""
        await asyncio.sleep(self._context.settings.reply.hurry_after)
        if self._sentences:
            return
        splitter.hurry()
        # Nothing waits in `clips` yet, so that nothing can overtake what is put there now.
        for sentence in splitter.feed(""):
            await self._begin(sentence, clips, tasks)

    async def _begin(
        self, sentence: str, clips: asyncio.Queue[_Clip | None], tasks: asyncio.TaskGroup
    ) -> None:
        sentence = sentence.strip()
        spoken = to_speech(sentence, self._persona.language, self._context.settings.pronunciations)
        if not spoken.text:
            return
        # Anybody's first sentence goes before the third of somebody who is being answered.
        is_soon = len(self._sentences) < SOON
        clip = _Clip(spoken, sentence, self._urgency if is_soon else Urgency(Priority.AHEAD))
        self._sentences.append(sentence)
        await clips.put(clip)
        tasks.create_task(self._synthesize(clip))

    async def _synthesize(self, clip: _Clip) -> None:
        persona = self._persona
        speech = self._context.engines.synthesizer.speak(
            clip.spoken.text,
            language=persona.language,
            voice=persona.voice,
            priority=clip.urgency,
        )
        async with aclosing(speech):
            async for piece in speech:
                await clip.pieces.put(piece)
        await clip.pieces.put(None)

    async def _play(self, clips: asyncio.Queue[_Clip | None], tasks: asyncio.TaskGroup) -> None:
        while (clip := await clips.get()) is not None:
            first = True
            if self._released.is_set():
                clip.urgency.hurry()  # what came before it is in the mouth: soon there is silence
            while (piece := await clip.pieces.get()) is not None:
                if first:
                    await self._come_before()
                position = await self._context.mouth.play(piece.audio)
                self._heard.add(position, clip.spoken.written(piece.words))
                if first:
                    first = False
                    tasks.create_task(self._announce(clip.text, position, piece.audio.seconds))

    async def _come_before(self) -> None:
        """What comes before a sentence's sound: for the first the release, else a short silence."""
        if self.first_sound is not None:
            await pause(self._context, self._context.settings.reply.sentence_gap)
        else:
            self.first_sound = self._context.now()
            self.sounding.set()
            await self._released.wait()
            if self._before_sound is not None:
                await self._before_sound()

    async def _announce(self, text: str, position: float, seconds: float) -> None:
        if await self._context.mouth.reached(position):
            self._on_audible(text, max(seconds, SECONDS_PER_CHARACTER * len(text)))


async def pause(context: Context, seconds: float) -> None:
    """Let the mouth be silent for `seconds`, in order with what it plays."""
    if seconds > 0:
        await context.mouth.play(silence(seconds))
