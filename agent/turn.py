"""One turn's answer: understand, think, speak. Read this first.

An `Answer` is begun when the caller pauses, on the suspicion that they are done, and held back.
If they are, `commit()` lets it be heard; if they go on, its task is cancelled and nothing was ever
audible. Begun late (no speculation) it is the same straight line, committed from the start.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass
from typing import Literal

from agent.context import Context
from agent.dialogue.hallucination import is_hallucination
from agent.engines.protocols import Priority, ReplyRequest, Transcript
from agent.errors import EngineError
from agent.events import (
    FillerSpoken,
    FinalTranscript,
    ReplySpoken,
    ReplyWritten,
    Timeline,
)
from agent.hearing import Utterance
from agent.manner import AS_SET, Manner
from agent.messages import Message, Usage
from agent.remark import first_of, one_piece, report
from agent.speaking import Speaking, pause
from agent.writing import Writing

OnTranscript = Callable[[str, float], None]
"""Called with a final transcript, and the position of the caller's audio that it reaches up to."""

SURELY_SPOKEN = 0.6
"""Seconds of voice that were meant to be understood, even when no word was."""

Dropped = Literal["noise", "backchannel", "echo", "empty", "cleared"]


@dataclass(slots=True)
class Marks:
    """The turn's timeline while it is being made; loop time."""

    speech_end: float
    endpoint: float | None = None
    transcript: float | None = None
    first_token: float | None = None
    first_sound: float | None = None
    audible: float | None = None
    filler: float | None = None
    end: float | None = None

    def timeline(self) -> Timeline:
        return Timeline(**asdict(self))


