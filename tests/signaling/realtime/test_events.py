"""The protocol's less common events, as OpenAI's Python client sends and reads them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from server.app import SOCKETS
from tests.server.house import spoken
from tests.signaling.realtime.happenings import HI
from tests.signaling.realtime.speaking import Talker, talker
from tests.signaling.realtime.test_websocket import home


@asynccontextmanager
async def call(*lines: str, **session: Any) -> AsyncGenerator[Talker, None]:
    """A connected client that has configured its session."""
    async with home(*lines) as (url, _), talker(url) as it:
        await it.wait_for("session.created")
        await it.connection.session.update(session={"type": "realtime", **session})  # type: ignore[typeddict-item]
        await it.wait_for("session.updated")
        yield it


async def typed(it: Talker, text: str, **place: str) -> str:
    """Put a message of the user's into the conversation: its id."""
    await it.connection.conversation.item.create(
        item={
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": text}],
        },
        **place,  # type: ignore[arg-type]
    )
    return str((await it.wait_for("conversation.item.done"))["item"]["id"])


def detection(**fields: Any) -> dict[str, Any]:
    return {"input": {"turn_detection": {"type": "server_vad", **fields}}}


async def test_a_spoken_turn_is_answered_in_text_where_text_is_wanted() -> None:
    async with call("what time is it", output_modalities=["text"]) as it:
        it.say(await spoken("What time is it?"))
        done = (await it.wait_for("response.done"))["response"]
        text = done["output"][0]["content"][0]
        assert text["type"] == "output_text" and text["text"]
        deltas = "".join(each["delta"] for each in it.of("response.output_text.delta"))
        assert it.of("response.output_text.done")[0]["text"] == deltas == text["text"]
        assert not it.of("response.output_audio.delta")
        assert done["usage"] is None, "this engine counts no tokens"
        await it.connection.session.update(
            session={"type": "realtime", "output_modalities": ["audio"]}
        )
        await it.wait_for("session.updated")
        await typed(it, "Tell me more.")
        await it.connection.response.create()
        spoken_reply = (await it.wait_for("response.done"))["response"]["output"][0]
        assert it.heard(spoken_reply["id"]).seconds > 0.5


async def test_a_button_that_is_held_makes_a_turn() -> None:
    async with call("what time is it", audio={"input": {"turn_detection": None}}) as it:
        it.say(await spoken("What time is it?"))
        await asyncio.sleep(3.5)
        assert not it.of("input_audio_buffer.speech_started")
        await it.connection.input_audio_buffer.commit()
        await it.connection.response.create()
        told = await it.wait_for("conversation.item.input_audio_transcription.completed")
        assert told["transcript"] == "what time is it"
        assert 1.0 < told["usage"]["seconds"] < 5.0
        done = (await it.wait_for("response.done"))["response"]
        assert done["status"] == "completed" and done["conversation_id"].startswith("conv_")


async def test_what_is_sent_at_once_is_committed_whole() -> None:
    async with call("what time is it", audio={"input": {"turn_detection": None}}) as it:
        it.is_silent = True
        sound = await spoken("What time is it?")
        for piece in it.pieces(sound):
            await it.connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
        await it.connection.input_audio_buffer.commit()
        told = await it.wait_for("conversation.item.input_audio_transcription.completed")
        assert told["transcript"] == "what time is it"
        await it.connection.input_audio_buffer.commit(event_id="empty")
        error = (await it.wait_for("error"))["error"]
        assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "empty")


async def test_a_turn_is_answered_when_the_client_wants_it() -> None:
    audio = detection(create_response=False)
    async with call("what time is it", audio=audio) as it:
        it.say(await spoken("What time is it?"))
        await it.wait_for("conversation.item.input_audio_transcription.completed")
        await asyncio.sleep(0.5)
        assert not it.of("response.created")
        await it.connection.response.create(
            response={"instructions": "Be brief.", "metadata": {"why": "asked"}}
        )
        done = (await it.wait_for("response.done"))["response"]
        assert done["status"] == "completed" and done["metadata"] == {"why": "asked"}


async def test_the_agent_speaks_into_a_silence_that_is_too_long() -> None:
    async with call("hello", audio=detection(idle_timeout_ms=1500)) as it:
        await typed(it, "Hello.")
        await it.connection.response.create()
        await it.wait_for("response.done")
        told = await it.wait_for("input_audio_buffer.timeout_triggered")
        # How long exactly is tried in virtual time: this machine may stall.
        assert 1400 <= told["audio_end_ms"] - told["audio_start_ms"] <= 5000
        committed = await it.wait_for("input_audio_buffer.committed")
        assert committed["item_id"] == told["item_id"]
        assert (await it.wait_for("response.done"))["response"]["status"] == "completed"


