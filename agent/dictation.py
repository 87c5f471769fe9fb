"""Turns of the caller that are written down without being answered by themselves.

A client that pushes to talk, or that asks for answers itself, gets the transcript of each turn;
what it asks for later is answered from the history, which then has all of them. It may also bring
what the caller said as a recording, which is written down where it belongs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import closing, suppress

from agent.answering import Answering
from agent.context import Context
from agent.dialogue.history import heard_key
from agent.engines.protocols import Priority, Transcript, Urgent
from agent.errors import EngineError
from agent.events import FinalTranscript, HistoryRead, RecordingRead, SpeechStarted, SpeechStopped
from agent.hearing import Hearing
from agent.remark import report
from agent.turn import OnTranscript
from media.audio import AudioChunk


class Asked:
    """An utterance whose words are in the history: stands where a `Hearing` does."""

    voiced = float("inf")
    certainty = 1.0
    text = ""
    revision = 0
    fed_until = 0.0
    in_history = True

    def __init__(self, turn: int, context: Context, dictation: Dictation) -> None:
        self.turn = turn
        self._context = context
        self._dictation = dictation

    async def final(self, priority: Urgent = Priority.COMMITTED) -> Transcript:
        """What the caller said last, once everything that they said is written down."""
        await self._dictation.settled()
        self._context.emit(HistoryRead(at=self._context.now()))
        history, language = self._context.history, self._context.persona.language
        return Transcript(history.last_heard, language)


class Dictation:
    """One call's turns that are only written down."""

    def __init__(self, context: Context, answering: Answering) -> None:
        self._context = context
        self._answering = answering
        self._tasks: asyncio.TaskGroup
        self._preparing: asyncio.Task[None] | None = None
        self._writing: set[asyncio.Task[None]] = set()

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """The call has begun; transcripts are made in its task group."""
        self._tasks = tasks

    def prepare(self, hearing: Hearing, read: OnTranscript) -> None:
        """The caller pauses: have the transcript ready, should this have been the end."""
        self.discard()
        self._preparing = self._tasks.create_task(self._prepare(hearing, read))

    def discard(self) -> None:
        """The caller goes on."""
        if self._preparing is not None:
            self._preparing.cancel()
            self._preparing = None

    def take(self, hearing: Hearing) -> None:
        """A turn is over: write it down. It is closed here."""
        self._preparing = None
        self._start(self._write(hearing)).add_done_callback(lambda _: hearing.close())

    def read(self, audio: AudioChunk, key: str, after: Sequence[str] | None) -> None:
        """A recording of the caller: write it down after the first of these keys that is known,
        unset: as the last that was said."""
        history = self._context.history
        self._answering.after(lambda: history.expect(key, after=after))
        self._start(self._read(audio, key))

    def nothing(self, turn: int, position: float) -> None:
        """A turn is over in which nobody spoke: it is one if the caller's client says so."""
        now, emit = self._context.now(), self._context.emit
        emit(SpeechStarted(at=now, turn=turn, onset=now, by_hand=True, position=position))
        emit(
            SpeechStopped(
                at=now, turn=turn, speech_end=now, answered=False, by_hand=True, position=position
            )
        )
        self._tell(turn, Transcript("", self._context.persona.language))

    async def settled(self) -> None:
        """Wait until every turn that is over, and every recording, is written down."""
        if self._writing:
            await asyncio.wait(set(self._writing))

    def stop(self) -> None:
        """The call is over."""
        self.discard()
        for task in self._writing:
            task.cancel()

    def _start(self, writing: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._tasks.create_task(writing)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return task

    async def _read(self, audio: AudioChunk, key: str) -> None:
        context, text, why = self._context, "", ""
        try:
            text = await self._understood(audio)
        except EngineError as error:
            report(context, 0, error, recovered=False)
            why = str(error)
        history = context.history
        self._answering.after(lambda: history.amend(key, text))
        context.emit(RecordingRead(at=context.now(), key=key, text=text, error=why))

    async def _understood(self, audio: AudioChunk) -> str:
        """Raises EngineError."""
        language = self._context.persona.language
        with closing(self._context.engines.transcriber.open(language=language)) as recognition:
            recognition.feed(audio)
            return (await recognition.final()).text.strip()

    async def _prepare(self, hearing: Hearing, read: OnTranscript) -> None:
        covers = hearing.fed_until
        # What fails here fails again when the turn is over, and is told then.
        with suppress(EngineError):
            transcript = await hearing.final(Priority.SPECULATIVE)
            read(transcript.text, covers)

    async def _write(self, hearing: Hearing) -> None:
        try:
            transcript = await hearing.final(Priority.COMMITTED)
        except EngineError as error:
            report(self._context, hearing.turn, error, recovered=False)
        else:
            self._tell(hearing.turn, transcript)

    def _tell(self, turn: int, transcript: Transcript) -> None:
        text = transcript.text.strip()
        if text:
            history = self._context.history
            self._answering.after(lambda: history.hear(text, heard_key(turn)))
        self._context.emit(
            FinalTranscript(
                at=self._context.now(),
                turn=turn,
                text=text,
                language=transcript.language,
                confidence=transcript.confidence,
                answered=False,
            )
        )
