"""Whole lines over real aiortc peers, on the short way and on the stock one."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from aiortc import AudioStreamTrack
from aiortc.rtp import RTP_HISTORY_SIZE
from aiortc.rtp import RtpPacket as Packet
from OpenSSL import SSL

from media import insides, rtp
from media.audio import AudioChunk
from media.dtmf import Key
from media.line import Line
from media.microphone import Microphone
from media.native import native
from media.pacer import Pacer
from media.speaker import Speaker, SpeakerSettings
from tests.census import left_by_each
from tests.media.peers import Playing, connect
from tests.media.talking import (
    Path,
    Talk,
    is_rtp,
    loud_part,
    pitch,
    talk,
    tone,
    tone_seconds,
    until,
)


@pytest.mark.parametrize("path", ["short", "stock"])
async def test_both_sides_hear_each_other_and_a_hang_up_ends_the_line(path: Path) -> None:
    async with talk(path, tone(1.0, 48_000)) as call:
        assert call.line.path == path
        await call.speaker.play(AudioChunk(tone(1.0, 22_050, 660.0), 22_050))
        await until(lambda: len(call.what_was_heard()) > 16_000 * 1.4)
        await until(lambda: len(call.what_was_answered()) > 48_000 * 1.08)
    heard = loud_part(call.what_was_heard(), 16_000)
    assert tone_seconds(heard, 16_000) == pytest.approx(1.0, abs=0.05)
    assert pitch(heard[1600:-1600], 16_000) == pytest.approx(440, abs=3)
    answered = loud_part(call.what_was_answered(), 48_000)
    assert tone_seconds(answered, 48_000) == pytest.approx(1.0, abs=0.05)
    assert pitch(answered[4800:-4800], 48_000) == pytest.approx(660, abs=3)


async def test_while_the_line_runs_its_sockets_are_read_at_the_beat_alone() -> None:
    async with talk("short", tone(1.0, 48_000)) as call:
        await until(lambda: watched(call) == {False})
        before = len(call.heard)
        await until(lambda: len(call.heard) > before + 10)
        assert watched(call) == {False}
        short: Any = call.line._short
        short.ended.set()
        await until(lambda: watched(call) == {True})


async def test_a_patient_listener_has_the_socket_read_at_every_second_beat() -> None:
    async with talk("short", tone(3.0, 48_000)) as call:
        short: Any = call.line._short
        await until(lambda: watched(call) == {False})
        steps, reads = list[int](), list[int]()
        stock_step, stock_hear = short.step, short.hear
        member = call.pacer._slots[0].members[0]
        member.step = lambda tick, due: (steps.append(tick), stock_step(tick, due))[1]
        member.hear = lambda: (reads.append(len(steps)), stock_hear())
        call.microphone.is_patient = True
        if not short.may_rest:
            pytest.skip("no C compiler: what is read late would be taken for late")
        await until(lambda: len(steps) > 40)
        assert len(reads) < 30, "read at each beat though the listener is patient"
        await until(lambda: len(call.heard) > 60)
        assert short.reception.jitter < 0.01, "packets that waited in the socket seem late"
        call.microphone.is_patient = False
        del reads[:], steps[:]
        await until(lambda: len(steps) > 20)
        assert len(reads) > 15
    heard = loud_part(call.what_was_heard(), 16_000)
    assert pitch(heard[1600:-1600], 16_000) == pytest.approx(440, abs=3)


async def test_what_is_said_into_a_rest_leaves_at_the_next_beat() -> None:
    if native() is None:
        pytest.skip("no C compiler: nobody rests")
    async with talk("short", tone(0.1, 48_000)) as call:
        call.microphone.is_patient = True
        await until(lambda: call.speaker.is_at_rest and call.line._rests())
        await until(lambda: call.pacer._slots[0].is_resting)
        await call.speaker.play(AudioChunk(tone(0.2, 48_000, 660.0), 48_000))
        assert not call.pacer._slots[0].is_resting
        await until(lambda: len(loud_part(call.what_was_answered(), 48_000)) > 8_000)


async def test_a_connection_that_the_loop_reads_has_no_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rtp, "Datagrams", asyncio.ReadTransport)  # as by TURN
    async with talk("short", tone(0.1, 48_000)) as call:
        call.microphone.is_patient = True
        await until(lambda: call.speaker.is_at_rest and len(call.heard) > 10)
        # Of two steps at once the second would seem a stall, in which nothing is filled.
        assert not call.line._rests()


async def test_a_beat_that_was_moved_is_not_judged_by_how_it_was_before() -> None:
    if native() is None:
        pytest.skip("no C compiler: nobody knows how long packets waited")
    async with talk("short", tone(0.1, 48_000)) as call:
        short: Any = call.line._short
        await until(lambda: call.speaker.is_at_rest and bool(short.waits))
        short.waits.extend([0.012] * 50)
        assert call.line._advance() == pytest.approx(0.0105, abs=0.001)
        assert call.line._advance() == 0.0


async def test_a_line_whose_step_fails_leaves_its_sockets_to_the_loop() -> None:
    with pytest.raises(ExceptionGroup) as raised:
        async with talk("short", tone(1.0, 48_000)) as call:
            await until(lambda: watched(call) == {False})
            short: Any = call.line._short
            short._inward.reception.tick = broken
            await until(lambda: watched(call) == {True})
    assert raised.group_contains(ArithmeticError)


async def test_a_line_that_has_ended_sends_nothing_that_its_speaker_did_not_say() -> None:
    speaker = Speaker(SpeakerSettings(buffer=10.0))
    async with talk("short", tone(0.1, 48_000), speaker=speaker) as call:
        short: Any = call.line._short
        await speaker.play(AudioChunk(tone(5.0, 48_000, 660.0), 48_000))
        await until(lambda: speaker.played > 0.5)
        short.ended.set()
        await until(lambda: watched(call) == {True})
        await asyncio.sleep(0.3)  # what was queued would have left
        (sent,) = [each for each in (await call.callee.getStats()).values() if is_sent(each)]
        (came,) = [each for each in (await call.caller.getStats()).values() if is_come(each)]
        assert came.packetsReceived == sent.packetsSent > 25


def is_sent(statistics: Any) -> bool:
    return bool(statistics.type == "outbound-rtp")


def is_come(statistics: Any) -> bool:
    return bool(statistics.type == "inbound-rtp")


def watched(call: Talk) -> set[bool]:
    """Whether the loop watches the socket that our side speaks by."""
    short: Any = call.line._short
    pair = short._ice._nominated.get(1)
    return {pair.protocol.transport._is_watched} if pair else set()


def broken(*arguments: object) -> None:
    raise ArithmeticError("a bug")


@pytest.mark.parametrize("path", ["short", "stock"])
async def test_a_line_that_is_over_leaves_nothing_behind(path: Path) -> None:
    async def hold() -> None:
        async with talk(path, tone(1.0, 48_000)) as call:
            await call.speaker.play(AudioChunk(tone(0.1, 22_050), 22_050))
            await until(lambda: bool(call.heard and call.answered))

    assert await left_by_each(hold) == {}


@pytest.mark.parametrize("path", ["short", "stock"])
@pytest.mark.parametrize("codec", ["PCMU", "PCMA", "G722"])
async def test_telephone_codecs_are_heard_and_spoken(path: Path, codec: str) -> None:
    async with talk(path, tone(0.8, 48_000), codec=f"audio/{codec}") as call:
        await call.speaker.play(AudioChunk(tone(0.8, 22_050, 660.0), 22_050))
        await until(lambda: len(call.what_was_heard()) > 16_000 * 1.1)
        rate = 16_000 if codec == "G722" else 8_000
        await until(lambda: len(call.what_was_answered()) > rate * 1.0)
    heard = loud_part(call.what_was_heard(), 16_000)
    assert tone_seconds(heard, 16_000) == pytest.approx(0.8, abs=0.1)
    assert pitch(heard[1600:-1600], 16_000) == pytest.approx(440, abs=5)
    answered = loud_part(call.what_was_answered(), rate)
    assert tone_seconds(answered, rate) == pytest.approx(0.8, abs=0.1)
    assert pitch(answered[rate // 10 : -rate // 10], rate) == pytest.approx(660, abs=5)


@pytest.mark.parametrize("path", ["short", "stock"])
async def test_reports_and_statistics_stay_right(path: Path) -> None:
    async with talk(path, tone(3.0, 48_000)) as call:
        async with asyncio.timeout(10):
            while True:
                near = {each.type: each for each in (await call.callee.getStats()).values()}
                far = {each.type: each for each in (await call.caller.getStats()).values()}
                complete = {"remote-inbound-rtp", "remote-outbound-rtp"}
                if complete <= near.keys() and complete <= far.keys():
                    if near["remote-inbound-rtp"].roundTripTime is not None:
                        break
                await asyncio.sleep(0.1)
        assert near["inbound-rtp"].packetsReceived > 20
        assert near["inbound-rtp"].packetsLost == 0
        assert near["outbound-rtp"].packetsSent >= far["inbound-rtp"].packetsReceived > 0
        assert near["outbound-rtp"].bytesSent > 0
        assert far["remote-inbound-rtp"].packetsLost == 0  # what we report of the caller
        assert 0 <= near["remote-inbound-rtp"].roundTripTime < 0.1
        assert near["remote-inbound-rtp"].packetsLost == 0
        assert near["transport"].bytesReceived > 1000
        assert near["transport"].bytesSent > 100
        told = far["remote-outbound-rtp"].remoteTimestamp
        assert abs((datetime.now(UTC) - told).total_seconds()) < 30, "by the clock, from 1900 on"
        assert call.speaker.delay == pytest.approx(0.06, abs=0.06)


async def test_a_key_that_is_pressed_is_told() -> None:
    pressed: list[Key] = []
    microphone, speaker, pacer = Microphone(), Speaker(), Pacer()
    lines: list[Line] = []

    def answer(callee: Any) -> None:
        offer = callee.remoteDescription.sdp
        offered = offer.replace("a=rtpmap:96 opus", "a=rtpmap:101 telephone-event/8000\r\n"
                                "a=rtpmap:96 opus").replace("SAVPF 96", "SAVPF 96 101")  # fmt: skip
        lines.append(
            Line(
                callee.getTransceivers()[0],
                microphone=microphone,
                speaker=speaker,
                pacer=pacer,
                offer=offered,
                on_key=pressed.append,
            )
        )

    async with connect(Playing(tone(1.0, 48_000), 48_000), answer) as (caller, callee):
        assert "a=rtpmap:101 telephone-event/8000" in callee.localDescription.sdp
        running = asyncio.create_task(lines[0].run())
        transport = caller.getSenders()[0].transport
        stock = transport._send_rtp

        async def press(data: bytes) -> None:
            if is_rtp(data) and not pressed:  # every packet is the end of the same key
                extension = 4 + 4 * int.from_bytes(data[14:16]) if data[0] & 0x10 else 0
                head = data[:1] + bytes([101]) + data[2:4] + bytes(4) + data[8 : 12 + extension]
                data = head + bytes([9, 0x8A, 3, 32])
            await stock(data)

        transport._send_rtp = press
        await until(lambda: bool(pressed))
        assert pressed == [Key("9", 0.1)]
        await caller.close()
        await callee.close()
        await running


def repeatable(sender: Any) -> list[Any]:
    """What a sender would send again, found as it finds it when it is asked."""
    found = map(sender._RTCRtpSender__rtp_history.get, range(RTP_HISTORY_SIZE))
    return [each for each in found if each is not None]


async def test_a_packet_that_was_lost_is_sent_again_when_asked_for() -> None:
    async with talk("short", tone(0.1, 48_000)) as call:
        await until(lambda: len(call.what_was_answered()) > 0)
        sender: Any = call.callee.getSenders()[0]
        sent, *_ = repeatable(sender)
        repeated: list[bytes] = []

        async def catch(data: bytes) -> None:
            repeated.append(data)

        sender.transport._send_rtp, stock = catch, sender.transport._send_rtp
        await sender._retransmit(sent.sequence_number)
        sender.transport._send_rtp = stock
        assert len(repeated) == 1
        assert Packet.parse(repeated[0]).sequence_number == sent.sequence_number


async def test_only_packets_that_could_come_in_time_are_kept_to_be_sent_again() -> None:
    async with talk("short", tone(0.1, 48_000)) as call:
        await call.speaker.play(AudioChunk(tone(1.0, 48_000), 48_000))
        sender: Any = call.callee.getSenders()[0]
        await until(lambda: sender._RTCRtpSender__packet_count > 45)
        kept = [each.sequence_number for each in repeatable(sender)]
    assert len(kept) == 32
    assert (max(kept) - min(kept)) == 31


async def test_a_call_holds_no_record_buffers_of_openssl_while_no_data_passes() -> None:
    async with connect(AudioStreamTrack(), lambda callee: callee.addTrack(AudioStreamTrack())) as (
        _,
        callee,
    ):
        transceiver = callee.getTransceivers()[0]
        rtp.ShortPath(transceiver, Speaker(), lambda samples: None)
        dtls: Any = transceiver.receiver.transport
        certificate = dtls._RTCDtlsTransport__local_certificate
        context = certificate._create_ssl_context(srtp_profiles=dtls._srtp_profiles)
        assert context.set_mode(0) & SSL.MODE_RELEASE_BUFFERS


async def test_an_unknown_aiortc_takes_the_stock_way_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(insides.KNOWN, "aiortc", ("0.9.",))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            async with talk("short", tone(0.1, 48_000)) as call:
                assert call.line.path == "stock"
                await until(lambda: len(call.what_was_heard()) > 0)
    assert [record.message for record in caplog.records].count(
        "the short media path is off, calls take aiortc's own"
    ) == 1


async def test_a_missing_inside_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(insides._OBJECTS, "dtls", ("_no_such_thing",))
    async with connect(AudioStreamTrack(), lambda callee: callee.addTrack(AudioStreamTrack())) as (
        _,
        callee,
    ):
        assert insides.misfit(callee.getTransceivers()[0]) == "the dtls has no _no_such_thing"


async def test_a_call_reads_no_package_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with connect(AudioStreamTrack(), lambda callee: callee.addTrack(AudioStreamTrack())) as (
        _,
        callee,
    ):
        assert insides.misfit(callee.getTransceivers()[0]) is None
        monkeypatch.setattr(insides, "version", None)
        assert insides.misfit(callee.getTransceivers()[0]) is None


async def test_a_closed_line_leaves_nothing_behind() -> None:
    before = asyncio.all_tasks()
    pacer = Pacer()
    async with talk("short", tone(0.2, 48_000), pacer=pacer) as call:
        await until(lambda: len(call.what_was_heard()) > 3200)
    await asyncio.sleep(0.05)
    assert asyncio.all_tasks() == before
    assert pacer.is_idle


async def test_a_line_that_fails_ends_alone_and_tells_why() -> None:
    pacer = Pacer()

    def broken() -> None:
        raise RuntimeError("broken")

    async with talk("short", tone(1.0, 48_000), pacer=pacer) as good:
        with pytest.RaisesGroup(pytest.RaisesGroup(RuntimeError)):
            async with talk("short", tone(1.0, 48_000), pacer=pacer) as bad:
                await until(lambda: len(bad.what_was_heard()) > 0)
                bad.speaker.leave = broken  # type: ignore[assignment,method-assign]
                await asyncio.sleep(1)
        before = len(good.what_was_heard())
        await until(lambda: len(good.what_was_heard()) > before + 1600)