class Answer:
    """The answer to one utterance."""

    def __init__(
        self,
        context: Context,
        hearing: Utterance,
        *,
        speech_end: float,
        on_transcript: OnTranscript,
        on_audible: Callable[[], None],
        manner: Manner = AS_SET,
    ) -> None:
        self.manner = manner
        self.usage: Usage | None = None
        """What the reply cost, once it is known."""
        self.marks = Marks(speech_end)
        self.hearing = hearing
        self.transcript: Transcript | None = None
        self.dropped: Dropped | None = None
        """Why there is nothing to answer, once that is known."""
        self.revision = hearing.revision
        self.history_version = context.history.version
        self.speculated = True
        self._context = context
        self._settings = context.settings
        """As they are when it begins, whatever the client changes meanwhile."""
        self._on_transcript = on_transcript
        self._on_audible = on_audible
        self._began = context.now()
        self._committed = asyncio.Event()
        self._mouth_taken = asyncio.Lock()
        self._sounds_from: float | None = None
        """The mouth's position of the first filler."""
        self._speaking = self._new_speaking(Priority.SPECULATIVE)

    @property
    def turn(self) -> int:
        return self.hearing.turn

    @property
    def committed(self) -> bool:
        return self._committed.is_set()

    @property
    def audible(self) -> bool:
        """Whether any of the reply itself (not of a filler) has left for the caller."""
        return self.marks.audible is not None

    @property
    def heard(self) -> str:
        """The words of the reply that have reached the caller."""
        return self._speaking.heard

    @property
    def text(self) -> str:
        """The words of the reply, as far as it has been made."""
        return self._speaking.text

    @property
    def has_read(self) -> bool:
        """What is added to the history now comes after it."""
        return not self.hearing.in_history or self.transcript is not None

    def heard_until(self, seconds: float) -> str:
        """The words of the reply in the first `seconds` of its sound, fillers included."""
        begins = self._speaking.begins if self._sounds_from is None else self._sounds_from
        return self.heard if begins is None else self._speaking.heard_at(begins + seconds)

    @property
    def is_spoken(self) -> bool:
        """Not text alone."""
        wish = self.manner.is_spoken
        return self._settings.reply.spoken if wish is None else wish

    def fits(self, hearing: Utterance) -> bool:
        """Whether it answers what was heard, all of it, after the same history."""
        return (
            hearing is self.hearing
            and self.revision == hearing.revision
            and self.history_version == self._context.history.version
            and self._settings.reply == self._context.settings.reply
        )

    def commit(self) -> None:
        """The turn is over: from now on the answer may be heard."""
        self.marks.endpoint = self._context.now()
        self.speculated = self.transcript is not None
        self._committed.set()
        self._context.engines.model.commit(self.conversation)
        self._speaking.release()

    async def run(self) -> None:
        """Make the answer and speak it; returns when its last sound has left."""
        try:
            await self._answer()
        except* EngineError as failures:
            error = first_of(failures)
        else:
            return
        await self._apologise(error)

    async def _answer(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            cover = tasks.create_task(self._cover_silence())
            transcript = await self._understand()
            if not self.dropped:
                tasks.create_task(self._announce(transcript))
                await self._speaking.run(self._think(transcript.text))
            cover.cancel()
            if not self._speaking.text:
                await self._say(self._instead_of_a_reply())
        await self._committed.wait()

    async def _understand(self) -> Transcript:
        self._began = started = self._context.now()
        covers = self.hearing.fed_until
        transcript = await self.hearing.final(self._priority)
        self.marks.transcript = self._context.now()
        self._context.forecast.observe("transcript", self.marks.transcript - started)
        self.transcript = transcript
        if self.hearing.in_history:
            return transcript
        if not transcript.text.strip():
            self.dropped = "empty"
        elif is_hallucination(
            transcript.text, transcript.language, transcript.confidence, self.hearing.voiced
        ):
            self.dropped = "noise"
        else:
            self._on_transcript(transcript.text, covers)
        return transcript

    async def _think(self, heard: str) -> AsyncGenerator[str, None]:
        context = self._context
        started = context.now()
        if ready := self._lying_ready(heard):
            self.marks.first_token = started
            yield ready
            return
        request = self._request(heard)
        async with aclosing(context.engines.model.reply(request)) as pieces:
            async for piece in pieces:
                if self.marks.first_token is None:
                    self.marks.first_token = context.now()
                    context.forecast.observe("first_token", self.marks.first_token - started)
                yield piece

    def _request(self, heard: str) -> ReplyRequest:
        context, manner = self._context, self.manner
        messages = manner.messages
        if messages is None:
            messages = context.history.messages(pending="" if self.hearing.in_history else heard)
        if manner.instructions is not None:
            said = [message for message in messages if message.role != "system"]
            messages = (Message("system", manner.instructions), *said)
        return ReplyRequest(
            conversation=self.conversation,
            messages=messages,
            max_tokens=self._most_tokens(),
            priority=self._priority,
            count=self._count,
        )

    def _most_tokens(self) -> int:
        """What a client asks for is its own business; the settings' limit shrinks under load."""
        if self.manner.max_tokens is not None:
            return self.manner.max_tokens
        usual, eased = self._settings.reply.max_tokens, self._context.load.ease.max_tokens
        return usual if eased is None else min(usual, eased)

    def _lying_ready(self, heard: str) -> str | None:
        context = self._context
        if not context.load.ease.ready_first or self.manner != AS_SET:
            return None
        return context.ready.find(context.persona, heard)

    @property
    def conversation(self) -> str:
        """What the model's cache knows it by: the call, unless it is made from something else."""
        call = self._context.call_id
        return call if self.manner.messages is None else f"{call}/{self.turn}"

    def _count(self, usage: Usage) -> None:
        self.usage = usage

    async def _announce(self, transcript: Transcript) -> None:
        await self._committed.wait()
        if self.hearing.in_history:
            return
        self._context.emit(
            FinalTranscript(
                at=self._context.now(),
                turn=self.turn,
                text=transcript.text,
                language=transcript.language,
                confidence=transcript.confidence,
            )
        )

    async def _cover_silence(self) -> None:
        """Say a filler when the wait for the first sound will be felt, and a longer one later."""
        await self._committed.wait()
        if not self.is_spoken:
            return
        fillers, spoken = self._context.fillers, 0
        while not self._speaking.sounding.is_set():
            await self._sound_within(fillers.settings.look_every)
            waited = self._context.now() - (self.marks.endpoint or 0.0)
            expected = waited + self._expected_first_sound()
            if self._speaking.sounding.is_set() or not fillers.due(waited, expected, spoken):
                continue
            heard = self.transcript.text if self.transcript else self.hearing.text
            phrase = fillers.long() if spoken else fillers.choose(heard)
            spoken += 1
            if phrase:
                await self._fill(phrase)

    async def _sound_within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._speaking.sounding.wait()
        except TimeoutError:
            pass

    async def _fill(self, phrase: str) -> None:
        context, said = self._context, False
        async with self._mouth_taken:
            speech = context.engines.synthesizer.speak(
                phrase, language=context.persona.language, voice=context.persona.voice
            )
            # A filler that can't be made is no loss: the reply itself will tell what fails.
            with suppress(EngineError):
                async with aclosing(speech):
                    async for piece in speech:
                        position = await context.mouth.play(piece.audio)
                        said = True
                        if self._sounds_from is None:
                            self._sounds_from = position
                        if self.marks.filler is None:
                            self.marks.filler = context.now()
            if not said:
                return
            context.emit(FillerSpoken(at=context.now(), turn=self.turn, text=phrase))
            await pause(context, context.fillers.settings.breath)

    async def _before_sound(self) -> None:
        """The reply's first sound exists: let a filler end before it."""
        self.marks.first_sound = self._speaking.first_sound
        if self.marks.first_token is not None and self.marks.first_sound is not None:
            self._context.forecast.observe(
                "first_sound", self.marks.first_sound - self.marks.first_token
            )
        async with self._mouth_taken:
            pass

    def _audible(self, text: str, seconds: float) -> None:
        context = self._context
        if self.marks.audible is None:
            self.marks.audible = context.now()
            self._on_audible()
        context.emit(ReplySpoken(at=context.now(), turn=self.turn, text=text, seconds=seconds))

    def _written(self, text: str) -> None:
        context = self._context
        if self.marks.audible is None:
            self.marks.audible = context.now()
            self._on_audible()
        context.emit(ReplyWritten(at=context.now(), turn=self.turn, text=text))

    async def _apologise(self, error: EngineError) -> None:
        """A stage failed for good: say so, unless the caller has heard a part of the reply."""
        await self._committed.wait()
        begun = self._speaking.begun
        report(self._context, self.turn, error, recovered=begun)
        if begun:
            await self._context.mouth.drained()
        elif error.stage != "tts":
            try:
                await self._say(self._context.persona.apology)
            except* EngineError as failures:
                # The voice fails as well: there is nothing left to say it with, but the call lives.
                report(self._context, self.turn, first_of(failures), recovered=False)

    async def _say(self, text: str) -> None:
        if not text:
            return
        self._speaking = self._new_speaking(Priority.COMMITTED)
        await self._committed.wait()
        self._speaking.release()
        await self._speaking.run(one_piece(text))

    def _instead_of_a_reply(self) -> str:
        """Nobody who spoke is left without an answer; a noise is."""
        persona = self._context.persona
        if self.dropped == "empty" and self.hearing.voiced >= SURELY_SPOKEN:
            return persona.not_understood
        return "" if self.dropped else persona.apology

    def _new_speaking(self, priority: Priority) -> Speaking | Writing:
        if not self.is_spoken:
            return Writing(self._context, on_written=self._written)
        return Speaking(
            self._context,
            on_audible=self._audible,
            before_sound=self._before_sound,
            priority=priority,
        )

    @property
    def _priority(self) -> Priority:
        return Priority.COMMITTED if self.committed else Priority.SPECULATIVE

    def _expected_first_sound(self) -> float:
        """Seconds from now, by how long the stages took lately."""
        done = (("transcript", self.marks.transcript), ("first_token", self.marks.first_token))
        stages = {stage: at for stage, at in done if at is not None}
        since = max([self._began, *stages.values()])
        elapsed = self._context.now() - since
        return self._context.forecast.first_sound(tuple(stages), elapsed=elapsed)
