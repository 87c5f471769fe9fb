"""A session's commands, carried out on the call."""

from __future__ import annotations

from typing import Protocol

from agent.desk import Desk
from agent.persona import Persona
from media.microphone import Mark
from signaling.realtime.commands import (
    Amend,
    Answer,
    AskAside,
    CancelAside,
    Command,
    Configure,
    ForgetCall,
    Hear,
    Interrupt,
    Point,
    Read,
    Remember,
    RememberCall,
    Resolve,
    Say,
    Truncate,
)


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
        case Configure(persona, turn, tools):
            call.desk.adjust(turn)
            call.desk.offer(tools)
            call.speak_language(persona)
        case Answer(manner):
            await call.desk.answer(manner)
        case Say(text):
            await call.desk.say(text)
        case Remember(role, text, key, after):
            call.desk.remember(role, text, key, after=after)
        case Read(audio, key, after):
            call.desk.read(audio, key, after=after)
        case RememberCall(asked, after):
            call.desk.called(asked, after=after)
        case Resolve(call_id, result):
            call.desk.resolve(call_id, result)
        case ForgetCall(call_id):
            call.desk.uncall(call_id)
        case Amend(key, text):
            call.desk.amend(key, text)
        case Truncate(turn, seconds):
            await call.desk.truncate(turn, seconds)
        case AskAside(aside, messages, max_tokens, tools):
            call.desk.asides.ask(aside, messages, max_tokens, tools)
        case CancelAside(aside):
            call.desk.asides.cancel(aside)
        case Mark():
            await command.passed.wait()
        case Hear() | Point():
            raise TypeError("audio goes to the microphone, not to the call")
