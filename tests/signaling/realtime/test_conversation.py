"""A real conversation in virtual time, and a client that does what it likes meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.engines.protocols import ReplyRequest
from agent.events import CallStarted, SpeechStopped
from agent.messages import Message, ToolCall
from agent.settings import TurnSettings
from media.microphone import Mark
from signaling.realtime.commands import Hear, Point, Read
from signaling.realtime.obedience import obey
from signaling.realtime.session import Session
from tests.agent.conversation import Line, line
from tests.fakes import FakeModel
from tests.signaling.realtime.happenings import APART, HI, SPOKEN, WEATHER, session
from tests.signaling.realtime.rules import Referee
from tests.virtual_time import virtual

STORY = "Well, it is a long story. It begins with a king. He had three sons and one horse."

SAID = st.sampled_from(["What time is it?", "Uh-huh.", "I would like to", "Stop, wait a moment!"])
TYPED = {
    "type": "conversation.item.create",
    "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hm?"}]},
}
BUTTONS = {"type": "server_vad", "create_response": False, "interrupt_response": False}
IDLE = {"type": "server_vad", "idle_timeout_ms": 600}
CALM = {
    "type": "session.update",
    "session": {"audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}},
}
"""Nothing happens by itself any more."""
ASKED = st.sampled_from(
    [
        TYPED,
        {"type": "response.create"},
        {"type": "response.cancel"},
        {"type": "output_audio_buffer.clear"},
        {"type": "session.update", "session": {"instructions": "Be long."}},
        {"type": "session.update", "session": {"output_modalities": ["text"]}},
        {"type": "session.update", "session": {"output_modalities": ["audio"]}},
        {"type": "session.update", "session": {"audio": {"input": {"turn_detection": None}}}},
        {"type": "session.update", "session": {"audio": {"input": {"turn_detection": BUTTONS}}}},
        {"type": "session.update", "session": {"audio": {"input": {"turn_detection": IDLE}}}},
        {"type": "input_audio_buffer.commit"},
        {"type": "input_audio_buffer.clear"},
        {**TYPED, "previous_item_id": "root"},
        {"type": "conversation.item.delete"},
        {"type": "response.create", "response": {"conversation": "none"}},
        {"type": "response.create", "response": APART},
        {"type": "response.create", "response": {**APART, "input": [HI]}},
        {"type": "response.create", "response": {"output_modalities": ["text"]}},
        {"type": "response.create", "response": {**APART, "tools": [WEATHER]}},
        {"type": "conversation.item.create", "item": "spoken"},
        {"type": "conversation.item.create", "item": "spoken", "previous_item_id": "root"},
        {"type": "conversation.item.truncate"},
        {"type": "conversation.item.create", "item": {"type": "function_call_output"}},
    ]
)
AT_THE_END = TurnSettings.model_validate(
    {"speculation": {"enabled": False}, "fillers": {"enabled": False}}
)
OFFER = {"type": "session.update", "session": {"tools": [WEATHER]}}
AUDIO = "input_audio"
SCRIPTS = st.lists(st.tuples(st.floats(0.05, 1.5), SAID | ASKED), min_size=1, max_size=8)


class Client:
    """A session beside a call: tells it on, obeys it."""

    def __init__(self, it: Line, session: Session) -> None:
        self.it = it
        self.session = session
        self.referee = Referee()
        self._told = 0

    async def follow(self) -> None:
        """Tell what happened since; do what follows from it."""
        while self._told < len(self.it.events):
            event = self.it.events[self._told]
            self._told += 1
            self.referee.answers = isinstance(event, SpeechStopped) and event.answered
            await self.act(self.session.tell(event))

    async def act(self, step: Any) -> None:
        for told in step.events:
            self.referee.see(told)
        for command in step.commands:
            assert not isinstance(command, Hear)
            if isinstance(command, Point):
                command = Mark(command.kind)
                self.it.ear.mark(command)
            if isinstance(command, Read):  # What the fake recogniser knows are words.
                words = self.it.ear.vocabulary.samples("And what about this?")
                command = replace(command, audio=words)
            await obey(command, self.it.call)

    async def ask(self, event: dict[str, Any]) -> None:
        if event["type"] in ("conversation.item.truncate", "conversation.item.delete"):
            spoken = self.referee.of("response.output_item.added")
            item_id = spoken[-1]["item"]["id"] if spoken else "none"
            event = {**event, "item_id": item_id, "content_index": 0, "audio_end_ms": 100}
        if event.get("item") == "spoken":
            event = {**event, "item": SPOKEN}
        if event.get("item", {}).get("type") == "function_call_output":
            asked = self.referee.of("response.function_call_arguments.done")
            call_id = asked[-1]["call_id"] if asked else "none"
            event = {**event, "item": {**event["item"], "call_id": call_id, "output": "21"}}
        await self.follow()
        await self.act(self.session.take(json.dumps(event)))

    async def watch(self) -> None:
        while True:
            await self.follow()
            await asyncio.sleep(0.01)


def joined(messages: Iterable[Message]) -> list[tuple[str, str]]:
    """One side's words after the other's, however they were cut into messages."""
    sides: list[tuple[str, str]] = []
    for message in messages:
        if sides and sides[-1][0] == message.role:
            sides[-1] = message.role, f"{sides[-1][1]} {message.text.strip()}"
        else:
            sides.append((message.role, message.text.strip()))
    return sides


class Asker(FakeModel):
    """Tells its story, and every second time asks for something as well."""

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        asks = len(self.requests) % 2 == 0 and bool(request.tools.offered)
        async for piece in super().reply(request):
            yield piece
        if asks:
            for number in range(2):
                request.call(ToolCall(f"call_{len(self.requests)}_{number}", "weather", "{}"))


def remembered(it: Line) -> list[tuple[str, str]]:
    """What the model is given of the conversation."""
    return spoken(it.call._context.history.messages())


def told(session: Session) -> list[tuple[str, str]]:
    """What the client knows of it."""
    return spoken(session._conversation.messages())


def spoken(messages: Iterable[Message]) -> list[tuple[str, str]]:
    """Both sides' words. Results have no side, and a call has none of its own."""
    return joined(m for m in messages if m.role in ("user", "assistant") and m.text)


