"""One call: listen, take turns, be interrupted.

`Call.run()` reads the caller's audio chunk by chunk and asks the decisions (`agent.dialogue`) what
it means; their answers begin, commit and cancel one `Answer` at a time. Everything that happens
comes out as events. The call owns its tasks: when `run()` is over, none of them is left.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from agent.answering import Answering
from agent.context import Context, Detector, Ear, Engines, Mouth
from agent.desk import Desk
from agent.dialogue.endpointer import Ended, Endpointer, Paused, Resumed, Started
from agent.dialogue.phase import Phase
from agent.dictation import Dictation
from agent.ear import CallersVoice
from agent.engines.protocols import TurnJudge
from agent.errors import EngineError
from agent.events import (
    CallEnded,
    CallStarted,
    Event,
    Observer,
    PartialTranscript,
    SpeechStarted,
    SpeechStopped,
    TurnDropped,
)
from agent.hearing import Hearing, Listener, read_along
from agent.interruption import Interruption
from agent.load import Load
from agent.persona import Persona
from agent.quiet import Quiet
from agent.remark import Remark, report
from agent.settings import FloorSettings, TurnSettings
from agent.turn import Answer, Dropped
from media.audio import AudioChunk
from media.microphone import Mark
from media.speaker import SpeakerClosed


class Call:
    """A conversation with one caller, from the first chunk to the goodbye."""

    def __init__(
        self,
        *,
        call_id: str,
        persona: Persona,
        engines: Engines,
        detector: Detector,
        microphone: Ear,
        speaker: Mouth,
        settings: TurnSettings,
        emit: Observer,
        load: Load | None = None,
    ) -> None:
        self._context = Context(
            call_id, persona, engines, speaker, settings, emit, load=load or Load()
        )
        self._answering = Answering(self._context, on_done=self._act_is_over)
        self._dictation = Dictation(self._context, self._answering)
        self.desk = Desk(self._context, self._answering, self._dictation, self._next_turn)
        self._voice = CallersVoice(detector, speaker, settings)
        self._microphone = microphone
        self._over = asyncio.Event()
        self._reason = "hangup"
        self._turn = 0
        self._listener = Listener(self._context, on_partial=self._on_partial)
        self._quiet = Quiet(
            self._context,
            self._answering,
            self.desk,
            next_turn=self._next_turn,
            leave=lambda: self._tasks.create_task(self.farewell("silence")),
        )
        self._leaving = False
        self._overlap = False
        """The utterance in the ear began while the agent was audible, and is no turn yet."""
        self._deaf = False
        """The recogniser refused the utterance: nothing here knows its language."""
        self._judging: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup
        self._endpointer = Endpointer(settings.endpoint, persona.language)
        self._interruption = Interruption(self._context, self._answering)

    async def run(self) -> None:
        """Converse until somebody ends it. Cancel it to hang up at once."""
        context = self._context
        self._quiet.begin()
        self._emit(CallStarted(at=context.now(), language=context.persona.language))
        try:
            async with context.told_of_load(), asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._answering.begin(tasks)
                self._listener.begin(tasks)
                self._dictation.begin(tasks)
                self._interruption.begin(tasks)
                self.desk.asides.begin(tasks)
                listening = tasks.create_task(self._listen())
                if context.persona.greeting:
                    self._answering.remark(context.persona.greeting, turn=0)
                try:
                    await self._over.wait()
                finally:
                    self._over.set()
                listening.cancel()
                if self._judging is not None:
                    self._judging.cancel()
                self._listener.pause()
                self._dictation.stop()
                self._interruption.discard()
                self.desk.asides.stop()
                await self._answering.abandon()
        except* SpeakerClosed:
            # The line was cut while something was being said: a hang-up like any other.
            pass
        finally:
            self._answering.break_off()
            context.mouth.clear()
            self._listener.close()
            context.engines.model.forget(context.call_id)
            self._answering.move(Phase.ENDED)
            self._emit(CallEnded(at=context.now(), reason=self._reason))

    async def farewell(self, reason: str = "farewell") -> None:
        """Say the persona's goodbye; `run()` returns when it has been said."""
        if self._over.is_set():
            return
        self._reason = reason
        self._leaving = True
        await self._answering.abandon()
        if self._over.is_set():  # hung up meanwhile: nobody listens
            return
        await self._answering.last_words(self._context.persona.goodbye)
        self._over.set()

    def speak_language(self, persona: Persona) -> None:
        """Go on in another language; what is being said is left to end in the old one."""
        self._context.adopt(persona)
        self._endpointer.speak_language(persona.language)
        self._endpointer.adjust(self._context.settings.endpoint)
        self._endpointer.is_by_hand = self._context.settings.floor.by_hand
        self._interruption.speak_language()

    async def interrupt(self) -> None:
        """Stop the agent, as if the caller had spoken over it."""
        await self._answering.interrupt()

    def hold(self) -> None:
        """The caller is away for a moment: nothing is said into the silence that they leave."""
        self._quiet.hold()

    def release(self) -> None:
        """The caller is back: from now on their silence is theirs."""
        self._quiet.release()

    # -- the caller's audio ---------------------------------------------------------------------

    async def _listen(self) -> None:
        async for each in self._microphone:
            if isinstance(each, Mark):
                await self._mark(each)
            else:
                await self._hear(each)
                may_be_late = self._voice.may_come_late(in_turn=self._hearing is not None)
                self._microphone.is_patient = may_be_late and self._answering.idle
        self._over.set()

    async def _hear(self, chunk: AudioChunk) -> None:
        position = self._endpointer.position
        probability = await self._voice.hear(chunk)
        self._listener.take(chunk, position)
        heard = self._endpointer.feed(probability, chunk.seconds, self._voice.level)
        signal = None if self._leaving else heard
        match signal:
            case Started():
                await self._started(signal)
            case Paused():
                await self._paused(signal)
            case Resumed():
                await self._resumed()
            case Ended():
                await self._ended(signal)
        if self._answering.audible and self._floor.interrupt and not self._floor.by_hand:
            if self._interruption.feed(probability, chunk.seconds, turn=self._turn):
                await self._interrupt()
        elif signal is None and self._hearing is None and self._answering.idle:
            if not self._leaving:
                await self._quiet.mind(self._turn, self._endpointer.position)

    # -- what it means --------------------------------------------------------------------------

    async def _started(self, signal: Started) -> None:
        if self._hearing is not None and self._answering.is_soft:
            await self._interruption.withdraw()
            self._endpointer.reopen()
        else:
            self._overlap = self._answering.audible and not self._floor.by_hand
            self._open_hearing(signal.onset)
        if self._hearing is None:
            return
        self._listener.go_on(signal.onset)
        turn, onset, hand = self._hearing.turn, self._loop_time(signal.onset), self._floor.by_hand
        now, place = self._context.now(), signal.onset
        self._emit(SpeechStarted(at=now, turn=turn, onset=onset, by_hand=hand, position=place))
        if not self._overlap:
            self._quiet.caller_spoke()
            if self._answering.idle or not self._floor.by_hand:
                self._answering.move(Phase.HEARING)

    async def _paused(self, signal: Paused) -> None:
        is_over = self._overlap and not self._answering.idle
        if self._hearing is None or (is_over and not self._voice.is_near):
            self._listener.rest()
            return
        self._listener.pause()
        self._hearing.weigh(self._endpointer)
        if is_over:
            self._interruption.understand(self._hearing, self._read)
            return
        if self._context.engines.judge is not None:
            self._judging = self._tasks.create_task(
                self._judge(self._context.engines.judge, self._hearing)
            )
        if self._floor.by_hand or not self._floor.answer:
            self._dictation.prepare(self._hearing, self._read)
            return
        self._answering.suspect(
            self._hearing, speech_end=self._loop_time(signal.speech_end), read=self._read
        )

    def _read(self, text: str, covers: float) -> None:
        self._endpointer.read(text, until=covers)

    async def _judge(self, judge: TurnJudge, hearing: Hearing) -> None:
        """Ask how the pause sounds. A judge that fails is one witness less."""
        revision = hearing.revision
        with suppress(EngineError):
            complete = await judge.complete(hearing.recent)
            if hearing is self._hearing and revision == hearing.revision:
                self._endpointer.judge(complete)

    async def _resumed(self) -> None:
        if self._hearing is None:
            return
        await self._answering.discard()
        self._dictation.discard()
        self._interruption.discard()
        self._listener.go_on(self._endpointer.position)

    async def _ended(self, signal: Ended) -> None:
        self._listener.pause()
        hearing = self._hearing
        if hearing is None:
            self._say_what_is_missing()
            return
        hearing.weigh(self._endpointer)
        settings = self._context.settings.hearing
        if signal.speech < settings.min_voiced or (self._overlap and not self._voice.is_near):
            await self._drop("noise")
        elif self._overlap and not await self._is_turn(hearing):
            await self._drop("backchannel")
        else:
            by_hand = self._floor.by_hand
            await self._turn_over(hearing, self._loop_time(signal.speech_end), by_hand=by_hand)

    async def _turn_over(self, hearing: Hearing, end: float, *, by_hand: bool) -> None:
        """Answer what the caller said or, where that is not wanted, write it down."""
        self._overlap = False
        self._interruption.discard()
        # Whoever may not be interrupted is not made to answer twice at once, either.
        is_free = self._floor.interrupt or not self._answering.audible
        answered = self._floor.answer and not by_hand and is_free
        now, turn, place = self._context.now(), hearing.turn, self._endpointer.position
        told = SpeechStopped(at=now, turn=turn, speech_end=end, answered=answered, position=place)
        self._emit(replace(told, by_hand=by_hand))
        if answered:
            await self._answering.commit(hearing, speech_end=end)
            return
        await self._answering.discard()
        self._listener.hand_over()
        self._dictation.take(hearing)
        self._quiet.begin()
        if self._answering.idle:
            self._answering.settle()

    async def _mark(self, mark: Mark) -> None:
        """The caller's client has said something of what was heard up to here."""
        ended, hearing = self._endpointer.end(), self._hearing
        if ended is not None and hearing is not None:
            self._listener.pause()
            hearing.weigh(self._endpointer)
            if mark.kind == "commit":
                await self._turn_over(hearing, self._loop_time(ended.speech_end), by_hand=True)
            else:
                self._dictation.discard()
                await self._drop("cleared")
        elif mark.kind == "commit" and self._floor.by_hand:
            self._dictation.nothing(self._next_turn(), self._endpointer.position)
        mark.passed.set()

    def _say_what_is_missing(self) -> None:
        """A caller whom nothing here understands is told so, each time, when they have finished."""
        if self._deaf:
            self._quiet.caller_spoke()
            self._answering.remark(self._context.persona.cannot_hear, turn=self._turn)

    async def _is_turn(self, hearing: Hearing) -> bool:
        """Words that began over the agent's: are they meant for it, or only company?"""
        await self._interruption.understood(turn=hearing.turn)
        if not await self._answering.is_addressed(hearing):
            return False
        if self._answering.audible and self._floor.interrupt:
            await self._interrupt()
        return True

    async def _drop(self, reason: Dropped) -> None:
        await self._answering.discard()
        self._interruption.discard()
        if self._hearing is not None:
            now, turn, place = self._context.now(), self._hearing.turn, self._endpointer.position
            self._emit(TurnDropped(at=now, turn=turn, reason=reason, position=place))
        self._overlap = False
        self._quiet.begin()
        self._listener.close()
        self._answering.settle()

    async def _interrupt(self) -> None:
        self._overlap = False
        await self._answering.interrupt()
        self._interruption.end()
        self._quiet.caller_spoke()
        if self._hearing is not None:
            self._answering.move(Phase.HEARING)
        if (pause := self._endpointer.pause) is not None:
            await self._paused(pause)

    # -- the utterance in the ear ---------------------------------------------------------------

    def _open_hearing(self, onset: float) -> None:
        """A new utterance begins, under the next turn's number (kept even if it is dropped)."""
        try:
            self._listener.open(turn=self._next_turn(), onset=self._loop_time(onset))
        except EngineError as error:
            report(self._context, self._turn, error, recovered=False)
            self._deaf = True
            return
        self._deaf = False
        self._answering.new_turn()

    async def _on_partial(self, text: str, stable: str) -> None:
        hearing = self._hearing
        if hearing is None:
            return
        if self._overlap and self._answering.echoes(text):
            return
        self._read(text, hearing.read_until)
        if self._overlap and not self._answering.idle:
            self._interruption.read(text)
            return
        self._emit(
            PartialTranscript(at=self._context.now(), turn=hearing.turn, text=text, stable=stable)
        )
        if stable and self._context.settings.hearing.read_along:
            await read_along(self._context, stable)

    def _act_is_over(self, act: Answer | Remark) -> None:
        """Nobody speaks for the agent any more; the utterance it answered is closed."""
        self._quiet.agent_spoke()
        self._interruption.end()
        if isinstance(act, Answer) and act.hearing is self._hearing:
            self._listener.close()
        if self._hearing is None and not self._leaving:
            self._answering.settle()

    # -- small change ---------------------------------------------------------------------------

    def _next_turn(self) -> int:
        self._turn += 1
        return self._turn

    @property
    def _floor(self) -> FloorSettings:
        return self._context.settings.floor

    @property
    def _hearing(self) -> Hearing | None:
        return self._listener.hearing

    def _loop_time(self, position: float) -> float:
        """The loop time at which the caller's audio was at `position`."""
        return self._context.now() - (self._endpointer.position - position)

    def _emit(self, event: Event) -> None:
        self._context.emit(event)
