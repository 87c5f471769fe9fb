"""The live calls, over real WebRTC on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import threading

import pytest
from aiortc import RTCPeerConnection

from agent.events import CallStarted
from server.conversation import Seat
from server.settings import ServerSettings
from signaling.client import CallFailed
from signaling.errors import BadOffer, CallRefused, CallUnknown
from signaling.ice import IceSettings
from tests.signaling.phone import ICE, Parrot, Phone, phone, tone


async def gone(line: Phone) -> None:
    """Wait until no call is left."""
    async with asyncio.timeout(10):
        while len(line.calls):  # noqa: ASYNC110 - a test looks from outside
            await asyncio.sleep(0.01)


class Faulty(Parrot):
    """A conversation with a bug, found when it hears something."""

    async def run(self) -> None:
        async for chunk in self.seat.microphone:
            if chunk.samples.any():
                raise ZeroDivisionError("a bug")


async def offer() -> str:
    pc = RTCPeerConnection()
    try:
        pc.addTransceiver("audio")
        return str((await pc.createOffer()).sdp)
    finally:
        await pc.close()


async def test_a_caller_hears_what_is_said_in_the_call() -> None:
    async with phone() as line, line.caller() as caller:
        said = await caller.say(tone(0.5))
        heard = await caller.recording.next_voice(said.begin)
        assert said.begin < heard
        started = await caller.wait_for("call.started")
        assert started["call_id"] == caller.call_id
        assert started["language"] == "en"


async def test_a_call_speaks_the_language_that_was_asked_for() -> None:
    async with phone() as line, line.caller(language="ko") as caller:
        assert (await caller.wait_for("call.started"))["language"] == "ko"
        assert line.conversations[0].seat.persona.name == "추임새"


async def test_hanging_up_frees_the_line_and_leaves_nothing_behind() -> None:
    async with phone() as line:
        async with line.caller() as caller:
            await caller.wait_for("call.started")
            await caller.hang_up()
            assert len(line.calls) == 0
            assert (await caller.wait_for("call.ended"))["reason"] == "hangup"
            await caller.ended()
        assert line.reasons() == ["hangup"]
        names = [task.get_name() for task in asyncio.all_tasks()]
        assert not [name for name in names if name.startswith("call ")]
        assert not [each for each in threading.enumerate() if each.name == "audio-decoder"]


async def test_a_caller_that_leaves_ends_its_call() -> None:
    async with phone() as line:
        async with line.caller() as caller:
            await caller.wait_for("call.started")
        await gone(line)
        assert line.reasons() == ["left"]


async def test_messages_are_obeyed_in_order() -> None:
    async with phone() as line, line.caller() as caller:
        await caller.wait_for("call.started")
        for message in ({"type": "interrupt"}, {"type": "language", "language": "ko"}):
            caller.send(message)
        caller.send({"type": "ping"})
        await caller.wait_for("pong")
        assert line.conversations[0].told == ["interrupt", "ko"]
        caller.send({"type": "language", "language": "fr"})
        assert (await caller.wait_for("error"))["code"] == "unknown_language"
        caller.send({"type": "hangup"})
        assert (await caller.wait_for("call.ended"))["reason"] == "hangup"
        await gone(line)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("nonsense", "bad_json"),
        (b"\x00\xff", "bad_json"),
        ("[1]", "bad_message"),
        ('{"type":"sing"}', "unknown_type"),
        (json.dumps({"type": "x" * 65_530}), "message_too_large"),
        (json.dumps({"type": "x" * 200_000}), "message_too_large"),
    ],
)
async def test_a_message_that_is_none_is_answered_and_the_call_goes_on(
    message: str | bytes, code: str
) -> None:
    async with phone() as line, line.caller() as caller:
        await caller.wait_for("call.started")
        caller.send(message)
        assert (await caller.wait_for("error"))["code"] == code
        caller.send({"type": "ping"})
        await caller.wait_for("pong")


async def test_a_message_of_a_megabyte_is_answered_and_disturbs_no_call() -> None:
    async with phone() as line, line.caller() as rude, line.caller() as polite:
        await rude.wait_for("call.started")
        await polite.wait_for("call.started")
        rude.send_unchecked("x" * 1_000_000)
        said = await polite.say(tone(0.5))
        assert await polite.recording.next_voice(said.begin) > said.begin
        assert (await rude.wait_for("error"))["code"] == "message_too_large"
        for caller in (rude, polite):
            caller.send({"type": "ping"})
            await caller.wait_for("pong")


async def test_a_message_that_does_not_end_ends_its_call_and_no_other() -> None:
    async with phone() as line, line.caller() as rude, line.caller() as polite:
        await rude.wait_for("call.started")
        rude.send_unchecked("x" * 30_000_000)
        await rude.ended()
        await gone_but(line, polite.call_id)
        assert line.reasons() == ["flooded"]
        said = await polite.say(tone(0.3))
        assert await polite.recording.next_voice(said.begin) > said.begin


async def test_a_flood_of_messages_is_answered_and_bounded() -> None:
    async with phone() as line, line.caller() as caller:
        await caller.wait_for("call.started")
        for _ in range(500):
            caller.send("?")
        caller.send({"type": "ping"})
        await caller.wait_for("pong")
        said = await caller.say(tone(0.3))
        assert await caller.recording.next_voice(said.begin) > said.begin


async def test_the_limit_counts_calls_that_are_being_answered() -> None:
    async with phone(server=ServerSettings(max_calls=3)) as line:
        sdp = await offer()
        results = await asyncio.gather(
            *(line.calls.answer(sdp, None) for _ in range(6)), return_exceptions=True
        )
        refused = [result for result in results if isinstance(result, CallRefused)]
        assert len(refused) == 3
        assert {result.code for result in refused} == {"busy"}
        assert len(line.calls) == 3


async def test_a_refused_offer_frees_its_line() -> None:
    async with phone(server=ServerSettings(max_calls=1)) as line:
        for _ in range(3):
            with pytest.raises(BadOffer):
                await line.calls.answer("v=0\r\n", None)
        assert len(line.calls) == 0
        await line.calls.answer(await offer(), None)


async def test_a_peer_that_never_connects_is_cleaned_up() -> None:
    ice = IceSettings(bind=("127.0.0.1",), connect_timeout=0.2)
    async with phone(ice=ice) as line:
        await line.calls.answer(await offer(), None)
        assert len(line.calls) == 1
        await gone(line)
        assert line.reasons() == ["never_connected"]
        assert line.conversations == []


async def test_a_peer_that_goes_silent_is_cleaned_up_and_one_that_speaks_is_not() -> None:
    ice = ICE.model_copy(update={"silent_timeout": 0.6})
    strict = ServerSettings(resume_within=0.0)
    async with (
        phone(ice=ice, server=strict) as line,
        line.caller() as lost,
        line.caller() as alive,
    ):
        await lost.wait_for("call.started")
        lost.voice.is_cut = True
        assert (await lost.wait_for("call.ended"))["reason"] == "lost"
        await gone_but(line, alive.call_id)


async def test_a_bug_ends_its_call_and_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def make(seat: Seat) -> Parrot:
        return Faulty(seat) if seat.persona.language == "ko" else Parrot(seat)

    async with phone(make) as line, line.caller(language="ko") as unlucky, line.caller() as other:
        with caplog.at_level(logging.ERROR):
            with contextlib.suppress(CallFailed):
                await unlucky.say(tone(0.2))
            ended = await unlucky.wait_for("call.ended")
        assert ended["reason"] == "failed"
        assert (await unlucky.wait_for("error"))["fatal"] is True
        assert "ZeroDivisionError: a bug" in caplog.text
        said = await other.say(tone(0.3))
        assert await other.recording.next_voice(said.begin) > said.begin
        await gone_but(line, other.call_id)
        assert line.reasons() == ["failed"]


async def gone_but(line: Phone, call_id: str) -> None:
    async with asyncio.timeout(5):
        while len(line.calls) > 1:  # noqa: ASYNC110 - a test looks from outside
            await asyncio.sleep(0.01)
    assert call_id in line.calls


async def test_a_bug_before_the_conversation_ends_the_call_too() -> None:
    def make(seat: Seat) -> Parrot:
        raise RuntimeError("cannot be made")

    async with phone(make) as line, line.caller() as caller:
        assert (await caller.wait_for("call.ended"))["reason"] == "failed"
        await gone(line)


async def test_draining_says_goodbye_to_every_call() -> None:
    async with phone() as line, line.caller() as first, line.caller() as second:
        for caller in (first, second):
            await caller.wait_for("call.started")
        now = asyncio.get_running_loop().time()
        await line.calls.drain()
        assert len(line.calls) == 0
        for caller in (first, second):
            assert (await caller.wait_for("call.ended"))["reason"] == "shutdown"
            assert caller.recording.first_voice(now) is not None
        assert line.reasons() == ["shutdown", "shutdown"]


async def test_draining_ends_who_does_not_stop_talking() -> None:
    class Endless(Parrot):
        async def farewell(self, reason: str) -> None:
            await asyncio.Event().wait()

    async with phone(Endless, server=ServerSettings(shutdown_grace=0.1)) as line:
        async with line.caller() as caller:
            await caller.wait_for("call.started")
            await line.calls.drain()
            assert len(line.calls) == 0
            assert (await caller.wait_for("call.ended"))["reason"] == "shutdown"


async def test_nobody_is_let_in_while_draining() -> None:
    async with phone() as line:
        await line.calls.drain()
        with pytest.raises(CallRefused) as refusal:
            await line.calls.answer(await offer(), None)
        assert refusal.value.code == "stopping"


async def test_an_unknown_call_cannot_be_hung_up() -> None:
    async with phone() as line:
        with pytest.raises(CallUnknown):
            await line.calls.hang_up("nobody")


async def test_calls_leave_no_connection_behind() -> None:
    async with phone() as line:
        for _ in range(3):
            async with line.caller() as caller:
                await caller.wait_for("call.started")
            await gone(line)
        gc.collect()
        left = [each for each in gc.get_objects() if isinstance(each, RTCPeerConnection)]
        assert [each.connectionState for each in left if each.connectionState != "closed"] == []
        assert sum(isinstance(event, CallStarted) for _, event in line.events) == 3