def called(messages: Iterable[Message]) -> dict[str, str]:
    """What was asked for, and what it brought."""
    return {m.call_id: m.text for m in messages if m.role == "tool"}


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("place", [{}, {"previous_item_id": "root"}, {"previous_item_id": "said"}])
@pytest.mark.parametrize("moment", [0.01, 0.5, 1.1])
def test_what_is_typed_while_an_answer_is_thought_about_comes_after_it(
    asked: bool, place: dict[str, str], moment: float
) -> None:
    """Its model reads no more; the client is told the same order, whenever the first sound is."""

    @virtual
    async def conversation() -> None:
        async with line(model=FakeModel(STORY, first_token=1.0), settings=AT_THE_END) as it:
            await it.wait_for(CallStarted)
            client = Client(it, session("webrtc"))
            await client.act(client.session.hello())
            watching = asyncio.create_task(client.watch())
            await it.say("What time is it?")
            await it.wait_for(SpeechStopped)
            if asked:
                await asyncio.sleep(0.05)
                await client.ask({"type": "response.cancel"})
                await client.ask({"type": "response.create"})
            await asyncio.sleep(moment)
            said = client.referee.of("input_audio_buffer.committed")[-1]["item_id"]
            before = {key: said if value == "said" else value for key, value in place.items()}
            await client.ask(TYPED)
            await client.ask({**TYPED, **before})
            await asyncio.sleep(12.0)
            watching.cancel()
            await client.follow()
            assert told(client.session)[-1] == ("user", "Hm?" if place else "Hm? Hm?")
            assert remembered(it) == told(client.session)
            assert client.referee.order == [item.id for item in client.session._items]

    conversation()


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(SCRIPTS, st.booleans())
def test_the_rules_hold_in_a_real_conversation(
    script: list[tuple[float, Any]], has_tools: bool
) -> None:
    @virtual
    async def conversation() -> None:
        replies = (STORY, "Yes.", "All right then.")
        async with line(model=Asker(*replies) if has_tools else FakeModel(*replies)) as it:
            await it.wait_for(CallStarted)
            client = Client(it, session("webrtc"))
            await client.act(client.session.hello())
            if has_tools:
                await client.ask(OFFER)
            watching = asyncio.create_task(client.watch())
            for pause, happening in script:
                await asyncio.sleep(pause)
                if isinstance(happening, str):
                    it.ear.say(happening)
                else:
                    await client.ask(happening)
            await client.ask(CALM)
            await asyncio.sleep(20.0)
            watching.cancel()
            await client.follow()
            assert not client.referee.going
            assert remembered(it) == told(client.session), "the model knows another conversation"
            history = it.call._context.history.messages()
            assert called(history) == called(client.session._conversation.messages())
            assert client.referee.order == [item.id for item in client.session._items]
        await client.follow()
        client.referee.close()
        answers = client.referee.of("conversation.item.input_audio_transcription.completed")
        items = [e["item"] for e in client.referee.of("conversation.item.added")]
        sounds = {i["id"] for i in items if AUDIO in str(i.get("content"))}
        assert {e["item_id"] for e in answers} <= sounds

    conversation()
