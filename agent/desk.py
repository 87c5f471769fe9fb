"""What a call can be asked by another way than the caller's voice: by a client that types.

A typed turn is answered exactly as a spoken one; only its transcript is there from the start.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.answering import Answering
from agent.context import Context
from agent.dialogue.phase import Phase
from agent.engines.protocols import Priority, Transcript
from agent.messages import Role
from agent.settings import TurnSettings


class Typed:
    """An utterance that was written: stands where a `Hearing` does."""

    def __init__(self, text: str, *, turn: int, language: str) -> None:
        self.turn = turn
        self.text = text
        self.voiced = float(len(text))
        """More than any voice takes for it: what was typed was never imagined."""
        self._language = language

    @property
    def revision(self) -> int:
        """It never changes."""
        return 0

    @property
    def fed_until(self) -> float:
        """It has no audio."""
        return 0.0

    async def final(self, priority: Priority = Priority.COMMITTED) -> Transcript:
        """What was typed."""
        return Transcript(self.text, self._language)


class Desk:
    """One call's desk. `next_turn()` gives the number of the turn that begins."""

    def __init__(
        self, context: Context, answering: Answering, next_turn: Callable[[], int]
    ) -> None:
        self._context = context
        self._answering = answering
        self._next_turn = next_turn

    async def ask(self, text: str) -> None:
        """Answer `text` as if the caller had just said it; what is being said is cut off."""
        context, answering = self._context, self._answering
        turn = self._next_turn()
        await answering.discard()
        await answering.interrupt()
        answering.move(Phase.HEARING)
        answering.new_turn()
        typed = Typed(text, turn=turn, language=context.persona.language)
        await answering.commit(typed, speech_end=context.now())

    def say(self, text: str) -> bool:
        """Say a fixed text of the agent's own; False when something else is being said."""
        return self._answering.remark(text, turn=0) is not None

    def remember(self, role: Role, text: str) -> None:
        """Something was said that this call did not hear: it belongs to what a reply is made
        from. Nothing happens, so no event tells of it."""
        history = self._context.history
        if role == "user":
            history.hear(text)
        else:
            history.say(text)

    def adjust(self, settings: TurnSettings) -> None:
        """Hold the conversation by other settings: of the endpoint, the hearing and the reply,
        and whether a silent caller is asked.

        Those of the endpoint need `Call.speak_language` after it."""
        self._context.settings = settings
