"""A session's commands, carried out on the call."""

from __future__ import annotations

from typing import Protocol

from agent.desk import Desk
from agent.persona import Persona
from signaling.realtime.commands import Ask, Command, Configure, Hear, Interrupt, Remember, Say


class Obedient(Protocol):
    """`agent.call.Call`, seen from here."""

    @property
    def desk(self) -> Desk: ...
    async def interrupt(self) -> None: ...
    def speak_language(self, persona: Persona) -> None: ...


async def obey(command: Command, call: Obedient) -> None:
    """Do what the client wants; returns when it is done or under way."""
    match command:
        case Interrupt():
            await call.interrupt()
        case Configure(persona, turn):
            call.desk.adjust(turn)
            call.speak_language(persona)
        case Ask(text):
            call.desk.remember("user", text)
            await call.desk.answer()
        case Say(text):
            await call.desk.say(text)
        case Remember(role, text):
            call.desk.remember(role, text)
        case Hear():
            raise TypeError("audio goes to the microphone, not to the call")
