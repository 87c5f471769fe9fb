"""What a call can be asked by another way than the caller's voice: by a client with a protocol.

An answer that is asked for is made as any other, from what was said so far.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agent.answering import Answering
from agent.aside import Asides
from agent.context import Context
from agent.dialogue.phase import Phase
from agent.dictation import Asked, Dictation
from agent.events import AnswerBegun
from agent.manner import AS_SET, Manner
from agent.messages import Role, Toolbox, ToolCall
from agent.settings import TurnSettings
from media.audio import AudioChunk


class Desk:
    """One call's desk. `next_turn()` gives the number of the turn that begins."""

    def __init__(
        self,
        context: Context,
        answering: Answering,
        dictation: Dictation,
        next_turn: Callable[[], int],
    ) -> None:
        self.asides = Asides(context)
        """What is asked beside the conversation."""
        self._context = context
        self._answering = answering
        self._dictation = dictation
        self._next_turn = next_turn

    async def answer(self, manner: Manner = AS_SET) -> None:
        """Answer what was said so far; what is being said or prepared is cut off."""
        turn = self._next_turn()
        await self._answering.discard()
        await self._answering.interrupt()
        await self.begin(turn, manner)

    async def begin(self, turn: int, manner: Manner = AS_SET) -> None:
        """Answer what was said so far, as turn `turn`. Nothing else may be going on."""
        context, answering = self._context, self._answering
        context.emit(AnswerBegun(at=context.now(), turn=turn))
        answering.move(Phase.HEARING)
        answering.new_turn()
        asked = Asked(turn, context, self._dictation)
        await answering.commit(asked, speech_end=context.now(), manner=manner)

    async def say(self, text: str) -> None:
        """Say a fixed text of the agent's own; what is being said or prepared is cut off."""
        await self._answering.discard()
        await self._answering.interrupt()
        self._context.emit(AnswerBegun(at=self._context.now(), turn=0))
        self._answering.remark(text, turn=0)

    def remember(
        self, role: Role, text: str, key: str = "", *, after: Sequence[str] | None = None
    ) -> None:
        """Something was said that this call did not hear: it belongs to what a reply is made
        from. Nothing happens, so no event tells of it.

        `key`: a name for it. `after`: keys of what it follows, the nearest first; unset: it is the
        last that was said."""
        history = self._context.history
        if after is not None:
            places = tuple(after)
            self._answering.after(lambda: history.insert(role, text, key, after=places))
        elif role == "user":
            self._answering.after(lambda: history.hear(text, key))
        else:
            self._answering.after(lambda: history.say(text, key))

    def read(self, audio: AudioChunk, key: str, *, after: Sequence[str] | None = None) -> None:
        """The caller said this (16 kHz) where the call did not hear it: `RecordingRead` follows
        once, and answers that are asked for wait for it. `key`, `after`: see `remember`."""
        self._dictation.read(audio, key, after)

    def offer(self, tools: Toolbox) -> None:
        """From the next answer on the caller's client offers these tools: see `resolve`."""
        self._context.asked_of_client = tools

    def called(self, call: ToolCall, *, after: Sequence[str] | None = None) -> None:
        """The model asked for this in a conversation before the call; `after`: see `remember`."""
        history = self._context.history
        self._answering.after(lambda: history.call(call, after=after))

    def resolve(self, call_id: str, result: str) -> None:
        """The caller's client has a result for a call: the next answer is made from it."""
        self._answering.after(lambda: self._context.history.resolve(call_id, result))

    def uncall(self, call_id: str) -> None:
        """A call, and its result, never were."""
        self._answering.after(lambda: self._context.history.uncall(call_id))

    def amend(self, key: str, text: str) -> None:
        """What has this key in the history was really `text`; blank: it was never said."""
        self._answering.after(lambda: self._context.history.amend(key, text))

    async def truncate(self, turn: int, seconds: float) -> None:
        """Of what the agent said in `turn`, fillers included, no more than the first `seconds`
        were heard. What is being said in it stops."""
        if self._answering.says(turn):
            await self._answering.interrupt()
        self._answering.truncate(turn, seconds)

    def adjust(self, settings: TurnSettings) -> None:
        """Hold the conversation by other settings: of the endpoint, the hearing, the floor and the
        reply, and whether a silent caller is asked.

        Those of the endpoint need `Call.speak_language` after it."""
        self._context.settings = settings
