"""One turn's answer: understand, think, speak. Read this first.

An `Answer` is begun when the caller pauses, on the suspicion that they are done, and held back.
If they are, `commit()` lets it be heard; if they go on, its task is cancelled and nothing was ever
audible. Begun late (no speculation) it is the same straight line, committed from the start.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Literal

from agent.context import Context
from agent.covering import Cover
from agent.engines.protocols import Priority, ReplyRequest, Transcript, Urgency
from agent.errors import EngineError, EngineFailed, Stage
from agent.events import (
    FinalTranscript,
    FunctionCalled,
    ReplySpoken,
    ReplyWritten,
)
from agent.hearing import Utterance, is_imagined
from agent.manner import AS_SET, Manner
from agent.marks import Marks
from agent.messages import Message, Toolbox, ToolCall, Usage
from agent.remark import first_of, one_piece, report
from agent.speaking import Speaking
from agent.using import Using
from agent.writing import Writing

OnTranscript = Callable[[str, float], None]
"""Called with a final transcript, and the position of the caller's audio that it reaches up to."""

GLANCE = 0.1
"""Seconds between two looks at how long the caller has waited."""
SURELY_SPOKEN = 0.6
"""Seconds of voice that were meant to be understood, even when no word was."""

Dropped = Literal["noise", "backchannel", "echo", "empty", "cleared"]