async def test_responses_out_of_band_are_made_beside_the_conversation() -> None:
    async with call("x") as it:
        await typed(it, "Tell me something long.")
        await it.connection.response.create()
        await it.wait_for("response.created")
        message = {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "What topic is this?"}],
        }
        apart: Any = {
            "conversation": "none",
            "output_modalities": ["text"],
            "metadata": {"topic": "classification"},
            "input": [message],
        }
        await it.connection.response.create(response=apart)
        await it.connection.response.create(event_id="second")
        error = (await it.wait_for("error"))["error"]
        assert error["code"] == "conversation_already_has_active_response"
        assert error["event_id"] == "second"
        done = [(await it.wait_for("response.done"))["response"] for _ in range(2)]
        beside = next(each for each in done if each["metadata"])
        assert beside["conversation_id"] is None and beside["status"] == "completed"
        assert beside["output"][0]["content"][0]["text"]
        added = {each["item"]["id"] for each in it.of("conversation.item.added")}
        assert beside["output"][0]["id"] not in added


async def test_items_are_put_in_taken_out_and_cut() -> None:
    async with call("x") as it:
        first = await typed(it, "My name is Kim.")
        await typed(it, "Hello.", previous_item_id="root")
        assert it.of("conversation.item.added")[-1]["previous_item_id"] is None
        await it.connection.conversation.item.create(
            item=HI,  # type: ignore[arg-type]
            previous_item_id="nobody",
            event_id="lost",
        )
        error = (await it.wait_for("error"))["error"]
        assert (error["param"], error["event_id"]) == ("previous_item_id", "lost")
        await it.connection.conversation.item.delete(item_id=first)
        await it.wait_for("conversation.item.deleted")
        await it.connection.conversation.item.retrieve(item_id=first)
        assert (await it.wait_for("error"))["error"]["code"] == "item_not_found"
        await it.connection.response.create()
        reply = (await it.wait_for("response.done"))["response"]["output"][0]
        whole = reply["content"][0]["transcript"]
        await it.connection.conversation.item.truncate(
            item_id=reply["id"], content_index=0, audio_end_ms=400
        )
        await it.wait_for("conversation.item.truncated")
        await it.connection.conversation.item.retrieve(item_id=reply["id"])
        kept = (await it.wait_for("conversation.item.retrieved"))["item"]["content"][0]
        assert whole.startswith(kept["transcript"]) and len(kept["transcript"]) < len(whole) / 2


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"output_modalities": ["text", "audio"]}, "session.output_modalities"),
        ({"audio": {"output": {"speed": 1.25}}}, "session.audio.output.speed"),
        ({"temperature": 0.4}, "session.temperature"),
        ({"max_output_tokens": 0}, "session.max_output_tokens"),
        ({"prompt": {"id": "pmpt_1"}}, "session.prompt"),
        (
            {"audio": {"input": {"transcription": {"language": "xx"}}}},
            "session.audio.input.transcription.language",
        ),
        ({"audio": detection(threshold=2)}, "session.audio.input.turn_detection.threshold"),
    ],
)
async def test_an_update_is_refused_by_the_name_of_what_is_wrong(
    changes: dict[str, Any], param: str
) -> None:
    async with call("x") as it:
        await it.connection.session.update(
            event_id="bad",
            session={"type": "realtime", "instructions": "New.", **changes},  # type: ignore[typeddict-item]
        )
        error = (await it.wait_for("error"))["error"]
        assert (error["param"], error["event_id"]) == (param, "bad")
        await it.connection.session.update(session={"type": "realtime", "tracing": "auto"})
        kept = (await it.wait_for("session.updated"))["session"]
        assert kept["instructions"] != "New." and kept["tracing"] == "auto"


async def test_what_a_telephone_call_is_asked_is_refused_with_the_way_out() -> None:
    async with home("x") as (url, app), talker(url) as it, aiohttp.ClientSession() as http:
        await it.wait_for("session.created")
        call_id = next(iter(app[SOCKETS]._held))
        for verb in ("accept", "refer", "reject"):
            async with http.post(f"{url}/v1/realtime/calls/{call_id}/{verb}") as reply:
                told = await reply.json()
                assert reply.status == 409 and "hangup" in told["error"]["message"]
