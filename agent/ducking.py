"""How loud the agent is while the caller may be interrupting it."""

from __future__ import annotations

from agent.context import Context
from agent.dialogue.barge_in import Verdict
from agent.events import ReplyDucked


class Ducking:
    """One agent's voice under a caller's."""

    def __init__(self, context: Context) -> None:
        self._context = context

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
        self._context.emit(ReplyDucked(at=self._context.now(), turn=turn, ducked=ducked))

    def end(self) -> None:
        """Go on from where it was held, as loud as before."""
        self._context.mouth.resume()
        self._context.mouth.unduck()
