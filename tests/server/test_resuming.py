"""A call whose connection breaks goes on over another, over real WebRTC on loopback."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiortc import RTCPeerConnection

from agent.events import CallerAway, CallerBack, Event, HistoryChanged, PhaseChanged
from server.app import CALLS, create_app, listening
from server.settings import ServerSettings
from server.talk import exchange, greeting
from signaling.client import Caller, CallFailed
from signaling.errors import CallUnknown, ResumeRefused
from signaling.ice import IceSettings
from signaling.peer import Peer
from tests.server.house import settings, spoken, stages
from tests.signaling.cutting import cut
from tests.signaling.phone import ICE, Phone, phone, tone

WATCHFUL = ICE.model_copy(update={"silent_timeout": 0.6})
PATIENT = ServerSettings(resume_within=20.0)
HASTY = ServerSettings(resume_within=0.5)


async def until(line: Phone, kind: type[Event]) -> None:
    """Wait until something of this kind was observed."""
    async with asyncio.timeout(10):
        while not any(isinstance(event, kind) for _, event in line.events):  # noqa: ASYNC110 - seen from outside
            await asyncio.sleep(0.02)


async def gone(line: Phone) -> None:
    async with asyncio.timeout(10):
        while len(line.calls):  # noqa: ASYNC110 - seen from outside
            await asyncio.sleep(0.01)


async def offered(caller: Caller, **body: object) -> tuple[int, str]:
    """Offer over HTTP what no good client would; status and error code."""
    whole = {"sdp": "v=0\r\n", "type": "offer", **body}
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{caller.url}/offer", json=whole) as response:
            return response.status, (await response.json())["error"]["code"]


async def test_a_conversation_goes_on_and_its_history_is_whole() -> None:
    configured = settings(ice={"bind": ["127.0.0.1"], "silent_timeout": 0.6})
    histories: list[list[str]] = []

    def keep(call_id: str, event: Event) -> None:
        if isinstance(event, HistoryChanged):
            histories.append([message.text for message in event.messages])

    async with stages("hello there", "thank you") as standing:
        app = create_app(configured, standing, observers=[keep])
        async with (
            listening(app, configured.server) as url,
            Caller(url, settings=IceSettings(bind=("127.0.0.1",))) as caller,
        ):
            await greeting(caller, expected=True)
            first = await exchange(caller, await spoken("Hello there."))
            call_id = caller.call_id
            cut(caller)
            await asyncio.sleep(1.5)
            await caller.reconnect()
            await caller.wait_for("call.resumed")
            second = await exchange(caller, await spoken("Thank you very much."))
            assert caller.call_id == call_id
            assert len(app[CALLS]) == 1
    assert first.outcome is not None and second.outcome is not None
    assert second.outcome["turn"] == first.outcome["turn"] + 1
    said = histories[-1]
    assert said[-4:-2] == ["hello there", first.outcome["reply"]]
    assert said[-2:] == ["thank you", second.outcome["reply"]]
    assert [each["type"] for each in caller.messages].count("call.started") == 1


async def test_a_cut_call_is_heard_and_answered_over_the_new_connection() -> None:
    async with phone(ice=WATCHFUL, server=PATIENT) as line, line.caller() as caller:
        await caller.wait_for("call.started")
        cut(caller)
        await until(line, CallerAway)
        await caller.reconnect()
        resumed = await caller.wait_for("call.resumed")
        assert resumed["call_id"] == caller.call_id and resumed["away"] > 0
        said = await caller.say(tone(0.4))
        assert await caller.recording.next_voice(said.begin) > said.begin
        assert line.conversations[0].told == ["hold", "release"]
        assert len(line.conversations) == len(line.calls) == 1
        caller.send({"type": "ping"})
        await caller.wait_for("pong")


async def test_what_was_missed_is_told_once_and_in_order() -> None:
    async with phone(ice=WATCHFUL, server=PATIENT) as line, line.caller() as caller:
        await caller.wait_for("call.started")
        cut(caller)
        emit = line.conversations[0].seat.emit
        for phase in ("hearing", "thinking", "speaking"):
            emit(PhaseChanged(at=asyncio.get_running_loop().time(), phase=phase))
        await caller.reconnect()
        await caller.wait_for("call.resumed")
        told = [each.get("phase", each["type"]) for each in caller.messages]
        assert told == ["call.started", "hearing", "thinking", "speaking", "call.resumed"]


async def test_the_agents_words_wait_for_the_caller() -> None:
    async with phone(ice=WATCHFUL, server=PATIENT) as line, line.caller() as caller:
        await caller.wait_for("call.started")
        speaker = line.conversations[0].seat.speaker
        cut(caller)
        await until(line, CallerAway)
        speaker.clear()
        held = speaker.played
        await speaker.play(tone(0.3))
        await asyncio.sleep(0.5)
        assert speaker.played == held
        await caller.reconnect()
        back = asyncio.get_running_loop().time()
        assert await caller.recording.next_voice(back) > back
        async with asyncio.timeout(5):
            assert await speaker.reached(held + 0.25)


async def test_a_connection_that_is_heard_again_needs_no_other() -> None:
    async with phone(ice=WATCHFUL, server=PATIENT) as line, line.caller() as caller:
        await caller.wait_for("call.started")
        caller.voice.is_cut = True
        await until(line, CallerAway)
        caller.voice.is_cut = False
        await until(line, CallerBack)
        await caller.wait_for("call.resumed")
        said = await caller.say(tone(0.3))
        assert await caller.recording.next_voice(said.begin) > said.begin


async def test_who_does_not_come_back_is_lost() -> None:
    async with phone(ice=WATCHFUL, server=HASTY) as line, line.caller() as caller:
        await caller.wait_for("call.started")
        cut(caller)
        await gone(line)
        assert line.reasons() == ["lost"]
        with pytest.raises(CallFailed) as failure:
            await caller.reconnect()
        assert (failure.value.status, failure.value.code) == (404, "unknown_call")


async def test_a_wrong_token_is_refused_and_the_call_goes_on() -> None:
    async with phone(server=PATIENT) as line, line.caller() as caller:
        await caller.wait_for("call.started")
        whose = {"call_id": caller.call_id}
        for token in ("", "wrong", caller.resume_token[:-1], caller.resume_token + "x", "토큰"):
            assert await offered(caller, **whose, resume_token=token) == (403, "bad_token")
        assert await offered(caller, call_id="nobody", resume_token="x") == (404, "unknown_call")
        assert await offered(caller, **whose) == (400, "bad_offer")
        assert await offered(caller, resume_token=caller.resume_token) == (400, "bad_offer")
        good = {**whose, "resume_token": caller.resume_token}
        assert await offered(caller, **good, received=-1) == (400, "bad_offer")
        assert (await offered(caller, **good))[0] == 400
        said = await caller.say(tone(0.3))
        assert await caller.recording.next_voice(said.begin) > said.begin
        with pytest.raises(ResumeRefused):
            await line.calls.resume("v=0\r\n", caller.call_id, "wrong", None)


async def test_a_resumed_call_takes_no_second_line() -> None:
    async with phone(ice=WATCHFUL, server=ServerSettings(max_calls=1)) as line:
        async with line.caller() as caller:
            await caller.wait_for("call.started")
            for _ in range(2):
                await caller.reconnect()
                await caller.wait_for("call.resumed")
                assert len(line.calls) == 1
            with pytest.raises(CallFailed) as failure:
                async with line.caller():
                    pass
            assert failure.value.code == "busy"
        await gone(line)
        async with line.caller() as next_caller:
            await next_caller.wait_for("call.started")


async def test_two_offers_at_once_leave_one_connection() -> None:
    async with phone(ice=WATCHFUL, server=PATIENT) as line, line.caller() as caller:
        await caller.wait_for("call.started")
        rival = Caller(line.url, settings=ICE)
        rival.call_id, rival.resume_token = caller.call_id, caller.resume_token
        cut(caller)
        outcomes = await asyncio.gather(
            caller.reconnect(), rival.__aenter__(), return_exceptions=True
        )
        won = [each for each in outcomes if not isinstance(each, Exception)]
        assert won
        assert len(line.calls) == 1
        winner = rival if not rival.is_gone and not isinstance(outcomes[1], Exception) else caller
        said = await winner.say(tone(0.3))
        assert await winner.recording.next_voice(said.begin) > said.begin
        if not isinstance(outcomes[1], Exception):
            await rival.__aexit__(None, None, None)


async def test_hanging_up_ends_a_call_that_nobody_is_in() -> None:
    async with phone(ice=WATCHFUL, server=PATIENT) as line, line.caller() as caller:
        await caller.wait_for("call.started")
        cut(caller)
        await until(line, CallerAway)
        await caller.hang_up()
        assert len(line.calls) == 0
        assert line.reasons() == ["hangup"]
        with pytest.raises(CallUnknown):
            await line.calls.resume("v=0\r\n", caller.call_id, caller.resume_token, None)


async def test_leaving_and_a_hang_up_over_the_new_connection_end_the_call_at_once() -> None:
    async with phone(ice=WATCHFUL, server=PATIENT) as line:
        async with line.caller() as caller:
            await caller.reconnect()
            caller.send({"type": "hangup"})
            assert (await caller.wait_for("call.ended"))["reason"] == "hangup"
            await gone(line)
        async with line.caller() as caller:
            await caller.reconnect()
        await gone(line)
        assert line.reasons() == ["hangup", "left"]


async def test_a_server_that_stops_says_no_goodbye_to_who_is_away() -> None:
    async with phone(ice=WATCHFUL, server=PATIENT) as line, line.caller() as caller:
        await caller.wait_for("call.started")
        cut(caller)
        await until(line, CallerAway)
        await line.calls.drain()
        assert line.conversations[0].told == ["hold"]
        assert line.reasons() == ["shutdown"]


async def test_reconnecting_leaves_no_connection_behind() -> None:
    async with phone(ice=WATCHFUL, server=PATIENT) as line:
        async with line.caller() as caller:
            await caller.wait_for("call.started")
            for _ in range(3):
                await caller.reconnect()
                await caller.wait_for("call.resumed")
        await gone(line)
        gc.collect()
        left = [each for each in gc.get_objects() if isinstance(each, RTCPeerConnection)]
        assert [each for each in left if each.connectionState != "closed"] == []


def meanwhile(
    monkeypatch: pytest.MonkeyPatch, happens: Callable[[], Awaitable[None]]
) -> list[Peer]:
    """Have this happen while an offer is answered; the peers that answer one."""
    stock, peers = Peer.answer, list[Peer]()

    async def answer(self: Peer, sdp: str) -> str:
        peers.append(self)
        answered = await stock(self, sdp)
        await happens()
        return answered

    monkeypatch.setattr(Peer, "answer", answer)
    return peers


async def test_a_call_that_ends_while_its_next_connection_is_made_leaves_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with phone(ice=WATCHFUL, server=PATIENT) as line, line.caller() as caller:
        await caller.wait_for("call.started")
        peers = meanwhile(monkeypatch, lambda: line.calls.hang_up(caller.call_id))
        with pytest.raises(CallFailed) as failure:
            await caller.reconnect()
        assert (failure.value.status, failure.value.code) == (404, "unknown_call")
        assert [peer._is_closed for peer in peers] == [True]
        assert len(line.calls) == 0


async def test_an_offer_that_cannot_be_answered_leaves_no_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with phone(ice=WATCHFUL, server=PATIENT) as line, line.caller() as caller:
        await caller.wait_for("call.started")
        peers = meanwhile(monkeypatch, lambda: asyncio.sleep(0))
        whose = {"call_id": caller.call_id, "resume_token": caller.resume_token}
        assert (await offered(caller, **whose))[0] == 400
        assert [peer._is_closed for peer in peers] == [True]


async def test_the_old_connection_may_be_closed_while_the_new_one_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with phone(ice=WATCHFUL, server=PATIENT) as line, line.caller() as caller:
        await caller.wait_for("call.started")
        former = caller._connection
        assert former is not None

        async def close() -> None:
            await former.close()
            await asyncio.sleep(0.3)  # the server hears of it

        meanwhile(monkeypatch, close)
        await caller.reconnect()
        await caller.wait_for("call.resumed")
        assert len(line.calls) == 1


class Doomed:
    """A conversation that fails in the moment it begins."""

    def __init__(self, seat: object) -> None: ...

    async def run(self) -> None:
        raise ZeroDivisionError("a bug")

    def hold(self) -> None: ...
    def release(self) -> None: ...


async def test_a_bug_right_after_connecting_is_told_to_the_client() -> None:
    async with phone(Doomed) as line:
        async with line.caller() as caller:
            error = await caller.wait_for("error")
            assert (error["code"], error["fatal"]) == ("internal", True)
            assert (await caller.wait_for("call.ended"))["reason"] == "failed"
        assert line.reasons() == ["failed"]
