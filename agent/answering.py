"""Who has the floor: the one thing the agent is saying or preparing to say, and the call's phase.

At most one act (an `Answer` or a `Remark`) is alive; this module begins it, lets it be heard, takes
it back or cuts it off, and writes into the history what the caller heard of it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from agent.context import Context
from agent.dialogue.backchannel import is_backchannel
from agent.dialogue.echo import repeats
from agent.dialogue.history import heard_key, said_key
from agent.dialogue.phase import Phase, move
from agent.dialogue.speculation import Outcome, Speculation
from agent.engines.protocols import Priority, Transcript
from agent.errors import EngineError
from agent.events import (
    BargedIn,
    HistoryChanged,
    HistoryRead,
    PhaseChanged,
    ReplyCounted,
    ReplyTruncated,
    SpeculationEnded,
    TurnDropped,
    TurnFinished,
)
from agent.hearing import Hearing, Utterance, is_imagined
from agent.manner import AS_SET, Manner
from agent.remark import Remark
from agent.turn import Answer, OnTranscript

TRUNCATABLE = 16
"""Acts that are kept for a client that says later what was heard of them."""


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
        self._later: list[Callable[[], None]] = []
        """Changes of the history that belong after what is being said."""
        self._said: OrderedDict[int, tuple[Answer | Remark, str]] = OrderedDict()
        """The last acts and what was heard of them, by turn: a client may know it better."""

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

    def says(self, turn: int) -> bool:
        """Whether what is being said, or prepared, is of this turn."""
        return self._act is not None and self._act.turn == turn

    @property
    def is_soft(self) -> bool:
        """Whether a caller who goes on now continues their last turn."""
        act = self._act
        if not isinstance(act, Answer) or act.marks.endpoint is None or act.using.has_acted:
            return False  # what a tool has done is done: the caller's next words are a new turn
        if not act.audible:
            return True
        if not self._context.settings.floor.interrupt:
            return False
        reply = self._context.settings.reply
        recent = self._context.now() - act.marks.endpoint < reply.soft_end
        return recent and len(act.heard.split()) <= reply.soft_words

    def echoes(self, text: str) -> bool:
        """Whether `text` is only what the agent is saying, or just said, come back."""
        saying = self._act.text if self._act is not None else self._said_lately
        return bool(saying) and repeats(text, saying)

    async def is_addressed(self, hearing: Hearing) -> bool:
        """Words that began over the agent's: are they meant for it, or only company?"""
        try:
            transcript = await hearing.final(Priority.COMMITTED)
        except EngineError:
            return False
        is_company = is_backchannel(transcript.text, self._context.persona.language)
        return not is_company and self.is_said(transcript, hearing)

    def is_said(self, transcript: Transcript, hearing: Hearing) -> bool:
        """Whether the caller has said this over the agent: it is neither its echo nor a noise."""
        text = transcript.text
        return bool(text) and not self.echoes(text) and not is_imagined(transcript, hearing)

    def after(self, change: Callable[[], None]) -> None:
        """Change the history now or, while something is said that does not know of it, when that
        is written down."""
        act = self._act
        if act is None or (isinstance(act, Answer) and not (act.committed and act.has_read)):
            change()
        else:
            self._later.append(change)

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
        self._context.emit(HistoryRead(at=self._context.now()))
        return self._start(Remark(self._context, text, turn=turn, on_audible=self._is_audible))

    def new_turn(self) -> None:
        """The caller begins a turn: its own tries are counted."""
        self._speculation.begin_turn()

    def suspect(self, hearing: Hearing, *, speech_end: float, read: OnTranscript) -> None:
        """The caller pauses: prepare the answer, should this have been the end.

        `read` is told the transcript as soon as it is there, and how far it reaches."""
        if not self._context.load.ease.speculates:
            return
        if self._act is None and self._speculation.try_one():
            self._start(self._answer(hearing, speech_end=speech_end, read=read))

    async def discard(self) -> None:
        """The caller goes on: what was prepared is thrown away, and nobody heard of it."""
        act = self._act
        if isinstance(act, Answer) and not act.committed:
            await self._cancel()
            self._speculated(act, "discarded")

    async def commit(
        self, hearing: Utterance, *, speech_end: float, manner: Manner = AS_SET
    ) -> None:
        """The caller's turn is over: answer it, with what was prepared if it still fits."""
        act = self._act
        if isinstance(act, Answer) and not act.committed and act.fits(hearing):
            act.commit()
            act.marks.speech_end = speech_end
            self._speculated(act, "played")
        else:
            await self.discard()
            await self.interrupt()
            act = self._answer(hearing, speech_end=speech_end, read=_nothing, manner=manner)
            act.commit()
            self._start(act)
        if act.has_read:
            self._context.emit(HistoryRead(at=self._context.now()))
        if not act.audible:
            self.move(Phase.THINKING)

    async def withdraw(self) -> None:
        """A soft end: the caller goes on with the turn that was being answered."""
        self._context.mouth.clear()
        await self._cancel()
        self._catch_up()

    async def interrupt(self) -> None:
        """Stop what is being said; the history keeps what was heard of it."""
        act = self._act
        if act is None:
            return
        heard = act.heard
        self._context.mouth.clear()
        await self._cancel()
        self._tell_usage(act)
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

    def break_off(self) -> None:
        """The call was cancelled, and with it whatever was being said: write down what was heard
        of it. Nothing to do after `abandon`."""
        act, self._act, self._task = self._act, None, None
        if isinstance(act, Remark) or (act is not None and act.committed):
            self._record(act, act.heard, interrupted=True)

    async def last_words(self, text: str) -> None:
        """Say `text` instead of whatever was being said, to its end."""
        await self.abandon()
        said = self.remark(text, turn=0)
        if said is not None:
            await asyncio.wait([said])

    # -- inside ---------------------------------------------------------------------------------

    def truncate(self, turn: int, seconds: float) -> None:
        """Of what was said in `turn` no more than the first `seconds` were heard."""
        heard: str | None = None
        if turn in self._said:
            act, before = self._said[turn]
            cut = act.heard_until(seconds)
            heard = cut if len(cut) < len(before) else before
            self._said[turn] = act, heard
            self._context.history.amend(said_key(turn), heard)
        self._context.emit(ReplyTruncated(at=self._context.now(), turn=turn, heard=heard))

    def _answer(
        self,
        hearing: Utterance,
        *,
        speech_end: float,
        read: OnTranscript,
        manner: Manner = AS_SET,
    ) -> Answer:
        return Answer(
            self._context,
            hearing,
            speech_end=speech_end,
            on_transcript=read,
            on_audible=self._is_audible,
            manner=manner,
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
            self._catch_up()
            self._on_done(act)
        else:
            self._tell_usage(act)
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
        self._write_down(act, heard)
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

    def _write_down(self, act: Answer | Remark, heard: str) -> None:
        """Both sides' words; those of an answer to something else leave no trace."""
        history = self._context.history
        if isinstance(act, Answer) and act.manner.messages is not None:
            self._context.engines.model.forget(act.conversation)
        if isinstance(act, Remark) or act.manner.is_kept:
            if isinstance(act, Answer) and act.transcript is not None and not act.dropped:
                if not act.hearing.in_history:
                    history.hear(act.transcript.text, heard_key(act.turn))
            if isinstance(act, Answer) and not act.has_called:
                history.use(act.using.messages)
            history.say(heard, said_key(act.turn))
            if isinstance(act, Answer) and act.has_called:
                history.use(act.using.messages)  # Its words were said before them.
        self._said[act.turn] = act, heard
        while len(self._said) > TRUNCATABLE:
            self._said.popitem(last=False)
        self._catch_up()

    def _catch_up(self) -> None:
        later, self._later = self._later, []
        for change in later:
            change()

    def _tell_usage(self, act: Answer | Remark) -> None:
        if isinstance(act, Answer) and act.usage is not None:
            now = self._context.now()
            self._context.emit(ReplyCounted(at=now, turn=act.turn, usage=act.usage))

    def _is_audible(self) -> None:
        if self.phase in (Phase.LISTENING, Phase.THINKING):
            self.move(Phase.SPEAKING)

    def _speculated(self, act: Answer, outcome: Outcome) -> None:
        self._speculation.ended(outcome)
        self._context.emit(SpeculationEnded(at=self._context.now(), turn=act.turn, outcome=outcome))


def _nothing(_text: str, _covers: float) -> None:
    """Nobody waits for this transcript."""
