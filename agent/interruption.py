"""The caller's voice over the agent's: quieter at once, silent when it is meant, else as before.

A single "stop" is shorter than a voice that interrupts whatever it says. So what was said is
understood in its first short pause, and the agent stays quiet until that is known, within bounds.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from agent.answering import Answering
from agent.context import Context
from agent.dialogue.barge_in import BargeIn, Verdict
from agent.ducking import Ducking
from agent.engines.protocols import Priority, Urgency
from agent.errors import EngineError
from agent.hearing import Hearing
from agent.turn import OnTranscript


class Interruption:
    """One call's, again and again."""

    def __init__(self, context: Context, answering: Answering) -> None:
        self._context = context
        self._answering = answering
        self._ducking = Ducking(context)
        self._verdict: Verdict | None = None
        self._tasks: asyncio.TaskGroup
        self._understanding: asyncio.Task[None] | None = None
        self._urgency = Urgency(Priority.SPECULATIVE)
        self._barge_in = self._of_persona()

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """The call has begun; what is said over the agent is understood in its task group."""
        self._tasks = tasks

    def speak_language(self) -> None:
        """What is said over the agent is in the persona's language from here on."""
        self._ducking.take_back()
        self._barge_in = self._of_persona()

    def feed(self, probability: float, seconds: float, *, turn: int) -> bool:
        """Take `seconds` of the caller's audio while the agent is audible: whether to stop it.

        It is quieter, or as loud as before, when this returns. `turn`: the caller's last."""
        verdict, self._verdict = self._verdict, None
        if verdict is None:
            is_awaited = self._understanding is not None
            verdict = self._barge_in.feed(probability, seconds, is_awaited=is_awaited)
        if verdict is not None and verdict is not Verdict.INTERRUPT:
            self._ducking.follow(verdict, turn)
        return verdict is Verdict.INTERRUPT

    def read(self, text: str) -> None:
        """What is understood so far of what the caller says over the agent."""
        self._verdict = self._barge_in.read(text) or self._verdict

    def understand(self, hearing: Hearing, read: OnTranscript) -> None:
        """The caller pauses: have what they have said over the agent understood now.

        `read` is told, too, unless it was nothing that they said."""
        self.discard()
        if self._barge_in.ducked:
            self._urgency = Urgency(Priority.SPECULATIVE)
            self._understanding = self._tasks.create_task(self._understand(hearing, read))

    def discard(self) -> None:
        """The caller goes on, or is done: what is being understood is not asked for any more."""
        if self._understanding is not None:
            self._understanding.cancel()
            self._understanding = None

    async def understood(self, *, turn: int) -> None:
        """Wait for what is being understood, now that the caller is done. The agent is as loud as
        before when that takes too long."""
        task = self._understanding
        if task is None:
            return
        self._urgency.priority = Priority.COMMITTED
        done, _ = await asyncio.wait([task], timeout=self._barge_in.patience)
        if not done and self._answering.audible:
            self._barge_in.reset()
            self._ducking.follow(Verdict.RESUME, turn)
        await asyncio.wait([task])

    async def withdraw(self) -> None:
        """The caller goes on with the turn that is being answered: what comes then is no answer to
        what ducked this one, and as loud as ever."""
        await self._answering.withdraw()
        self._ducking.take_back()
        self.end()

    def end(self) -> None:
        """Nobody is spoken over any more."""
        self._verdict = None
        self._ducking.end()
        self._barge_in.reset()

    def _of_persona(self) -> BargeIn:
        return BargeIn(self._context.settings.barge_in, self._context.persona.language)

    async def _understand(self, hearing: Hearing, read: OnTranscript) -> None:
        covers = hearing.fed_until
        # What fails here fails again when the caller is done, and that decides.
        with suppress(EngineError):
            transcript = await hearing.final(self._urgency)
            if self._answering.is_said(transcript, hearing):
                read(transcript.text, covers)
                self.read(transcript.text)
        self._understanding = None
