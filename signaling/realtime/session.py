"""A Realtime session: the call's facts told to the client, the client's events obeyed. Pure.

Every method gives a `Step`: the events to send, in order, and what the call is to do. The adapters
(a socket, a data channel) only carry: no rule of the protocol lives outside this room.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import Any, Literal

from agent.events import Event
from agent.manner import Manner
from agent.messages import NO_TOOLS, Message
from agent.persona import Persona
from agent.settings import TurnSettings
from signaling.access.roster import RateLimits
from signaling.realtime import client
from signaling.realtime.commands import (
    Answer,
    AskAside,
    CancelAside,
    Command,
    Configure,
    Fields,
    Hear,
    Interrupt,
    Point,
    Say,
    Step,
)
from signaling.realtime.config import SessionConfig, default_config
from signaling.realtime.conversation import Conversation
from signaling.realtime.extension import Extension, Wishes
from signaling.realtime.incoming import seconds_of
from signaling.realtime.items import Items
from signaling.realtime.limits import unlimited
from signaling.realtime.narration import Narration, refusal
from signaling.realtime.recordings import is_recording, sound_of
from signaling.realtime.refusal import Refused, unsupported

Transport = Literal["websocket", "webrtc"]
LEAST_AUDIO = 0.1
"""Seconds of audio that can be committed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What a session needs to know of the server."""

    personas: Mapping[str, Persona]
    language: str
    turn: TurnSettings
    transport: Transport
    stages: Sequence[Mapping[str, Any]] = ()
    """What serves each stage, as `GET /info` tells it."""
    new_id: Callable[[str], str] = lambda kind: f"{kind}_{secrets.token_urlsafe(12)}"


class Session:
    """One client's side of one call."""

    def __init__(
        self, house: House, config: SessionConfig | None = None, limits: RateLimits | None = None
    ) -> None:
        """`config`: what the client configured before it connected. `limits`: those of its key.
        Raises Refused."""
        self.house = house
        self._id = house.new_id("sess")
        self._persona = house.personas[house.language]
        self.config = config or default_config(self._persona)
        self._persona = self._adopted(self.config)
        self._items = Items()
        self._conversation = Conversation(self._items, house.new_id)
        self._appended = 0.0
        """Seconds of audio since the input buffer was empty."""
        self._narration = Narration(
            self._items,
            config=lambda: self.config,
            new_id=house.new_id,
            limits=limits or unlimited,
            buffered=house.transport == "webrtc",
        )
        self._extension = Extension(house.stages)
        self._waiting: client.CreateResponse | None = None
        """Asked for while words that go with a call are still being said: the answer's turn comes
        when they have been."""

    @property
    def persona(self) -> Persona:
        """Who answers, as the client has configured it. It does not greet unasked."""
        instructions = f"{self._persona.instructions}\n{self._conversation.system}".strip()
        return self._persona.model_copy(update={"instructions": instructions, "greeting": ""})

    @property
    def turn(self) -> TurnSettings:
        """How the conversation is held, as the client has configured it."""
        return self.config.turn(self.house.turn)

    def count_written(self, written: Callable[[float], float]) -> None:
        """From now on moments of the caller's audio are told as `written` has them: from seconds
        of it that were heard to seconds that the client has sent."""
        self._narration.input.written = written

    @property
    def is_waiting(self) -> bool:
        """A response was asked for, and begins when the one that is going on is over."""
        return self._waiting is not None

    def hello(self) -> Step:
        """The first words, and how the conversation is to be held."""
        conversation = {"id": self._narration.conversation, "object": "realtime.conversation"}
        told: list[Fields] = [
            {"type": "session.created", "session": self.render()},
            {"type": "conversation.created", "conversation": conversation},
        ]
        return self._step(told, [self._configure])

    def tell(self, event: Event) -> Step:
        """A fact of the call's."""
        told = self._narration.tell(event)
        following = self._follow_up(told)
        ours = self._extension.tell(event, self._persona.name)
        told = told + ours if self.config.chuimsae.events else told
        return self._step(told + following.events, following.commands)

    def sound(self, payload: bytes, *, fresh: bool) -> Step:
        """Audio that leaves now, in the output format; `fresh`: words, not a fading end."""
        audio = base64.b64encode(payload).decode()
        return self._step(self._narration.sound(audio, fresh=fresh))

    def take(self, message: str | bytes) -> Step:
        """A client's event. What can't be done is answered by an `error` with its event_id."""
        event_id: str | None = None
        try:
            event = client.parse(message)
            event_id = event.event_id
            step = self._obey(event)
        except Refused as refused:
            return self.refuse(refused, refused.event_id or event_id)
        return self._step(step.events, step.commands)

    def hear(self, payload: bytes) -> Step:
        """The caller's audio, in the input format."""
        try:
            return self._hear(payload)
        except Refused as refused:
            return self.refuse(refused)

    def _hear(self, payload: bytes) -> Step:
        self._appended += seconds_of(self.config.audio.input.format, payload)
        return Step([], [Hear(payload)])

    def note(self, event: Fields) -> Step:
        """Something of the server's own, such as that it failed."""
        return self._step([event])

    def refuse(self, refused: Refused, event_id: str | None = None) -> Step:
        """The `error` that says why not."""
        return self._step([refusal(refused, event_id)])

    def _step(self, told: list[Fields], commands: list[Command] | None = None) -> Step:
        new_id = self.house.new_id
        return Step([{"event_id": new_id("event"), **each} for each in told], commands or [])

    # -- what a client can ask for --------------------------------------------------------------

    @singledispatchmethod
    def _obey(self, event: Any) -> Step:
        raise TypeError(f"no rule for {event!r}")

    @_obey.register
    def _(self, event: client.SessionUpdate) -> Step:
        config = self.config.updated(event.session)
        if config.audio.output.format != self.config.audio.output.format and self._is_speaking:
            raise Refused(
                "response_in_progress",
                "the output format can't change while something is said",
                param="session.audio.output.format",
            )
        self._persona = self._adopted(config)
        asks = config.chuimsae.events and not self.config.chuimsae.events
        self.config = config
        updated = {"type": "session.updated", "session": self.render()}
        return Step([updated, *(self._extension.so_far if asks else ())], [self._configure])

    @_obey.register
    def _(self, event: client.Append) -> Step:
        if self.house.transport == "webrtc":
            raise unsupported("audio in events (it comes over the track)", "type")
        try:
            payload = base64.b64decode(event.audio, validate=True)
        except (binascii.Error, ValueError) as error:
            raise Refused(
                "invalid_value", f"audio is not base64: {error}", param="audio"
            ) from error
        return self._hear(payload)

    @_obey.register
    def _(self, event: client.Commit) -> Step:
        by_hand = self.config.audio.input.turn_detection is None
        is_empty = self.house.transport == "websocket" and self._appended < LEAST_AUDIO
        if is_empty or not (by_hand or self._narration.input.is_hearing):
            raise Refused(
                "input_audio_buffer_commit_empty",
                f"Error committing input audio buffer: buffer too small. Expected at least "
                f"{LEAST_AUDIO * 1000:.0f}ms of audio, but buffer only has "
                f"{self._appended * 1000 if by_hand else 0:.2f}ms of audio.",
            )
        self._appended = 0.0
        self._narration.input.committing += 1
        return Step([], [Point("commit")])

    @_obey.register
    def _(self, event: client.Clear) -> Step:
        self._appended = 0.0
        return Step([{"type": "input_audio_buffer.cleared"}], [Point("clear")])

    @_obey.register
    def _(self, event: client.CreateItem) -> Step:
        if is_recording(event.item):
            return self._record(event)
        return self._edited(lambda: self._conversation.create(event))

    @_obey.register
    def _(self, event: client.RetrieveItem) -> Step:
        return self._conversation.retrieve(event)

    @_obey.register
    def _(self, event: client.TruncateItem) -> Step:
        step = self._conversation.truncate(event)
        self._narration.truncate(self._items.get(event.item_id), event.audio_end_ms)
        return step

    @_obey.register
    def _(self, event: client.DeleteItem) -> Step:
        return self._edited(lambda: self._conversation.delete(event))

    @_obey.register
    def _(self, event: client.CreateResponse) -> Step:
        response = self._narration.response
        if response is not None and response.has_called:
            self._waiting = event  # Several results make one answer.
            return Step()
        return self._respond(event.response or client.ResponseParameters())

    @_obey.register
    def _(self, event: client.CancelResponse) -> Step:
        if event.response_id is not None and event.response_id in self._narration.asides:
            return Step([], [CancelAside(event.response_id)])
        response = self._narration.response
        if not self._narration.is_busy or (
            event.response_id is not None and (not response or event.response_id != response.id)
        ):
            raise Refused("response_cancel_not_active", "no such response is going on")
        self._waiting = None
        self._narration.cancel()
        return Step([], [Interrupt()])

    @_obey.register
    def _(self, event: client.ClearOutput) -> Step:
        if self.house.transport == "websocket":
            raise unsupported("output_audio_buffer.clear over a WebSocket", "type")
        if self._narration.response is None:
            return Step()
        self._narration.cancel()
        return Step([], [Interrupt()])

    # -- small change ---------------------------------------------------------------------------

    @property
    def _is_speaking(self) -> bool:
        response = self._narration.response
        return response is not None and response.has_content

    def _edited(self, edit: Callable[[], Step]) -> Step:
        """A change of the conversation; one of a system item is one of the instructions."""
        before = self.persona
        step = edit()
        if self.persona != before:
            step.commands.append(self._configure)
        return step

    def _record(self, event: client.CreateItem) -> Step:
        recordings = self._narration.recordings
        recordings.check()
        audio, seconds = sound_of(event.item.content, self.config.audio.input.format)
        item, step = self._conversation.record(event, audio)
        recordings.take(item, seconds)
        return step

    def _respond(self, wanted: client.ResponseParameters) -> Step:
        config = self.config.of_response(wanted)
        is_apart = wanted.conversation == "none"
        # Out of band only what it brings itself: the session's tools are the conversation's.
        tools = config.toolbox if wanted.tools or not is_apart else NO_TOOLS
        if is_apart and config.is_written:
            messages = self._prompt(wanted)
            aside, told = self._narration.asides.open(config, wanted.metadata)
            return Step(told, [AskAside(aside, messages, config.max_tokens, tools)])
        if self._narration.is_busy:
            active = self._narration.response
            raise Refused(
                "conversation_already_has_active_response",
                "Conversation already has an active response in progress"
                f"{f': {active.id}' if active else ''}. Wait until it is finished, or cancel it;"
                " one that is spoken takes the floor, also out of band.",
            )
        if self._narration.input.is_hearing and config.answers_turns:
            raise Refused("speech_in_progress", "the caller is speaking: they will be answered")
        apart = is_apart or wanted.input is not None
        manner = Manner(
            instructions=wanted.instructions if not apart else None,
            max_tokens=config.max_tokens,
            is_spoken=not config.is_written,
            messages=self._prompt(wanted) if apart else None,
            is_kept=not is_apart,
            tools=tools,
        )
        told = self._narration.ask(config, metadata=wanted.metadata, is_apart=is_apart)
        return Step(told, [self._greeting(wanted, config) or Answer(manner)])

    def _follow_up(self, told: list[Fields]) -> Step:
        """The response that waits for the end of the one that called."""
        waiting = self._waiting
        over = [each["response"] for each in told if each["type"] == "response.done"]
        if waiting is None or not any(self._called(each) for each in over):
            return Step()
        self._waiting = None
        try:
            if any(each["status"] == "cancelled" for each in over):
                raise Refused("response_cancelled", "the response before it was cut off")
            return self._respond(waiting.response or client.ResponseParameters())
        except Refused as refused:
            return Step([refusal(refused, waiting.event_id)])

    @staticmethod
    def _called(response: Fields) -> bool:
        return any(item["type"] == "function_call" for item in response["output"])

    @property
    def _configure(self) -> Configure:
        return Configure(self.persona, self.turn, self.config.toolbox)

    def _prompt(self, wanted: client.ResponseParameters) -> tuple[Message, ...]:
        """What a response is made from that is not simply the next of the conversation."""
        instructions = wanted.instructions
        if instructions is None:
            instructions = self.persona.instructions
        said = self._conversation.messages()
        if wanted.input is not None:
            said = self._conversation.read(wanted.input)
        return (Message("system", instructions), *said) if instructions else said

    def _greeting(self, wanted: client.ResponseParameters, config: SessionConfig) -> Say | None:
        """The agent's first words, when the client asks for some and says nothing of them."""
        is_first = self._items.last is None and wanted.instructions is None
        is_first = is_first and wanted.input is None and wanted.conversation != "none"
        if not is_first or config.is_written or not self._persona.greeting:
            return None
        return Say(self._persona.greeting)

    def _adopted(self, config: SessionConfig) -> Persona:
        """The persona of the configured language, with the client's own wishes."""
        language = config.language or self._persona.language
        base = self.house.personas.get(language.split("-")[0].lower())
        if base is None:
            known = ", ".join(sorted(self.house.personas))
            raise Refused(
                "invalid_value",
                f"nobody here speaks {language[:16]!r}; there is: {known}",
                param="session.audio.input.transcription.language",
            )
        voices = {persona.voice for persona in self.house.personas.values()}
        changes = {"instructions": config.instructions or base.instructions}
        if config.voice in voices:
            changes["voice"] = config.voice
        return base.model_copy(update=changes)

    def render(self) -> Fields:
        """The session as its client sees it: our own part only where it was asked for."""
        ours = {"chuimsae"} if self.config.chuimsae == Wishes() else set()
        return {
            "id": self._id,
            "object": "realtime.session",
            **self.config.model_dump(mode="json", exclude=ours),
            "instructions": self._persona.instructions,
        }


def write(event: Fields) -> str:
    """A server event as it goes out."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))
