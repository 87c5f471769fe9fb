"""The caller's voice over the agent's: quieter at once, silent when it is meant, else as before."""

from __future__ import annotations

from agent.context import Context
from agent.dialogue.barge_in import BargeIn, Verdict
from agent.ducking import Ducking


class Interruption:
    """One call's, again and again."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ducking = Ducking(context)
        self._verdict: Verdict | None = None
        self.speak_language()

    def speak_language(self) -> None:
        """What is said over the agent is in the persona's language from here on."""
        context = self._context
        self._barge_in = BargeIn(context.settings.barge_in, context.persona.language)

    def feed(self, probability: float, seconds: float, *, turn: int) -> bool:
        """Take `seconds` of the caller's audio while the agent is audible: whether to stop it.

        It is quieter, or as loud as before, when this returns. `turn`: the caller's last."""
        verdict, self._verdict = self._verdict, None
        verdict = verdict or self._barge_in.feed(probability, seconds)
        if verdict is not None and verdict is not Verdict.INTERRUPT:
            self._ducking.follow(verdict, turn)
        return verdict is Verdict.INTERRUPT

    def read(self, text: str) -> None:
        """What is understood so far of what the caller says over the agent."""
        self._verdict = self._barge_in.read(text) or self._verdict

    def end(self) -> None:
        """Nobody is spoken over any more."""
        self._ducking.end()
        self._barge_in.reset()