class TurnTooLong(EngineFailed):
    """An engine neither answers nor fails: the turn's own patience is over."""


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
        self.using = Using(context, self._of_client(context))
        """The tools that it uses: such an answer is never kept for other callers."""
        self.has_called = False
        """It ended with calls of the client's tools: what they bring is another answer's."""
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
        self._urgency = Urgency(Priority.SPECULATIVE)
        self._cover = Cover(context, hearing.turn, on_begun=self._filler_begins)
        """The mouth's position of the first filler."""
        self._speaking = self._new_speaking(self._urgency)

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
        begins = self._cover.begins
        begins = self._speaking.begins if begins is None else begins
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
            and self.using.toolbox == self._context.toolbox(self._of_client(self._context))
        )

    def commit(self) -> None:
        """The turn is over: from now on the answer may be heard."""
        self.marks.endpoint = self._context.now()
        self.speculated = self.transcript is not None
        self._committed.set()
        self._urgency.hurry()
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
            watch = tasks.create_task(self._give_up())
            transcript = await self._understand()
            if not self.dropped:
                tasks.create_task(self._announce(transcript))
                await self._speaking.run(self._think(transcript.text))
            cover.cancel()
            if self.has_called:
                await self._cover_call()
            elif not self._speaking.text:
                await self._say(self._instead_of_a_reply())
            watch.cancel()
        await self._committed.wait()

    async def _understand(self) -> Transcript:
        self._began = started = self._context.now()
        covers = self.hearing.fed_until
        transcript = await self.hearing.final(self._urgency)
        self.marks.transcript = self._context.now()
        self._context.forecast.observe("transcript", self.marks.transcript - started)
        self.transcript = transcript
        if self.hearing.in_history:
            return transcript
        if not transcript.text.strip():
            self.dropped = "empty"
        elif is_imagined(transcript, self.hearing):
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
        rounds = self._settings.tools.rounds
        for left in range(rounds, -1, -1):
            calls: list[ToolCall] = []
            said = ""
            request = self._request(heard, calls, left)
            async with aclosing(context.engines.model.reply(request)) as pieces:
                async for piece in pieces:
                    if self.marks.first_token is None:
                        self.marks.first_token = context.now()
                        context.forecast.observe("first_token", self.marks.first_token - started)
                    said += piece
                    yield piece
            if not calls:
                return
            if said:
                yield "\n"  # what was said before the tool is a sentence of its own
            if not self.using.is_safe(calls):
                await self._committed.wait()
            self._ask_client(self.using.for_client(calls), said)
            await self.using.use(said, calls)
            if self.has_called:
                return

    def _ask_client(self, calls: list[ToolCall], said: str) -> None:
        context = self._context
        self.has_called = bool(calls)
        words = bool(said.strip() or self._speaking.text)
        for call in calls:
            now = context.now()
            context.emit(FunctionCalled(at=now, turn=self.turn, call=call, after_words=words))

    def _of_client(self, context: Context) -> Toolbox:
        own = self.manner.tools
        return context.asked_of_client if own is None else own

    def _request(self, heard: str, calls: list[ToolCall], left: int) -> ReplyRequest:
        context, manner = self._context, self.manner
        messages = manner.messages
        if messages is None:
            messages = context.history.messages(pending="" if self.hearing.in_history else heard)
        if manner.instructions is not None:
            said = [message for message in messages if message.role != "system"]
            messages = (Message("system", manner.instructions), *said)
        return ReplyRequest(
            conversation=self.conversation,
            messages=(*messages, *self.using.messages),
            max_tokens=self._most_tokens(),
            priority=self._urgency.priority,
            count=self._count,
            tools=self.using.offered(left),
            call=calls.append,
            adapter=context.persona.adapter,
        )

    def _most_tokens(self) -> int:
        """What a client asks for is its own business; the settings' limit shrinks under load."""
        if self.manner.max_tokens is not None:
            return self.manner.max_tokens
        usual, eased = self._settings.reply.max_tokens, self._context.load.ease.max_tokens
        return usual if eased is None else min(usual, eased)

    def _lying_ready(self, heard: str) -> str | None:
        context = self._context
        is_common = self.manner == AS_SET and self.using.is_common
        if not context.load.ease.ready_first or not is_common:
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
        await self._committed.wait()
        if self.is_spoken:
            await self._cover.run(
                since=self.marks.endpoint or 0.0,
                expected=self._expected_first_sound,
                heard=lambda: self.transcript.text if self.transcript else self.hearing.text,
                uses_tool=lambda: self.using.is_waiting,
                is_coming=lambda: self.marks.first_token is not None,
            )

    async def _cover_call(self) -> None:
        if self.is_spoken and not self._speaking.text:
            waited = self._context.now() - (self.marks.endpoint or 0.0)
            await self._cover.tool(waited, self._expected_first_sound())

    def _filler_begins(self) -> None:
        if self.marks.filler is None:
            self.marks.filler = self._context.now()

    async def _give_up(self) -> None:
        """Raise TurnTooLong once the caller has waited for too long; listening is no waiting."""
        await self._committed.wait()
        left = limit = self._settings.reply.longest_wait
        while left > 0:
            await asyncio.sleep(min(left, GLANCE))
            if not (self._speaking.begun and self._context.mouth.queued):
                left -= GLANCE
        stage: Stage = "tts"
        if self.transcript is None:
            stage = "stt"
        elif self.marks.first_token is None:
            stage = "llm"
        raise TurnTooLong(stage, f"the caller has waited {limit:g} s: turn.reply.longest_wait")

    async def _before_sound(self) -> None:
        """The reply's first sound exists: a filler makes way for it."""
        self.marks.first_sound = self._speaking.first_sound
        if self.marks.first_token is not None and self.marks.first_sound is not None:
            self._context.forecast.observe(
                "first_sound", self.marks.first_sound - self.marks.first_token
            )
        await self._cover.make_way()

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
        too_long = isinstance(error, TurnTooLong)
        begun = self._speaking.begun and not too_long
        report(self._context, self.turn, error, recovered=begun)
        if begun:
            await self._context.mouth.drained()
        elif error.stage != "tts" or too_long:
            try:
                # Whatever hangs may hang again.
                async with asyncio.timeout(self._settings.reply.longest_wait):
                    await self._say(self._context.persona.apology)
            except* EngineError as failures:
                # The voice fails as well: there is nothing left to say it with, but the call lives.
                report(self._context, self.turn, first_of(failures), recovered=False)
            except* TimeoutError:
                pass

    async def _say(self, text: str) -> None:
        if not text:
            return
        if self._speaking.begun:
            self._speaking.leave_unsaid()
        else:
            self._speaking = self._new_speaking(Urgency(Priority.COMMITTED))
        await self._committed.wait()
        self._speaking.release()
        await self._speaking.run(one_piece(text))

    def _instead_of_a_reply(self) -> str:
        """Nobody who spoke is left without an answer; a noise is."""
        persona = self._context.persona
        if self.dropped == "empty" and self.hearing.voiced >= SURELY_SPOKEN:
            return persona.not_understood
        return "" if self.dropped else persona.apology

    def _new_speaking(self, urgency: Urgency) -> Speaking | Writing:
        if not self.is_spoken:
            return Writing(self._context, on_written=self._written)
        return Speaking(
            self._context,
            on_audible=self._audible,
            before_sound=self._before_sound,
            urgency=urgency,
        )

    def _expected_first_sound(self) -> float:
        """Seconds from now, by how long the stages took lately."""
        done = (("transcript", self.marks.transcript), ("first_token", self.marks.first_token))
        stages = {stage: at for stage, at in done if at is not None}
        since = max([self._began, *stages.values()])
        elapsed = self._context.now() - since
        return self._context.forecast.first_sound(tuple(stages), elapsed=elapsed)
