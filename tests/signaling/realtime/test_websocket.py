"""OpenAI's Python client, unmodified, against the server, over a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from openai import AsyncOpenAI, AuthenticationError

from agent.engines.protocols import LanguageModel
from media.audio import level_db
from server.app import CALLS, METRICS, SOCKETS, create_app, listening
from tests.server.house import settings, spoken, stages
from tests.signaling.realtime.speaking import Talker, talker


@asynccontextmanager
async def home(
    *lines: str, model: LanguageModel | None = None, **changes: object
) -> AsyncGenerator[tuple[str, web.Application], None]:
    """A server that understands `lines`: its URL and its application."""
    configured = settings(**changes)
    async with stages(*lines, model=model) as standing:
        app = create_app(configured, standing)
        async with listening(app, configured.server) as url:
            yield url, app


async def configured(it: Talker) -> None:
    await it.wait_for("session.created")
    await it.connection.session.update(
        session={
            "type": "realtime",
            "instructions": "Be brief.",
            "output_modalities": ["audio"],
            "audio": {
                "input": {
                    "transcription": {"model": "gpt-4o-mini-transcribe"},
                    "turn_detection": {"type": "semantic_vad", "interrupt_response": True},
                },
                "output": {"voice": "marin"},
            },
        }
    )
    updated = await it.wait_for("session.updated")
    assert updated["session"]["instructions"] == "Be brief."


async def test_a_spoken_turn_is_understood_and_answered() -> None:
    async with home("what time is it") as (url, _), talker(url) as it:
        await configured(it)
        it.say(await spoken("What time is it?"))
        done = (await it.wait_for("response.done"))["response"]
    assert done["status"] == "completed"
    transcript = it.of("conversation.item.input_audio_transcription.completed")[0]
    assert transcript["transcript"] == "what time is it"
    order = [event["type"] for event in it.referee.events if "audio.delta" not in event["type"]]
    expected = [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    places = iter(order)
    assert all(kind in places for kind in expected), order
    item = done["output"][0]
    assert item["content"][0]["transcript"]
    heard = it.heard(item["id"])
    assert heard.seconds > 0.5 and level_db(heard.samples) > -40
    it.referee.close()


async def test_the_audio_comes_at_the_pace_of_speech() -> None:
    async with home("tell me") as (url, _), talker(url) as it:
        await configured(it)
        await it.connection.conversation.item.create(
            item={
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "Tell me something."}],
            }
        )
        await it.connection.response.create()
        done = (await it.wait_for("response.done"))["response"]
    at = [
        moment
        for event, moment in zip(it.referee.events, it.arrived, strict=True)
        if event["type"] == "response.output_audio.delta"
    ]
    seconds = it.heard(done["output"][0]["id"]).seconds
    assert at[-1] - at[0] >= 0.8 * (seconds - 0.02)


async def test_speaking_over_the_agent_stops_it() -> None:
    story = "Once upon a time there was a king, and he had a very long story to tell. " * 4
    async with home("wait a moment please", personas={"en": {"greeting": story}}) as (url, _):
        async with talker(url) as it:
            await configured(it)
            await it.connection.response.create()
            await it.wait_for("response.output_audio_transcript.delta")
            await asyncio.sleep(0.5)
            it.say(await spoken("Wait a moment, please, I have a question."))
            cut = (await it.wait_for("response.done"))["response"]
            await it.wait_for("input_audio_buffer.committed")
            answer = (await it.wait_for("response.done"))["response"]
            await it.connection.conversation.item.truncate(
                item_id=cut["output"][0]["id"], content_index=0, audio_end_ms=500
            )
            await it.wait_for("conversation.item.truncated")
            await it.connection.conversation.item.retrieve(item_id=cut["output"][0]["id"])
            kept = (await it.wait_for("conversation.item.retrieved"))["item"]
    assert cut["status"] == "cancelled"
    assert cut["status_details"]["reason"] == "turn_detected"
    heard = kept["content"][0]["transcript"]
    assert story.startswith(heard) and 0 < len(heard) < len(story) / 2
    assert answer["status"] == "completed"


async def test_what_cannot_be_done_is_refused_by_the_name_of_the_event() -> None:
    async with home("x") as (url, _), talker(url) as it:
        await configured(it)
        await it.connection.send(
            {
                "type": "session.update",
                "event_id": "mine",
                "session": {"type": "realtime", "prompt": {"id": "pmpt_kept_elsewhere"}},
            }  # type: ignore[arg-type, misc]
        )
        refused = (await it.wait_for("error"))["error"]
        await it.connection.response.cancel(event_id="other")
        other = (await it.wait_for("error"))["error"]
    assert (refused["event_id"], refused["param"]) == ("mine", "session.prompt")
    assert (other["event_id"], other["code"]) == ("other", "response_cancel_not_active")


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
async def test_telephones_formats_go_both_ways(kind: str) -> None:
    async with home("hello") as (url, _), talker(url) as it:
        await it.wait_for("session.created")
        await it.connection.session.update(
            session={"type": "realtime", "audio": {"output": {"format": {"type": kind}}}}  # type: ignore[typeddict-item]
        )
        await it.wait_for("session.updated")
        it.say(await spoken("Hello there, how are you?"))
        done = (await it.wait_for("response.done"))["response"]
    assert done["audio"]["output"]["format"]["type"] == kind
    sizes = {len(event["delta"]) for event in it.of("response.output_audio.delta")}
    assert sizes == {216}, "20 ms are 160 bytes"


async def test_a_client_secret_brings_its_configuration() -> None:
    async with home("x") as (url, _):
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="x") as api:
            secret = await api.realtime.client_secrets.create(
                session={"type": "realtime", "instructions": "Speak like a pirate."},
                expires_after={"anchor": "created_at", "seconds": 60},
            )
        assert secret.value.startswith("ek_")
        async with talker(url, key=secret.value) as it:
            created = await it.wait_for("session.created")
        assert created["session"]["instructions"] == "Speak like a pirate."
        async with aiohttp.ClientSession() as http:
            protocols = ("realtime", f"openai-insecure-api-key.{secret.value}")
            socket = f"{url}/v1/realtime?model=gpt-realtime"
            async with http.ws_connect(socket, protocols=protocols) as browser:
                assert browser.protocol == "realtime"
                told = await browser.receive_json()
                assert told["session"]["instructions"] == "Speak like a pirate."
                assert told["session"]["model"] == "gpt-realtime"


async def test_a_secret_that_was_never_given_opens_nothing() -> None:
    async with home("x") as (url, app):
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="ek_stolen") as api:
            with pytest.raises(AuthenticationError):
                await api.realtime.client_secrets.create()
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
                await http.ws_connect(
                    f"{url}/v1/realtime", headers={"Authorization": "Bearer ek_stolen"}
                )
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                await http.ws_connect(f"{url}/v1/realtime", origin="https://evil.example")


async def test_sockets_and_calls_share_the_places_and_leave_them() -> None:
    async with home("x", server={"port": 0, "max_calls": 1}) as (url, app):
        async with talker(url) as it:
            await it.wait_for("session.created")
            assert len(app[SOCKETS]) == 1
            async with aiohttp.ClientSession() as http:
                with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
                    await http.ws_connect(f"{url}/v1/realtime")
        async with asyncio.timeout(5):
            while len(app[SOCKETS]):  # noqa: ASYNC110  (nothing tells)
                await asyncio.sleep(0.02)
        assert app[METRICS].registry.get_sample_value("chuimsae_calls") == 0
        assert not len(app[CALLS])
