"""A call in the Realtime protocol goes on over another connection: nothing said is missed."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from server.app import CALLS
from tests.signaling.cutting import cut_connection
from tests.signaling.realtime.test_webrtc import Phone, connect, phone
from tests.signaling.realtime.test_websocket import home

STORY = "Once upon a time there was a king, and he had a very long story to tell. " * 4
WATCHFUL = {"bind": ["127.0.0.1"], "silent_timeout": 0.6}


async def offer(
    http: aiohttp.ClientSession, url: str, it: Phone, *, key: str = "", **query: Any
) -> aiohttp.ClientResponse:
    headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {key}"}
    return await http.post(url, data=await it.offer(), headers=headers, params=query)


async def test_events_that_were_missed_come_first() -> None:
    changes = {"personas": {"en": {"greeting": STORY}}, "ice": WATCHFUL}
    async with home("x", **changes) as (url, app), phone() as before, phone() as after:
        async with aiohttp.ClientSession() as http:
            answer = await offer(http, f"{url}/v1/realtime/calls", before)
            place, token = answer.headers["Location"], answer.headers["Chuimsae-Resume-Token"]
            assert float(answer.headers["Chuimsae-Resume-Within"]) > 0
            await connect(before, await answer.text())
            await before.wait_for("session.created")
            before.send({"type": "response.create"})
            await before.wait_for("response.output_audio_transcript.delta")
            cut_connection(before.pc)
            await asyncio.sleep(1.2)
            received = len(before.referee.events)
            answer = await offer(http, f"{url}{place}/resume", after, key=token, received=received)
            assert answer.status == 200 and answer.headers["Location"] == place
            # One conversation over two connections: the same referee judges both.
            after.referee = before.referee
            after._looked = received
            await connect(after, await answer.text())
            await after.wait_for("response.output_audio_transcript.delta")
            after.send({"type": "response.cancel"})
            done = (await after.wait_for("response.done"))["response"]
            assert len(app[CALLS]) == 1
    assert done["status"] == "cancelled"
    assert len(after.referee.of("session.created")) == 1


@pytest.mark.parametrize(
    ("place", "key", "query", "status", "code"),
    [
        ("nobody", "token", {}, 404, "unknown_call"),
        ("", "wrong", {}, 403, "bad_token"),
        ("", "token", {"received": "-1"}, 400, "invalid_value"),
        ("", "token", {"received": "many"}, 400, "invalid_value"),
    ],
)
async def test_who_is_not_the_caller_does_not_go_on(
    place: str, key: str, query: dict[str, str], status: int, code: str
) -> None:
    async with home("x") as (url, app), phone() as it, phone() as other:
        async with aiohttp.ClientSession() as http:
            answer = await offer(http, f"{url}/v1/realtime/calls", it)
            call_id = answer.headers["Location"].rsplit("/", 1)[-1]
            token = answer.headers["Chuimsae-Resume-Token"]
            await connect(it, await answer.text())
            await it.wait_for("session.created")
            refused = await offer(
                http,
                f"{url}/v1/realtime/calls/{place or call_id}/resume",
                other,
                key=token if key == "token" else key,
                **query,
            )
            assert refused.status == status
            assert (await refused.json())["error"]["code"] == code
            it.send({"type": "conversation.item.retrieve", "item_id": "x"})
            await it.wait_for("error")
            assert call_id in app[CALLS]
