"""How loud the agent is while the caller may be interrupting it."""

from __future__ import annotations

from agent.context import Context
from agent.dialogue.barge_in import Verdict
from agent.events import ReplyDucked


class Ducking:
    """One agent's voice under a caller's."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._turn: int | None = None
        """The turn in which it was ducked; None while it is as loud as ever."""

    def follow(self, verdict: Verdict, turn: int) -> None:
        """Be quieter (or hold, by the settings), or as loud as before."""
        mouth = self._context.mouth
        ducked = verdict is Verdict.DUCK
        if not ducked:
            self.end()
        elif self._context.settings.barge_in.hold:
            mouth.pause()
        else:
            mouth.duck()
        self._turn = turn if ducked else None
        self._context.emit(ReplyDucked(at=self._context.now(), turn=turn, ducked=ducked))

    def take_back(self) -> None:
        """Whatever the caller's voice was about to be: be as loud as before, and say so."""
        if self._turn is not None:
            self.follow(Verdict.RESUME, self._turn)

    def end(self) -> None:
        """Go on from where it was held, as loud as before."""
        self._turn = None
        self._context.mouth.resume()
        self._context.mouth.unduck()
