"""One peer of the server's, and a real aiortc peer on the other side."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from media.microphone import Microphone
from media.pacer import Pacer
from media.speaker import Speaker
from signaling.errors import BadOffer
from signaling.gathering import Gatherer
from signaling.ice import IceSettings
from signaling.offer import check_offer, longest_message
from signaling.peer import WAITING_MESSAGES, Peer
from signaling.voice_track import VoiceTrack
from tests.signaling.phone import tone

HERE = IceSettings(bind=("127.0.0.1",), connect_timeout=3.0)


@asynccontextmanager
async def peers(
    settings: IceSettings = HERE, microphone: Microphone | None = None
) -> AsyncGenerator[tuple[Peer, RTCPeerConnection, list[str | bytes]], None]:
    """The server's peer, and a caller's connection that has an audio track to offer."""
    taken: list[str | bytes] = []
    speaker = Speaker()
    peer = Peer(
        settings=settings,
        gatherer=Gatherer(settings),
        microphone=microphone or Microphone(),
        speaker=speaker,
        pacer=Pacer(),
        on_message=taken.append,
    )
    caller = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    caller.addTrack(VoiceTrack())
    try:
        yield peer, caller, taken
    finally:
        await caller.close()
        await peer.close()
        speaker.close()


async def connect(peer: Peer, caller: RTCPeerConnection) -> str:
    """Negotiate and connect both; the answer."""
    Gatherer(HERE).prepare(caller)
    await caller.setLocalDescription(await caller.createOffer())
    answer = await peer.answer(caller.localDescription.sdp)
    await caller.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    assert await peer.connected() is None
    return answer


async def test_the_callers_audio_reaches_the_microphone_and_the_speakers_the_caller() -> None:
    microphone = Microphone()
    async with peers(microphone=microphone) as (peer, caller, _):
        await connect(peer, caller)
        running = asyncio.ensure_future(peer.run())
        await peer._speaker.play(tone(0.3))
        async with asyncio.timeout(5):
            frame = await caller.getTransceivers()[0].receiver.track.recv()
            chunk = await anext(microphone)
        assert frame.samples == 960
        assert (len(chunk), chunk.rate) == (320, 16_000)
        await caller.close()
        async with asyncio.timeout(5):
            assert await running == "left"
        assert peer.gone == "left"


async def test_the_answer_names_the_bound_address_and_has_one_voice() -> None:
    async with peers() as (peer, caller, _):
        answer = await connect(peer, caller)
        candidates = [line for line in answer.splitlines() if line.startswith("a=candidate:")]
        assert {line.split()[4] for line in candidates} == {"127.0.0.1"}
        assert answer.count("m=audio") == 1
        assert "opus/48000/2" in answer


async def test_messages_wait_for_the_channel_and_the_oldest_make_room() -> None:
    async with peers() as (peer, caller, taken):
        for number in range(WAITING_MESSAGES + 10):
            peer.send(str(number))
        received: list[str] = []
        channel = caller.createDataChannel("whatever")
        channel.on("message", received.append)
        await connect(peer, caller)
        async with asyncio.timeout(5):
            while len(received) < WAITING_MESSAGES:  # noqa: ASYNC110 - seen from outside
                await asyncio.sleep(0.01)
        assert received == [str(number) for number in range(10, WAITING_MESSAGES + 10)]
        channel.send("hello")
        async with asyncio.timeout(5):
            while not taken:  # noqa: ASYNC110 - seen from outside
                await asyncio.sleep(0.01)
        assert taken == ["hello"]
        await peer.flush(1.0)


async def test_the_channel_opened_last_is_the_one_spoken_on() -> None:
    async with peers() as (peer, caller, taken):
        first = caller.createDataChannel("first")
        await connect(peer, caller)
        async with asyncio.timeout(5):
            while first.readyState != "open":  # noqa: ASYNC110 - seen from outside
                await asyncio.sleep(0.01)
        second = caller.createDataChannel("second")
        received: list[str] = []
        second.on("message", received.append)
        async with asyncio.timeout(5):
            while second.readyState != "open":  # noqa: ASYNC110 - seen from outside
                await asyncio.sleep(0.01)
            while not received:
                peer.send("word")
                await asyncio.sleep(0.02)
        first.send("still heard")
        async with asyncio.timeout(5):
            while "still heard" not in taken:  # noqa: ASYNC110 - seen from outside
                await asyncio.sleep(0.01)


async def test_who_reads_no_messages_is_hung_up_on_and_none_is_left_out() -> None:
    async with peers() as (peer, caller, _):
        channel = caller.createDataChannel("control")
        received: list[str] = []
        channel.on("message", received.append)
        await connect(peer, caller)
        carrying = asyncio.create_task(peer.run())
        async with asyncio.timeout(5):
            while channel.readyState != "open":  # noqa: ASYNC110 - seen from outside
                await asyncio.sleep(0.01)
            peer.send("0")
            while not received:  # noqa: ASYNC110 - seen from outside
                await asyncio.sleep(0.01)
        sent = 0
        while sent < 100:
            sent += 1
            peer.send(f"{sent}".ljust(60_000))
        async with asyncio.timeout(5):
            assert await carrying == "flooded"
        assert [int(message) for message in received] == list(range(len(received)))


async def test_closing_is_idempotent_and_ends_the_carrying() -> None:
    async with peers() as (peer, caller, _):
        await connect(peer, caller)
        running = asyncio.ensure_future(peer.run())
        await asyncio.sleep(0.05)
        await peer.close()
        await peer.close()
        async with asyncio.timeout(5):
            assert await running == "left"


async def test_a_peer_that_was_never_used_can_be_closed() -> None:
    async with peers() as (peer, _, _):
        await peer.close()
        peer.send("into the void")


async def test_who_never_connects_is_told_of() -> None:
    settings = HERE.model_copy(update={"connect_timeout": 0.1})
    async with peers(settings) as (peer, caller, _):
        await caller.setLocalDescription(await caller.createOffer())
        await peer.answer(caller.localDescription.sdp)
        assert await peer.connected() == "never_connected"


@pytest.mark.parametrize(
    ("sdp", "code"),
    [
        ("", "bad_sdp"),
        ("hello", "bad_sdp"),
        ("v=0\r\n", "no_audio"),
        ("v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n", "no_audio"),
        ("v=0\r\nm=audio 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n", "no_audio"),
        ("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=recvonly\r\na=mid:0\r\n", "no_audio"),
        ("v=0\r\n" + "m=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n" * 2, "bad_sdp"),
        (
            "v=0\r\na=group:BUNDLE 7\r\nm=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n",
            "bad_sdp",
        ),
        (
            "v=0\r\n"
            + "".join(f"m=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:{n}\r\n" for n in range(9)),
            "bad_sdp",
        ),
        ("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\nm=text 9 TCP 1\r\na=mid:1\r\n",
         "bad_sdp"),
    ],
)  # fmt: skip
def test_what_is_no_offer_of_a_call_is_refused(sdp: str, code: str) -> None:
    with pytest.raises(BadOffer) as refusal:
        check_offer(sdp)
    assert refusal.value.code == code


async def test_a_browser_that_hides_its_address_is_found_by_its_own_checks() -> None:
    async with peers() as (peer, caller, _):
        Gatherer(HERE).prepare(caller)
        await caller.setLocalDescription(await caller.createOffer())
        sdp = caller.localDescription.sdp
        hidden = sdp.replace(" 127.0.0.1 ", " 5b1f6a9e-7c44-4c02-8d0b-0f4d1c9a2e11.local ")
        assert "a=end-of-candidates" in hidden and hidden != sdp
        answer = await peer.answer(hidden)
        await asyncio.sleep(0.2)
        await caller.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        async with asyncio.timeout(5):
            assert await peer.connected() is None


@pytest.mark.parametrize(
    ("line", "longest"),
    [
        ("", 65_536),
        ("a=max-message-size:262144\r\n", 262_144),
        ("a=max-message-size:0\r\n", sys.maxsize),
        ("a=max-message-size:many\r\n", 65_536),
        ("a=max-message-size:٣\r\n", 65_536),
        (f"a=max-message-size:{'9' * 5000}\r\n", 10**18 - 1),
    ],
)
def test_a_peer_says_how_long_its_messages_may_be(line: str, longest: int) -> None:
    assert longest_message(f"v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc\r\n{line}") == longest
