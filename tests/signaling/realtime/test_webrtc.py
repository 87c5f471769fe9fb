"""Calls over WebRTC in the Realtime protocol: OpenAI's client asks, a data channel speaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from openai import APIStatusError, AsyncOpenAI

from server.app import CALLS
from signaling.gathering import Gatherer
from signaling.ice import IceSettings
from signaling.recording import Recording
from signaling.voice_track import VoiceTrack
from tests.server.house import spoken
from tests.signaling.realtime.rules import Referee
from tests.signaling.realtime.test_websocket import home

HERE = IceSettings(bind=("127.0.0.1",))


class Phone:
    """A client's side of one call: a voice, an ear, and the channel that browsers open."""

    def __init__(self, label: str | None = "oai-events") -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.voice = VoiceTrack()
        self.referee = Referee()
        self.recording = Recording(asyncio.get_running_loop().time())
        self._changed = asyncio.Event()
        self._looked = 0
        self.pc.addTrack(self.voice)
        if label is not None:
            self.channel = self.pc.createDataChannel(label)
        if label == "oai-events":
            self.channel.on("message", self._take)

    def _take(self, message: str) -> None:
        self.referee.see(json.loads(message))
        self._changed.set()

    def send(self, event: dict[str, Any]) -> None:
        self.channel.send(json.dumps(event))

    async def offer(self) -> str:
        Gatherer(HERE).prepare(self.pc)
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return str(self.pc.localDescription.sdp)

    async def wait_for(self, kind: str, within: float = 20.0) -> dict[str, Any]:
        async with asyncio.timeout(within):
            while True:
                while self._looked < len(self.referee.events):
                    event = self.referee.events[self._looked]
                    self._looked += 1
                    if event["type"] == kind:
                        return event
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def phone(label: str | None = "oai-events") -> AsyncGenerator[Phone, None]:
    it = Phone(label)
    try:
        yield it
    finally:
        await it.pc.close()


async def connect(it: Phone, answer: str) -> None:
    receiver = it.pc.getTransceivers()[0].receiver
    it.recording.tap(receiver)
    await it.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))


async def test_a_call_by_openais_client_is_answered_by_voice() -> None:
    async with home("what time is it") as (url, app), phone() as it:
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="x") as api:
            response = await api.realtime.calls.create(
                sdp=await it.offer(),
                session={"type": "realtime", "instructions": "Be brief.", "model": "gpt-realtime"},
            )
            call_id = response.response.headers["Location"].rsplit("/", 1)[-1]
            assert response.response.status_code == 201
            await connect(it, response.text)
            created = await it.wait_for("session.created")
            assert created["session"]["instructions"] == "Be brief."
            await it.voice.say(await spoken("What time is it?"))
            await it.wait_for("output_audio_buffer.started")
            done = (await it.wait_for("response.done"))["response"]
            await it.wait_for("output_audio_buffer.stopped")
            assert call_id in app[CALLS]
            await api.realtime.calls.hangup(call_id)
            assert call_id not in app[CALLS]
    assert done["status"] == "completed"
    assert done["output"][0]["content"][0]["transcript"]
    heard = it.referee.of("conversation.item.input_audio_transcription.completed")
    assert heard[0]["transcript"] == "what time is it"
    assert not it.referee.of("response.output_audio.delta"), "audio comes over the track"


async def test_a_legacy_offer_is_interrupted_by_the_clients_buttons() -> None:
    story = "Once upon a time there was a king, and he had a very long story to tell. " * 4
    async with home("x", personas={"en": {"greeting": story}}) as (url, _), phone() as it:
        async with aiohttp.ClientSession() as http:
            headers = {"Content-Type": "application/sdp", "Authorization": "Bearer x"}
            offer = await it.offer()
            async with http.post(
                f"{url}/v1/realtime?model=m", data=offer, headers=headers
            ) as reply:
                assert reply.status == 201
                assert reply.content_type == "application/sdp"
                await connect(it, await reply.text())
        created = await it.wait_for("session.created")
        assert created["session"]["model"] == "m"
        it.send({"type": "response.create"})
        await it.wait_for("response.output_audio_transcript.delta")
        it.send({"type": "response.cancel"})
        it.send({"type": "output_audio_buffer.clear"})
        done = (await it.wait_for("response.done"))["response"]
        await it.wait_for("output_audio_buffer.cleared")
        it.send({"type": "input_audio_buffer.append", "audio": "AAAA", "event_id": "mine"})
        error = (await it.wait_for("error"))["error"]
    assert done["status"] == "cancelled"
    assert done["status_details"]["reason"] == "client_cancelled"
    assert error["event_id"] == "mine"


async def test_a_browsers_secret_opens_a_call_with_its_configuration() -> None:
    async with home("x") as (url, _), phone() as it:
        async with aiohttp.ClientSession() as http:
            body = {"model": "m", "voice": "verse", "instructions": "Speak like a pirate."}
            async with http.post(f"{url}/v1/realtime/sessions", json=body) as reply:
                key = (await reply.json())["client_secret"]["value"]
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key=key) as api:
            response = await api.realtime.calls.create(sdp=await it.offer())
            await connect(it, response.text)
        created = await it.wait_for("session.created")
    assert created["session"]["instructions"] == "Speak like a pirate."
    assert created["session"]["audio"]["output"]["voice"] == "verse"


