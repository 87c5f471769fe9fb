"""The two protocols a data channel may speak, behind one shape: what is sent, what is to be done.

`Plain` is the control channel of our own (signaling/control.py); `Realtime` is OpenAI's protocol
(signaling/realtime). A call speaks one of them from its offer to its end; where the offer does not
say which, the label of the data channel does (`Undecided`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from agent.events import Event
from signaling import control
from signaling.errors import BadMessage
from signaling.realtime import commands
from signaling.realtime import session as realtime
from signaling.realtime.narration import failure
from signaling.realtime.refusal import Refused

Command = control.Command | commands.Command

LABEL = "oai-events"
"""Of the channel that OpenAI's clients open."""
KEPT = 256
"""Things said that are kept for a channel that is not open yet."""
FAILED = "the call failed inside the server"


@dataclass(frozen=True, slots=True)
class Said:
    """`messages` for the client, in order; `commands` for the call."""

    messages: list[str] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)


class Tongue(Protocol):
    """A protocol, as one call speaks it."""

    def choose(self, label: str) -> Said:
        """The client has opened a data channel of this label."""

    def hello(self) -> Said:
        """The first words."""

    def tell(self, event: Event) -> Said:
        """A fact of the call's."""

    def take(self, message: str | bytes) -> Said:
        """A client's message."""

    def refuse(self, code: str, why: str) -> Said:
        """What the client asked for is not done."""

    def fail(self) -> Said:
        """The call ends by a bug."""


class Plain:
    """The control channel of the page."""

    def __init__(self, about: control.About, clock: Callable[[], float]) -> None:
        self._about = about
        self._clock = clock

    def choose(self, label: str) -> Said:
        return Said()

    def hello(self) -> Said:
        return Said()

    def tell(self, event: Event) -> Said:
        message = control.render(event, self._about)
        return Said([message] if message is not None else [])

    def take(self, message: str | bytes) -> Said:
        try:
            command = control.parse(message)
        except BadMessage as error:
            return self.refuse(error.code, str(error))
        if isinstance(command, control.Ping):
            return Said([control.pong(at=self._age)])
        return Said([], [command])

    def refuse(self, code: str, why: str) -> Said:
        return Said([control.error(code, why, at=self._age)])

    def fail(self) -> Said:
        return Said([control.error("internal", FAILED, at=self._age, fatal=True)])

    @property
    def _age(self) -> float:
        return self._clock() - self._about.began


class Realtime:
    """OpenAI's protocol, over a data channel."""

    def __init__(self, session: realtime.Session) -> None:
        self.session = session

    def choose(self, label: str) -> Said:
        return Said()

    def hello(self) -> Said:
        return _said(self.session.hello())

    def tell(self, event: Event) -> Said:
        return _said(self.session.tell(event))

    def take(self, message: str | bytes) -> Said:
        return _said(self.session.take(message))

    def refuse(self, code: str, why: str) -> Said:
        return _said(self.session.refuse(Refused(code, why)))

    def fail(self) -> Said:
        return _said(self.session.note(failure("internal", FAILED)))


class Undecided:
    """Either, until a channel is opened: what is said before is kept in both."""

    def __init__(self, plain: Plain, realtime: Realtime) -> None:
        self._plain = plain
        self._realtime = realtime
        self._chosen: Tongue | None = None
        self._kept: deque[tuple[Said, Said]] = deque(maxlen=KEPT)

    def choose(self, label: str) -> Said:
        if self._chosen is not None:
            return Said()
        is_realtime = label == LABEL
        self._chosen = self._realtime if is_realtime else self._plain
        said = [realtime if is_realtime else plain for plain, realtime in self._kept]
        self._kept.clear()
        return Said(
            [message for each in said for message in each.messages],
            [command for each in said for command in each.commands],
        )

    def hello(self) -> Said:
        return self._keep(lambda tongue: tongue.hello())

    def tell(self, event: Event) -> Said:
        return self._keep(lambda tongue: tongue.tell(event))

    def take(self, message: str | bytes) -> Said:
        return self._chosen.take(message) if self._chosen is not None else Said()

    def refuse(self, code: str, why: str) -> Said:
        return self._keep(lambda tongue: tongue.refuse(code, why))

    def fail(self) -> Said:
        return self._keep(lambda tongue: tongue.fail())

    def _keep(self, say: Callable[[Tongue], Said]) -> Said:
        if self._chosen is not None:
            return say(self._chosen)
        self._kept.append((say(self._plain), say(self._realtime)))
        return Said()


def plainly(session: realtime.Session) -> commands.Configure:
    """What a client of the control channel can use of a session's configuration: who answers, when
    a turn ends, how long a reply is. It has no words to commit turns by, to ask for answers, to
    read texts or to be asked for tools."""
    base, turn, persona = session.house.turn, session.turn, session.persona
    greeting = session.house.personas[persona.language].greeting
    reply = turn.reply.model_copy(update={"spoken": base.reply.spoken})
    kept = {"floor": base.floor, "silence": base.silence, "reply": reply}
    return commands.Configure(
        persona.model_copy(update={"greeting": greeting}), turn.model_copy(update=kept)
    )


def _said(step: commands.Step) -> Said:
    return Said([realtime.write(event) for event in step.events], list(step.commands))
