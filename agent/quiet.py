"""What becomes of a caller who says nothing: asked whether they are there, or spoken to."""

from __future__ import annotations

from collections.abc import Callable

from agent.answering import Answering
from agent.context import Context
from agent.desk import Desk
from agent.dialogue.silence import Patience, Silence
from agent.events import CallerIdle


class Quiet:
    """One caller's silence, since anybody last spoke. `leave()` ends the call by a goodbye."""

    def __init__(
        self,
        context: Context,
        answering: Answering,
        desk: Desk,
        *,
        next_turn: Callable[[], int],
        leave: Callable[[], object],
    ) -> None:
        self._context = context
        self._answering = answering
        self._desk = desk
        self._next_turn = next_turn
        self._leave = leave
        self._silence = Silence(context.settings.silence)
        self._since = 0.0
        self._is_held = False
        self._has_agent_spoken = False
        """Since the caller did: only then is it their turn to speak."""

    def begin(self) -> None:
        """It is quiet from now on."""
        self._since = self._context.now()

    def caller_spoke(self) -> None:
        """The caller speaks: their patience begins anew."""
        self._silence.reset()
        self._has_agent_spoken = False

    def agent_spoke(self) -> None:
        """What the agent said is over."""
        self._has_agent_spoken = True
        self.begin()

    def hold(self) -> None:
        """The caller is away for a moment: nothing is said into the silence that they leave."""
        self._is_held = True

    def release(self) -> None:
        """The caller is back: from now on their silence is theirs."""
        self._is_held = False
        self.begin()

    async def mind(self, turn: int, position: float) -> None:
        """Nobody speaks: see whether it has been so for too long. `turn`: the caller's last;
        `position`: how much of their audio has been heard, in seconds."""
        if self._is_held:
            return
        quiet, settings = self._context.now() - self._since, self._context.settings
        idle = None if settings.floor.by_hand else settings.floor.idle
        if idle is not None and self._has_agent_spoken and quiet >= idle:
            await self._speak_into_it(quiet, position)
        elif idle is None and settings.silence.enabled:
            self._ask_into_it(quiet, turn)

    async def _speak_into_it(self, quiet: float, position: float) -> None:
        turn, now = self._next_turn(), self._context.now()
        self._context.emit(CallerIdle(at=now, turn=turn, seconds=quiet, position=position))
        await self._desk.begin(turn)

    def _ask_into_it(self, quiet: float, turn: int) -> None:
        persona = self._context.persona
        match self._silence.feed(quiet):
            case Patience.ASK_FIRST:
                self._answering.remark(persona.ask_first, turn=turn)
            case Patience.ASK_SECOND:
                self._answering.remark(persona.ask_second, turn=turn)
            case Patience.END:
                self._leave()
