"""One call: listen, take turns, be interrupted.

`Call.run()` reads the caller's audio chunk by chunk and asks the decisions (`agent.dialogue`) what
it means; their answers begin, commit and cancel one `Answer` at a time. Everything that happens
comes out as events. The call owns its tasks: when `run()` is over, none of them is left.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from agent.answering import Answering
from agent.context import Context, Detector, Ear, Engines, Mouth
from agent.desk import Desk
from agent.dialogue.backchannel import is_backchannel
from agent.dialogue.barge_in import BargeIn, Verdict
from agent.dialogue.endpointer import Ended, Endpointer, Paused, Resumed, Started
from agent.dialogue.hallucination import is_hallucination
from agent.dialogue.phase import Phase
from agent.dialogue.silence import Patience, Silence
from agent.ear import CallersVoice
from agent.engines.protocols import Priority, ReplyRequest, TurnJudge
from agent.errors import EngineError
from agent.events import (
    CallEnded,
    CallStarted,
    Event,
    Observer,
    PartialTranscript,
    ReplyDucked,
    SpeechStarted,
    SpeechStopped,
    TurnDropped,
)
from agent.hearing import Hearing, Listener
from agent.persona import Persona
from agent.remark import Remark, report
from agent.settings import TurnSettings
from agent.turn import Answer, Dropped
from media.audio import AudioChunk
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
    ) -> None:
        self._context = Context(call_id, persona, engines, speaker, settings, emit)
        self._answering = Answering(self._context, on_done=self._act_is_over)
        self.desk = Desk(self._context, self._answering, self._next_turn)
        self._voice = CallersVoice(detector, speaker, settings.echo)
        self._microphone = microphone
        self._over = asyncio.Event()
        self._reason = "hangup"
        self._turn = 0
        self._listener = Listener(self._context, on_partial=self._on_partial)
        self._silence = Silence(settings.silence)
        self._quiet_since = 0.0
        self._leaving = False
        self._is_held = False
        self._overlap = False
        """The utterance in the ear began while the agent was audible, and is no turn yet."""
        self._deaf = False
        """The recogniser refused the utterance: nothing here knows its language."""
        self._verdict: Verdict | None = None
        self._judging: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup
        self._endpointer = Endpointer(settings.endpoint, persona.language)
        self._barge_in = BargeIn(settings.barge_in, persona.language)

    async def run(self) -> None:
        """Converse until somebody ends it. Cancel it to hang up at once."""
        context = self._context
        self._quiet_since = context.now()
        self._emit(CallStarted(at=context.now(), language=context.persona.language))
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._answering.begin(tasks)
                self._listener.begin(tasks)
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
                await self._answering.abandon()
        except* SpeakerClosed:
            # The line was cut while something was being said: a hang-up like any other.
            pass
        finally:
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
        self._barge_in = BargeIn(self._context.settings.barge_in, persona.language)

    async def interrupt(self) -> None:
        """Stop the agent, as if the caller had spoken over it."""
        await self._answering.interrupt()

    def hold(self) -> None:
        """The caller is away for a moment: nothing is said into the silence that they leave."""
        self._is_held = True

    def release(self) -> None:
        """The caller is back: from now on their silence is theirs."""
        self._is_held = False
        self._quiet_since = self._context.now()

    # -- the caller's audio ---------------------------------------------------------------------

    async def _listen(self) -> None:
        async for chunk in self._microphone:
            await self._hear(chunk)
        self._over.set()

    async def _hear(self, chunk: AudioChunk) -> None:
        position = self._endpointer.position
        probability = self._voice.probability(chunk)
        self._listener.take(chunk, position)
        signal = self._endpointer.feed(probability, chunk.seconds)
        match signal:
            case Started():
                await self._started(signal)
            case Paused():
                await self._paused(signal)
            case Resumed():
                await self._resumed()
            case Ended():
                await self._ended(signal)
        if self._answering.audible:
            verdict, self._verdict = self._verdict, None
            await self._weigh(verdict or self._barge_in.feed(probability, chunk.seconds))
        elif signal is None:
            await self._mind_silence()

    # -- what it means --------------------------------------------------------------------------

    async def _started(self, signal: Started) -> None:
        if self._leaving:
            return
        if self._hearing is not None and self._answering.is_soft:
            await self._answering.withdraw()
            self._endpointer.reopen()
        else:
            self._overlap = self._answering.audible
            self._open_hearing(signal.onset)
        if self._hearing is None:
            return
        self._listener.go_on(signal.onset)
        onset = self._loop_time(signal.onset)
        self._emit(SpeechStarted(at=self._context.now(), turn=self._hearing.turn, onset=onset))
        if not self._overlap:
            self._silence.reset()
            self._answering.move(Phase.HEARING)

    async def _paused(self, signal: Paused) -> None:
        if self._hearing is None or (self._overlap and not self._answering.idle):
            self._listener.rest()
            return
        self._listener.pause()
        self._hearing.voiced = self._endpointer.speech
        if self._context.engines.judge is not None:
            self._judging = self._tasks.create_task(
                self._judge(self._context.engines.judge, self._hearing)
            )
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
        self._listener.go_on(self._endpointer.position)

    async def _ended(self, signal: Ended) -> None:
        self._listener.pause()
        hearing = self._hearing
        if hearing is None:
            self._say_what_is_missing()
            return
        hearing.voiced = signal.speech
        settings = self._context.settings.hearing
        if signal.speech < settings.min_voiced:
            await self._drop("noise")
        elif self._overlap and not await self._is_turn(hearing):
            await self._drop("backchannel")
        else:
            self._overlap = False
            speech_end = self._loop_time(signal.speech_end)
            self._emit(
                SpeechStopped(at=self._context.now(), turn=hearing.turn, speech_end=speech_end)
            )
            await self._answering.commit(hearing, speech_end=speech_end)

    def _say_what_is_missing(self) -> None:
        """A caller whom nothing here understands is told so, each time, when they have finished."""
        if self._deaf:
            self._silence.reset()
            self._answering.remark(self._context.persona.cannot_hear, turn=self._turn)

    async def _is_turn(self, hearing: Hearing) -> bool:
        """Words that began over the agent's: are they meant for it, or only company?"""
        try:
            transcript = await hearing.final(Priority.COMMITTED)
        except EngineError:
            return False
        text, language = transcript.text, self._context.persona.language
        if not text or is_backchannel(text, language) or self._answering.echoes(text):
            return False
        if is_hallucination(text, language, transcript.confidence, hearing.voiced):
            return False
        if self._answering.audible:
            await self._interrupt()
        return True

    async def _drop(self, reason: Dropped) -> None:
        await self._answering.discard()
        if self._hearing is not None:
            self._emit(TurnDropped(at=self._context.now(), turn=self._hearing.turn, reason=reason))
        self._overlap = False
        self._quiet_since = self._context.now()
        self._listener.close()
        self._answering.settle()

    # -- barge-in -------------------------------------------------------------------------------

    async def _weigh(self, verdict: Verdict | None) -> None:
        mouth = self._context.mouth
        match verdict:
            case Verdict.DUCK if self._context.settings.barge_in.hold:
                mouth.pause()
            case Verdict.DUCK:
                mouth.duck()
            case Verdict.RESUME:
                self._be_loud()
            case Verdict.INTERRUPT:
                await self._interrupt()
                return
            case None:
                return
        ducked = verdict is Verdict.DUCK
        self._emit(ReplyDucked(at=self._context.now(), turn=self._turn, ducked=ducked))

    async def _interrupt(self) -> None:
        self._overlap = False
        self._barge_in.reset()
        await self._answering.interrupt()
        self._be_loud()
        self._silence.reset()
        if self._hearing is not None:
            self._answering.move(Phase.HEARING)

    def _be_loud(self) -> None:
        """Go on from where it was held, as loud as before."""
        self._context.mouth.resume()
        self._context.mouth.unduck()

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
            self._verdict = self._barge_in.read(text) or self._verdict
            return
        self._emit(
            PartialTranscript(at=self._context.now(), turn=hearing.turn, text=text, stable=stable)
        )
        if stable and self._context.settings.hearing.read_along:
            await self._read_along(stable)

    async def _read_along(self, words: str) -> None:
        """Let the model read what surely was said, so that only the rest is left at the end."""
        context = self._context
        request = ReplyRequest(
            conversation=context.call_id,
            messages=context.history.messages(pending=words),
            max_tokens=context.settings.reply.max_tokens,
            priority=Priority.PARTIAL,
        )
        await context.engines.model.prefill(request)

    def _act_is_over(self, act: Answer | Remark) -> None:
        """Nobody speaks for the agent any more; the utterance it answered is closed."""
        self._quiet_since = self._context.now()
        self._be_loud()
        self._barge_in.reset()
        if isinstance(act, Answer) and act.hearing is self._hearing:
            self._listener.close()
        if self._hearing is None and not self._leaving:
            self._answering.settle()

    # -- a silent caller ------------------------------------------------------------------------

    async def _mind_silence(self) -> None:
        if self._is_held or not self._context.settings.silence.enabled:
            return
        if self._hearing is not None or not self._answering.idle or self._leaving:
            return
        persona = self._context.persona
        match self._silence.feed(self._context.now() - self._quiet_since):
            case Patience.ASK_FIRST:
                self._answering.remark(persona.ask_first, turn=self._turn)
            case Patience.ASK_SECOND:
                self._answering.remark(persona.ask_second, turn=self._turn)
            case Patience.END:
                self._tasks.create_task(self.farewell("silence"))

    # -- small change ---------------------------------------------------------------------------

    def _next_turn(self) -> int:
        self._turn += 1
        return self._turn

    @property
    def _hearing(self) -> Hearing | None:
        return self._listener.hearing

    def _loop_time(self, position: float) -> float:
        """The loop time at which the caller's audio was at `position`."""
        return self._context.now() - (self._endpointer.position - position)

    def _emit(self, event: Event) -> None:
        self._context.emit(event)
