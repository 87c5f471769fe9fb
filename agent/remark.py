"""What the agent says by itself: a greeting, a question into the silence, a goodbye."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from agent.context import Context
from agent.errors import EngineError
from agent.events import ReplySpoken, ReplyWritten, StageFailed
from agent.speaking import Speaking
from agent.writing import Writing


class Remark:
    """A fixed text being said. Nothing answers to it, and nothing is prepared."""

    def __init__(
        self, context: Context, text: str, *, turn: int, on_audible: Callable[[], None]
    ) -> None:
        self.turn = turn
        self.audible = False
        self._context = context
        self._text = text
        self._on_audible = on_audible
        self._speaking: Speaking | Writing = Writing(context, on_written=self._written)
        if context.settings.reply.spoken:
            self._speaking = Speaking(context, on_audible=self._is_audible)

    @property
    def heard(self) -> str:
        return self._speaking.heard

    @property
    def text(self) -> str:
        return self._speaking.text

    def heard_until(self, seconds: float) -> str:
        """The words of its first `seconds`."""
        begins = self._speaking.begins
        return "" if begins is None else self._speaking.heard_at(begins + seconds)

    async def run(self) -> None:
        """Say it; a voice that fails leaves it unsaid."""
        self._speaking.release()
        try:
            await self._speaking.run(one_piece(self._text))
        except* EngineError as failures:
            report(self._context, self.turn, first_of(failures), recovered=False)

    def _written(self, text: str) -> None:
        self._begin()
        self._context.emit(ReplyWritten(at=self._context.now(), turn=self.turn, text=text))

    def _begin(self) -> None:
        if not self.audible:
            self.audible = True
            self._on_audible()

    def _is_audible(self, text: str, seconds: float) -> None:
        self._begin()
        now = self._context.now()
        self._context.emit(ReplySpoken(at=now, turn=self.turn, text=text, seconds=seconds))


async def one_piece(text: str) -> AsyncGenerator[str, None]:
    """A fixed text, as a source of pieces."""
    yield text


def report(context: Context, turn: int, error: EngineError, *, recovered: bool) -> None:
    context.emit(
        StageFailed(
            at=context.now(),
            turn=turn,
            stage=error.stage,
            message=str(error),
            recovered=recovered,
        )
    )


def first_of(failures: BaseExceptionGroup[EngineError]) -> EngineError:
    """The first of the failures, however deep the groups are nested."""
    for failure in failures.exceptions:
        return first_of(failure) if isinstance(failure, BaseExceptionGroup) else failure
    raise ValueError("an exception group is never empty")
