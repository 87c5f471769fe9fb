"""How long a call may stay, in virtual time; and what its caller is told, for real."""

from __future__ import annotations

import asyncio
import logging

import aiohttp
import pytest

from agent.events import CallEnded, CallStarted, EncodingChanged, Event, PartialTranscript
from server.conversation import Dismissal
from server.stays import Stays
from server.talk import greeting
from signaling.access.settings import LimitSettings
from signaling.client import Caller
from signaling.ice import IceSettings
from tests.signaling.realtime.test_websocket import home
from tests.virtual_time import virtual

HERE = IceSettings(bind=("127.0.0.1",))


class Watched:
    """Calls whose events are made here, and when they were dismissed."""

    def __init__(self, **limits: float) -> None:
        self.ended: list[tuple[str, str, float]] = []
        self.stays = Stays(LimitSettings.model_validate(limits), (self._dismiss, self._nobodys))
        self._began = self.now

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _dismiss(self, call_id: str, end: Dismissal) -> None:
        assert end.why
        self.ended.append((call_id, end.code, self.now - self._began))
        self.stays.observe(call_id, CallEnded(at=self.now, reason=end.reason))

    async def _nobodys(self, call_id: str, end: Dismissal) -> None: ...

    def happens(self, event: type[Event], call_id: str = "a", **fields: object) -> None:
        self.stays.observe(call_id, event(at=self.now, **fields))

    def says(self, call_id: str = "a") -> None:
        self.happens(PartialTranscript, call_id, turn=1, text="so", stable="")


@virtual
async def test_a_call_ends_when_it_has_reached_its_length_whatever_is_said() -> None:
    calls = Watched(call_seconds=60, idle_seconds=20)
    calls.happens(CallStarted, language="en")
    for _ in range(12):
        await asyncio.sleep(10)
        calls.says()
    assert calls.ended == [("a", "session_expired", 60.0)]


@virtual
async def test_a_call_in_which_nothing_is_said_ends() -> None:
    calls = Watched(call_seconds=600, idle_seconds=20)
    calls.happens(CallStarted, language="en")
    await asyncio.sleep(15)
    calls.says()
    await asyncio.sleep(10)
    # The network's doings are no conversation.
    calls.happens(EncodingChanged, bitrate=16_000, fec=True, loss=0.1)
    await asyncio.sleep(60)
    assert calls.ended == [("a", "session_idle", 35.0)]


@virtual
async def test_each_call_has_its_own_time() -> None:
    calls = Watched(call_seconds=60, idle_seconds=0)
    calls.happens(CallStarted, "a", language="en")
    await asyncio.sleep(30)
    calls.happens(CallStarted, "b", language="ko")
    calls.happens(CallEnded, "a", reason="hangup")
    await asyncio.sleep(100)
    assert calls.ended == [("b", "session_expired", 90.0)]


@virtual
async def test_no_limit_is_no_limit() -> None:
    calls = Watched(call_seconds=0, idle_seconds=0)
    calls.happens(CallStarted, language="en")
    await asyncio.sleep(1_000_000)
    assert calls.ended == []


@virtual
async def test_a_bug_in_a_goodbye_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(call_id: str, end: Dismissal) -> None:
        raise ZeroDivisionError("a bug")

    stays = Stays(LimitSettings(call_seconds=1), (fail,))
    with caplog.at_level(logging.ERROR):
        stays.observe("a", CallStarted(at=asyncio.get_running_loop().time(), language="en"))
        await asyncio.sleep(2)
    assert "ZeroDivisionError: a bug" in caplog.text


async def test_a_caller_is_told_and_said_goodbye_to() -> None:
    limits = {"call_seconds": 2.0}
    persona = {"en": {"greeting": "Hi.", "goodbye": "Bye now."}}
    async with home("x", limits=limits, personas=persona) as (url, _):
        async with Caller(url, settings=HERE) as caller:
            await greeting(caller, expected=True)
            told = await caller.wait_for("error")
            asked = asyncio.get_running_loop().time()
            ended = await caller.wait_for("call.ended")
    assert told["code"] == "session_expired" and "2 seconds" in told["message"]
    assert ended["reason"] == "limit"
    assert caller.recording.first_voice(asked - 0.5) is not None


async def test_a_client_of_the_protocol_is_told_too() -> None:
    async with home("x", limits={"call_seconds": 0.5}) as (url, app):
        async with aiohttp.ClientSession() as http, http.ws_connect(f"{url}/v1/realtime") as socket:
            events = [message.json() async for message in socket]
    errors = [event["error"] for event in events if event["type"] == "error"]
    assert [error["code"] for error in errors] == ["session_expired"]
