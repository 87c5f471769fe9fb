"""What the caller is saying, understood while they say it.

`Hearing` is one utterance; `Listener` opens and closes it, and decides which of the caller's audio
belongs to it: what lies between a first sound and its pause, and a margin before.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from os.path import commonprefix
from typing import Protocol

from agent.context import Context
from agent.dialogue.endpointer import Endpointer
from agent.dialogue.hallucination import is_hallucination
from agent.engines.protocols import Priority, Recognition, ReplyRequest, Transcript, Urgent
from agent.errors import EngineError
from agent.settings import HearingSettings
from media.audio import AudioChunk, join

RECENT_SECONDS = 8.0
"""How much of an utterance's sound is kept beside its recognition."""

OnPartial = Callable[[str, str], Awaitable[None]]
"""Called with all that is understood so far, and with the part of it that is stable."""


class Utterance(Protocol):
    """What is answered: a `Hearing`, or what was typed."""

    turn: int
    text: str
    voiced: float
    certainty: float

    @property
    def revision(self) -> int: ...
    @property
    def fed_until(self) -> float: ...
    @property
    def in_history(self) -> bool: ...
    async def final(self, priority: Urgent) -> Transcript: ...


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
        self.read_until = 0.0
        """The position up to which that transcript was made."""
        self.voiced = 0.0
        """Seconds of it that were speech, as the endpointer counted them at the last pause."""
        self.certainty = 1.0
        """How sure the detector was of a voice, at its surest."""
        self._recognition = recognition
        self._recent: deque[AudioChunk] = deque()
        self._recent_seconds = 0.0
        self._fed_until = 0.0
        self._revision = 0
        self._final: tuple[int, Transcript] | None = None
        self._news = asyncio.Event()

    @property
    def revision(self) -> int:
        """Counts what was fed: two transcripts of one revision are of the same audio."""
        return self._revision

    @property
    def fed_until(self) -> float:
        """The position up to which it was fed: what a transcript asked for now covers."""
        return self._fed_until

    def feed(self, chunk: AudioChunk, position: float) -> None:
        """Take the chunk that begins at `position`, unless it was taken before."""
        if position < self._fed_until - 1e-6:
            return
        self._fed_until = position + chunk.seconds
        self._revision += 1
        self._recognition.feed(chunk)
        self._recent.append(chunk)
        self._recent_seconds += chunk.seconds
        while self._recent_seconds > RECENT_SECONDS:
            self._recent_seconds -= self._recent.popleft().seconds
        self._news.set()

    @property
    def in_history(self) -> bool:
        """Its words are written down when they are answered."""
        return False

    def weigh(self, endpointer: Endpointer) -> None:
        """Note how much voice the endpointer has found in it, at a pause or at its end."""
        self.voiced, self.certainty = endpointer.speech, endpointer.certainty

    @property
    def recent(self) -> AudioChunk:
        """Its last seconds, as sound: what a judge of pauses listens to."""
        return join(list(self._recent))

    async def follow(
        self,
        fastest: float,
        slowest: float,
        on_partial: OnPartial,
        *,
        is_eased: Callable[[], bool] = lambda: False,
    ) -> None:
        """Report partial transcripts every `fastest` to `slowest` seconds while audio comes.

        A recogniser that is busy, or slow to answer, is asked more seldom, and so is one of a
        server that must ease its load. Runs until cancelled."""
        now = asyncio.get_running_loop().time
        before: list[str] = []
        every = slowest if is_eased() else fastest
        while True:
            await asyncio.sleep(every)
            await self._news.wait()
            self._news.clear()
            asked, covers = now(), self._fed_until
            partial = await self._recognition.partial()
            # Half of the time at most is spent on partials, by each call for itself.
            busy = slowest if partial is None or is_eased() else 2 * (now() - asked)
            every = min(max(fastest, busy), slowest)
            if partial is None or not partial.text:
                continue
            words = partial.text.split()
            stable = commonprefix([before, words])
            before = words
            self.text, self.read_until = partial.text, covers
            await on_partial(partial.text, " ".join(stable))

    async def final(self, priority: Urgent) -> Transcript:
        """The transcript of all that was fed; made once for the same audio."""
        revision = self._revision
        if self._final is not None and self._final[0] == revision:
            return self._final[1]
        transcript = await self._recognition.final(priority=priority)
        self._final = revision, transcript
        return transcript

    def close(self) -> None:
        """Nothing more will be asked of it."""
        self._recognition.close()


