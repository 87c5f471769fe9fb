"""Who has the floor: the one thing the agent is saying or preparing to say, and the call's phase.

At most one act (an `Answer` or a `Remark`) is alive; this module begins it, lets it be heard, takes
it back or cuts it off, and writes into the history what the caller heard of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agent.context import Context
from agent.dialogue.echo import repeats
from agent.dialogue.phase import Phase, move
from agent.dialogue.speculation import Outcome, Speculation
from agent.events import (
    BargedIn,
    HistoryChanged,
    PhaseChanged,
    SpeculationEnded,
    TurnDropped,
    TurnFinished,
)
from agent.hearing import Hearing, Utterance
from agent.remark import Remark
from agent.turn import Answer, OnTranscript


class Answering:
    """The agent's side of the conversation. `on_done(act)` is called as each act is over."""

    def __init__(self, context: Context, *, on_done: Callable[[Answer | Remark], None]) -> None:
        self.phase = Phase.LISTENING
        self._context = context
        self._on_done = on_done
        self._speculation = Speculation(context.settings.speculation)
        self._act: Answer | Remark | None = None
        self._task: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup
        self._said_lately = ""

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """The call has begun; acts run in its task group."""
        self._tasks = tasks

    # -- what is going on -----------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Nothing is being said, and nothing is being prepared."""
        return self._act is None

    @property
    def audible(self) -> bool:
        """A reply or a remark (not a mere filler) is being heard."""
        return self._act is not None and self._act.audible

    @property
    def is_soft(self) -> bool:
        """Whether a caller who goes on now continues their last turn."""
        act = self._act
        if not isinstance(act, Answer) or act.marks.endpoint is None:
            return False
        if not act.audible:
            return True
        reply = self._context.settings.reply
        recent = self._context.now() - act.marks.endpoint < reply.soft_end
        return recent and len(act.heard.split()) <= reply.soft_words

    def echoes(self, text: str) -> bool:
        """Whether `text` is only what the agent is saying, or just said, come back."""
        saying = self._act.text if self._act is not None else self._said_lately
        return bool(saying) and repeats(text, saying)

    # -- the turn of the phases -----------------------------------------------------------------

    def move(self, phase: Phase) -> None:
        """Enter `phase`, and say so. Raises UndefinedTransition."""
        if phase is self.phase:
            return
        self.phase = move(self.phase, phase)
        self._context.emit(PhaseChanged(at=self._context.now(), phase=phase.value))

    def settle(self) -> None:
        """Be in the phase that what goes on asks for, now that the caller says nothing."""
        self.move(Phase.SPEAKING if self.audible else Phase.LISTENING)

    # -- acts -----------------------------------------------------------------------------------

    def remark(self, text: str, turn: int) -> asyncio.Task[None] | None:
        """Say a fixed text, unless something else is being said."""
        if self._act is not None or not text:
            return None
        return self._start(Remark(self._context, text, turn=turn, on_audible=self._is_audible))

    def new_turn(self) -> None:
        """The caller begins a turn: its own tries are counted."""
        self._speculation.begin_turn()

    def suspect(self, hearing: Hearing, *, speech_end: float, read: OnTranscript) -> None:
        """The caller pauses: prepare the answer, should this have been the end.

        `read` is told the transcript as soon as it is there, and how far it reaches."""
        if self._act is None and self._speculation.try_one():
            self._start(self._answer(hearing, speech_end=speech_end, read=read))

    async def discard(self) -> None:
        """The caller goes on: what was prepared is thrown away, and nobody heard of it."""
        act = self._act
        if isinstance(act, Answer) and not act.committed:
            await self._cancel()
            self._speculated(act, "discarded")

    async def commit(self, hearing: Utterance, *, speech_end: float) -> None:
        """The caller's turn is over: answer it, with what was prepared if it still fits."""
        act = self._act
        if isinstance(act, Answer) and not act.committed and act.fits(hearing):
            act.commit()
            act.marks.speech_end = speech_end
            self._speculated(act, "played")
        else:
            await self.discard()
            await self.interrupt()
            act = self._answer(hearing, speech_end=speech_end, read=_nothing)
            act.commit()
            self._start(act)
        if not act.audible:
            self.move(Phase.THINKING)

    async def withdraw(self) -> None:
        """A soft end: the caller goes on with the turn that was being answered."""
        self._context.mouth.clear()
        await self._cancel()

    async def interrupt(self) -> None:
        """Stop what is being said; the history keeps what was heard of it."""
        act = self._act
        if act is None:
            return
        heard = act.heard
        self._context.mouth.clear()
        await self._cancel()
        self._context.emit(BargedIn(at=self._context.now(), turn=act.turn, heard=heard))
        self._record(act, heard, interrupted=True)

    async def abandon(self) -> None:
        """The call is over: nothing more is said."""
        act = self._act
        if act is None:
            return
        heard = act.heard
        self._context.mouth.clear()
        await self._cancel()
        if isinstance(act, Remark) or act.committed:
            self._record(act, heard, interrupted=True)

    async def last_words(self, text: str) -> None:
        """Say `text` instead of whatever was being said, to its end."""
        await self.abandon()
        said = self.remark(text, turn=0)
        if said is not None:
            await asyncio.wait([said])

    # -- inside ---------------------------------------------------------------------------------

    def _answer(self, hearing: Utterance, *, speech_end: float, read: OnTranscript) -> Answer:
        return Answer(
            self._context,
            hearing,
            speech_end=speech_end,
            on_transcript=read,
            on_audible=self._is_audible,
        )

    def _start(self, act: Answer | Remark) -> asyncio.Task[None]:
        self._act = act
        self._task = self._tasks.create_task(self._perform(act))
        return self._task

    async def _perform(self, act: Answer | Remark) -> None:
        await act.run()
        self._act = self._task = None
        if isinstance(act, Answer) and act.dropped:
            self._context.emit(
                TurnDropped(at=self._context.now(), turn=act.turn, reason=act.dropped)
            )
            self._on_done(act)
        else:
            self._record(act, act.text, interrupted=False)

    async def _cancel(self) -> None:
        task, self._task, self._act = self._task, None, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def _record(self, act: Answer | Remark, heard: str, *, interrupted: bool) -> None:
        """Write down what was said, by both sides, and close the turn."""
        history, now = self._context.history, self._context.now()
        self._said_lately = act.text
        if isinstance(act, Answer) and act.transcript is not None and not act.dropped:
            history.hear(act.transcript.text)
        history.say(heard)
        self._context.emit(HistoryChanged(at=now, messages=history.messages()))
        if isinstance(act, Answer):
            act.marks.end = now
            self._context.emit(
                TurnFinished(
                    at=now,
                    turn=act.turn,
                    transcript=act.transcript.text if act.transcript else "",
                    reply=heard,
                    interrupted=interrupted,
                    speculated=act.speculated,
                    timeline=act.marks.timeline(),
                )
            )
        self._on_done(act)

    def _is_audible(self) -> None:
        if self.phase in (Phase.LISTENING, Phase.THINKING):
            self.move(Phase.SPEAKING)

    def _speculated(self, act: Answer, outcome: Outcome) -> None:
        self._speculation.ended(outcome)
        self._context.emit(SpeculationEnded(at=self._context.now(), turn=act.turn, outcome=outcome))


def _nothing(_text: str, _covers: float) -> None:
    """Nobody waits for this transcript."""