@pytest.mark.parametrize(
    ("key", "sdp", "session", "status"),
    [
        ("ek_stolen", "v=0", {"type": "realtime"}, 401),
        ("x", "nonsense", {"type": "realtime"}, 400),
        ("x", "", {"type": "realtime"}, 400),
        ("x", "v=0", {"type": "realtime", "tools": [{"type": "function", "name": "f"}]}, 400),
        ("x", "v=0", {"type": "transcription"}, 400),
    ],
)
async def test_a_bad_offer_is_refused(
    key: str, sdp: str, session: dict[str, Any], status: int
) -> None:
    async with home("x") as (url, app):
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as api:
            with pytest.raises(APIStatusError) as refused:
                await api.realtime.calls.create(sdp=sdp, session=session)  # type: ignore[arg-type]
        assert refused.value.status_code == status
        assert not len(app[CALLS])


async def test_the_label_of_the_channel_says_what_an_offer_of_ours_speaks() -> None:
    async with home("what time is it") as (url, _), phone() as it:
        async with aiohttp.ClientSession() as http:
            offer = {"sdp": await it.offer(), "type": "offer"}
            async with http.post(f"{url}/offer", json=offer) as reply:
                await connect(it, (await reply.json())["sdp"])
        created = await it.wait_for("session.created")
        assert created["session"]["type"] == "realtime"
        it.send({"type": "session.update", "session": {"instructions": "Be brief."}})
        await it.wait_for("session.updated")
        await it.voice.say(await spoken("What time is it?"))
        done = (await it.wait_for("response.done"))["response"]
    assert done["output"][0]["content"][0]["transcript"]
    kinds = {event["type"] for event in it.referee.events}
    assert "call.started" not in kinds


async def test_an_event_that_is_too_long_for_the_client_is_told_of_and_the_channel_lives() -> None:
    async with home("x") as (url, _), phone() as it, aiohttp.ClientSession() as http:
        lines = (await it.offer()).splitlines()
        body = "\r\n".join(line for line in lines if "max-message-size" not in line) + "\r\n"
        headers = {"Content-Type": "application/sdp"}
        async with http.post(f"{url}/v1/realtime/calls", data=body, headers=headers) as reply:
            await connect(it, await reply.text())
        await it.wait_for("session.created")
        it.send({"type": "session.update", "session": {"tracing": {"note": "x" * 65_536}}})
        error = (await it.wait_for("error"))["error"]
        assert error["code"] == "event_too_large" and "65536" in error["message"]
        it.send({"type": "session.update", "session": {"tracing": None}})
        assert (await it.wait_for("session.updated"))["session"]["tracing"] is None


BOUND: Any = {
    "type": "realtime",
    "instructions": "Speak like a pirate.",
    "max_output_tokens": 7,
    "audio": {
        "input": {
            "transcription": {"language": "ko"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 1200},
        }
    },
}
"""What a client secret is bound to."""


async def dial(url: str, it: Phone, secret: str) -> None:
    """Come in by `POST /offer` with a client secret."""
    async with aiohttp.ClientSession() as http:
        offer = {"sdp": await it.offer(), "type": "offer"}
        headers = {"Authorization": f"Bearer {secret}"}
        async with http.post(f"{url}/offer", json=offer, headers=headers) as reply:
            await connect(it, (await reply.json())["sdp"])


async def secret_for(url: str, session: Any) -> str:
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="x") as api:
        return (await api.realtime.client_secrets.create(session=session)).value


async def test_a_client_secret_brings_its_session_through_our_own_door() -> None:
    async with home("x") as (url, _), phone() as it:
        await dial(url, it, await secret_for(url, BOUND))
        created = (await it.wait_for("session.created"))["session"]
        assert created["instructions"] == BOUND["instructions"]
        assert created["max_output_tokens"] == 7
        assert created["audio"]["input"]["transcription"]["language"] == "ko"


@pytest.mark.parametrize("label", ["control", None])
async def test_a_client_of_the_control_channel_gets_what_it_can_use(label: str | None) -> None:
    wanted = {
        **BOUND,
        "output_modalities": ["text"],
        "tools": [{"type": "function", "name": "weather"}],
    }
    async with home("x") as (url, app):
        async with phone(label) as it:
            await dial(url, it, await secret_for(url, wanted))
            async with asyncio.timeout(20):
                live = app[CALLS]._live
                while not any(each.conversation for each in live.values()):  # noqa: ASYNC110 - a test looks from outside
                    await asyncio.sleep(0.02)
                context = next(iter(live.values())).conversation._context  # type: ignore[union-attr]
                while context.settings.reply.max_tokens != 7:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.02)
            assert context.persona.instructions == BOUND["instructions"]
            assert context.persona.language == "ko" and context.persona.greeting
            assert context.settings.endpoint.waits().complete == 1.2
            assert context.settings.reply.spoken and not context.asked_of_client.tools
            assert context.settings.silence.enabled