def is_imagined(transcript: Transcript, utterance: Utterance) -> bool:
    """Whether what was understood was most likely never said, by the voice that there was."""
    return is_hallucination(
        transcript.text,
        transcript.language,
        transcript.confidence,
        utterance.voiced,
        utterance.certainty,
    )


async def read_along(context: Context, words: str) -> None:
    """Let the model read what surely was said, so that only the rest is left at the end."""
    request = ReplyRequest(
        conversation=context.call_id,
        messages=context.history.messages(pending=words),
        max_tokens=context.settings.reply.max_tokens,
        priority=Priority.PARTIAL,
        tools=context.tools,
        adapter=context.persona.adapter,
    )
    await context.engines.model.prefill(request)


class Listener:
    """The utterance in the ear. One at a time; the one before is closed when another opens."""

    def __init__(self, context: Context, *, on_partial: OnPartial) -> None:
        self.hearing: Hearing | None = None
        self._context = context
        self._on_partial = on_partial
        self._tasks: asyncio.TaskGroup
        self._following: asyncio.Task[None] | None = None
        self._open = False
        """Between a first sound and its pause: what comes belongs to the utterance."""
        self._margin: deque[tuple[float, AudioChunk]] = deque()

    @property
    def _settings(self) -> HearingSettings:
        return self._context.settings.hearing

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """The call has begun; partial transcripts are made in its task group."""
        self._tasks = tasks

    def take(self, chunk: AudioChunk, position: float) -> None:
        """The caller's next chunk, whatever it is."""
        self._margin.append((position, chunk))
        # The onset is known only after a moment of speech, so more than the margin is kept.
        while self._margin[0][0] < position - self._settings.margin - 0.5:
            self._margin.popleft()
        if self.hearing is not None and self._open:
            self.hearing.feed(chunk, position)

    def open(self, *, turn: int, onset: float) -> None:
        """An utterance begins (`onset` in loop time). Raises EngineError; then none is open."""
        self.close()
        recognition = self._context.engines.transcriber.open(
            language=self._context.persona.language
        )
        self.hearing = Hearing(recognition, turn=turn, onset=onset)

    def go_on(self, position: float) -> None:
        """Speech is at `position`: the utterance takes it, and the margin before it."""
        if self.hearing is None:
            return
        self._open = True
        for begin, chunk in self._margin:
            if begin >= position - self._settings.margin:
                self.hearing.feed(chunk, begin)
        if self._settings.partials and self._following is None:
            self._following = self._tasks.create_task(self._follow(self.hearing))

    def rest(self) -> None:
        """A pause: its silence does not belong to the utterance."""
        self._open = False

    def pause(self) -> None:
        """A pause in which a final transcript is made instead of partial ones."""
        self.rest()
        if self._following is not None:
            self._following.cancel()
            self._following = None

    def hand_over(self) -> Hearing | None:
        """The utterance is somebody else's now, who will close it."""
        self.pause()
        hearing, self.hearing = self.hearing, None
        return hearing

    def close(self) -> None:
        """Forget the utterance. Idempotent."""
        self.pause()
        if self.hearing is not None:
            self.hearing.close()
            self.hearing = None

    async def _follow(self, hearing: Hearing) -> None:
        # A recogniser that fails here fails again at the end of the turn, where it is answered.
        with suppress(EngineError):
            await hearing.follow(
                self._settings.partial_every,
                self._settings.partial_slowest,
                self._on_partial,
                is_eased=lambda: self._context.load.ease.seldom_partials,
            )
