from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from media.audio import Samples
from media.codecs import inbound, outbound
from media.dtmf import Key
from media.opus import VOICE_FRAME, OpusSettings
from media.packets import RtpPacket
from media.reception import Reception

OPUS, MU_LAW, EVENT = 96, 0, 101
CODECS = {OPUS: "opus", MU_LAW: "PCMU", EVENT: "telephone-event"}


def tone(seconds: float, rate: int = 24_000) -> Samples:
    turns = np.arange(round(seconds * rate)) * 440 * 2 * np.pi / rate
    return (np.sin(turns) * 10_000).astype(np.int16)


def packets(
    seconds: float, payload_type: int = OPUS, *, sequence: int = 0, timestamp: int = 0
) -> list[RtpPacket]:
    codec = outbound(CODECS[payload_type], OpusSettings())
    assert codec is not None
    sound = tone(seconds)
    return [
        RtpPacket(
            payload_type,
            number == 0,
            (sequence + number) & 0xFFFF,
            (timestamp + number * codec.clock_rate // 50) & 0xFFFFFFFF,
            7,
            codec.encode(sound[number * VOICE_FRAME : (number + 1) * VOICE_FRAME]),
        )
        for number in range(round(seconds * 50))
    ]


class Ear:
    """A reception on a clock of its own: a packet or None (nothing came) per 20 ms."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pieces: list[Samples] = []
        self.reception = Reception(CODECS, self.pieces.append, self.now)

    def hear(self, script: list[RtpPacket | None]) -> Samples:
        """What is heard of the script."""
        before = len(self.pieces)
        for packet in script:
            if packet is not None:
                self.reception.arrive(packet, self.now)
            self.reception.tick(self.now)
            self.now += 0.02
        return np.concatenate([*self.pieces[before:], np.zeros(0, np.int16)])


def loudness(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


def test_sound_comes_out_in_the_moment_its_packet_arrives() -> None:
    ear = Ear()
    for packet in packets(0.2):
        assert len(ear.hear([packet])) == 320


def test_a_lost_packet_is_concealed_and_the_stream_keeps_its_length() -> None:
    sent = packets(1.0)
    missing = {10, 25, 26, 40}
    ear = Ear()
    heard = ear.hear([None if n in missing else packet for n, packet in enumerate(sent)])
    assert len(heard) == 16_000
    assert ear.reception.lost == 4
    assert ear.reception.concealed == pytest.approx(0.08)
    assert loudness(heard[10 * 320 : 11 * 320]) > 3_000  # no hole


def test_a_long_loss_is_concealed_for_a_while_and_silent_then() -> None:
    sent = packets(1.0)
    ear = Ear()
    heard = ear.hear([*sent[:10], *[None] * 20, *sent[30:]])
    assert len(heard) == pytest.approx(16_000, abs=320)
    assert loudness(heard[:3200]) > 3_000
    assert loudness(heard[25 * 320 : 28 * 320]) < 100 or ear.reception.concealed > 0
    assert loudness(heard[-3200:]) > 3_000


def test_what_is_not_sent_is_silence_of_the_same_length() -> None:
    ear = Ear()
    heard = ear.hear([*packets(0.2), *[None] * 100])
    assert len(heard) == pytest.approx(0.2 * 16_000 + 2.0 * 16_000, abs=640)
    assert np.abs(heard[-1600:]).max() == 0


def test_before_the_first_packet_there_is_silence() -> None:
    assert len(Ear().hear([None] * 50)) == pytest.approx(16_000, abs=640)


def test_after_a_pause_in_sending_nothing_is_filled_twice() -> None:
    first = packets(0.2)
    later = packets(0.2, sequence=10, timestamp=(10 + 50) * 960)  # one second of DTX between
    ear = Ear()
    heard = ear.hear([*first, *[None] * 50, *later])
    assert len(heard) == pytest.approx(1.4 * 16_000, abs=640)


def test_a_burst_after_a_stall_is_heard_whole() -> None:
    sent = packets(0.6)
    ear = Ear()
    ear.hear([*sent[:10], *[None] * 5])
    for packet in sent[10:15]:
        ear.reception.arrive(packet, ear.now)
    ear.hear(list(sent[15:]))
    assert ear.reception.lost == 0
    assert ear.reception.concealed == 0.0
    loud = np.concatenate(ear.pieces)
    loud = loud[np.abs(loud) > 0]
    assert len(loud) == pytest.approx(0.6 * 16_000, rel=0.03)


def test_a_stall_of_this_process_is_no_silence_of_the_caller() -> None:
    sent = packets(0.6)
    ear = Ear()
    ear.hear(list(sent[:10]))
    ear.now += 0.3  # the timer fires before the socket is read
    for _ in range(15):
        ear.reception.tick(ear.now)
    for packet in sent[10:25]:
        ear.reception.arrive(packet, ear.now)
    ear.hear(list(sent[25:]))
    assert len(np.concatenate(ear.pieces)) == 30 * 320


def test_after_a_stall_in_which_the_caller_fell_silent_silence_comes_in_time() -> None:
    sent = packets(0.6)
    ear = Ear()
    ear.hear(list(sent[:10]))
    ear.now += 0.4
    for packet in sent[10:]:
        ear.reception.arrive(packet, ear.now)
    assert len(ear.hear([None] * 50)) == pytest.approx(16_000, abs=640)


def silence_began(jitter: float) -> float:
    """Seconds after the last packet at which silence took its place."""
    ear = Ear()
    ear.hear(list(packets(0.2)))
    last = ear.now - 0.02
    if jitter:
        ear.reception.jitter = jitter
    while not len(ear.hear([None])):
        pass
    return ear.now - 0.02 - last


def test_silence_takes_the_place_of_packets_sooner_the_steadier_they_came() -> None:
    assert silence_began(0.0) == pytest.approx(0.06, abs=0.021)
    assert silence_began(0.0275) == pytest.approx(0.18)
    assert silence_began(1.0) == pytest.approx(0.2, abs=0.021)


def test_a_packet_behind_a_gap_is_heard_though_none_comes_after_it() -> None:
    sent = packets(0.3)
    ear = Ear()
    ear.hear([*sent[:10], None])
    ear.reception.arrive(sent[11], ear.now)
    assert loudness(ear.hear([None] * 3)) > 3_000
    assert ear.reception.lost == 1


def test_before_anything_was_measured_there_is_no_jitter_and_a_short_wait() -> None:
    ear = Ear()
    ear.hear(list(packets(0.1)))
    assert ear.reception.jitter == pytest.approx(0.0, abs=1e-6)
    assert 0.0 < ear.reception.wait <= 0.02


@pytest.mark.parametrize("jump", [10_000_000, -10_000_000, 72_000])
def test_a_jump_of_the_timestamps_is_not_heard(jump: int) -> None:
    first = packets(0.2, timestamp=20_000_000)
    later = packets(0.2, sequence=10, timestamp=20_000_000 + jump)
    assert len(Ear().hear([*first, *later])) == 20 * 320


def test_timestamps_and_numbers_may_wrap() -> None:
    sent = packets(0.4, sequence=65_530, timestamp=0xFFFFFFFF - 5 * 960)
    ear = Ear()
    assert len(ear.hear([*sent[:12], None, *sent[13:]])) == 20 * 320
    assert ear.reception.lost == 1


def test_another_ssrc_is_a_new_beginning() -> None:
    ear = Ear()
    ear.hear(list(packets(0.2, sequence=1000)))
    other = packets(0.2, sequence=40_000, timestamp=1)
    for packet in other:
        packet.ssrc = 8
    assert len(ear.hear(list(other))) == 10 * 320


def test_garbage_is_concealed_and_the_next_packet_heard() -> None:
    sent = packets(0.4)
    sent[10].payload = b"\xff\xff\xff"
    sent[12].payload = b""
    ear = Ear()
    heard = ear.hear(list(sent))
    assert len(heard) == 20 * 320
    assert loudness(heard[10 * 320 : 11 * 320]) > 3_000


def test_after_garbage_the_next_packets_may_pass_again() -> None:
    sent = packets(0.4)
    sent[10].payload = b"\xff\xff\xff"
    ear = Ear()
    ear.hear(list(sent[:11]))
    assert ear.reception.next is None
    ear.hear(list(sent[11:12]))
    assert ear.reception.next is not None


def test_what_is_no_audio_takes_its_number_and_is_not_heard() -> None:
    sent = packets(0.2)
    sent[5].payload_type = EVENT
    sent[6].payload_type = 13  # comfort noise, not negotiated
    ear = Ear()
    assert len(ear.hear(list(sent))) == 10 * 320
    assert ear.reception.lost == 0


def test_keys_that_are_pressed_are_told_and_not_heard() -> None:
    pressed: list[Key] = []
    ear = Ear()
    ear.reception = Reception(CODECS, ear.pieces.append, 0.0, on_key=pressed.append)
    sent = packets(0.2)
    for number in (4, 5, 6):
        sent[number].payload_type, sent[number].timestamp = EVENT, 4 * 960
        sent[number].payload = bytes([5, 0x80 if number == 6 else 0]) + (number * 160).to_bytes(2)
    assert len(ear.hear(list(sent))) == 10 * 320
    assert pressed == [Key("5", 0.12)]


def test_the_codec_may_change_in_the_middle() -> None:
    ear = Ear()
    assert len(ear.hear(list(packets(0.2)))) == 10 * 320
    heard = ear.hear(list(packets(0.2, MU_LAW, sequence=10, timestamp=50_000_000)))
    assert len(heard) == 10 * 320
    assert loudness(heard[1600:]) == pytest.approx(7_070, rel=0.1)


def test_jitter_is_measured() -> None:
    ear = Ear()
    generator = np.random.default_rng(1)
    for number, packet in enumerate(packets(2.0, timestamp=3_000_000_000)):
        ear.reception.arrive(packet, number * 0.02 + generator.uniform(0, 0.02))
    assert 0.003 < ear.reception.jitter < 0.012


@pytest.mark.parametrize("codec", ["pcmu", "pcma", "g722"])
def test_telephone_codecs_bring_a_tone_back(codec: str) -> None:
    encoder, decoder = outbound(codec, OpusSettings()), inbound(codec)
    assert encoder is not None and decoder is not None
    sound = tone(1.0)
    payloads = [
        encoder.encode(sound[start : start + VOICE_FRAME])
        for start in range(0, 24_000, VOICE_FRAME)
    ]
    assert {len(payload) for payload in payloads} == {160}
    assert decoder.seconds(payloads[0]) == pytest.approx(0.02)
    heard = np.concatenate([decoder.decode(payload) for payload in payloads])
    assert len(heard) == 16_000
    inside = heard[4_000:12_000]
    spectrum = np.abs(np.fft.rfft(inside * np.hanning(len(inside))))
    assert np.argmax(spectrum) * 2 == pytest.approx(440, abs=4)
    assert loudness(inside) == pytest.approx(7_070, rel=0.1)
    first, second = decoder.conceal(320, None), decoder.conceal(320, None)
    assert loudness(second) < loudness(first) < loudness(inside)


@pytest.mark.parametrize("codec", ["pcmu", "pcma", "g722", "opus"])
def test_silence_of_each_codec_is_quiet(codec: str) -> None:
    encoder, decoder = outbound(codec, OpusSettings()), inbound(codec)
    assert encoder is not None and decoder is not None
    for payload in [encoder.silence for _ in range(50)]:
        assert np.abs(decoder.decode(payload)).max() <= 16


def test_an_unknown_codec_is_none() -> None:
    assert inbound("speex") is None
    assert outbound("speex", OpusSettings()) is None


def test_sound_is_made_up_for_120_ms_at_most_and_the_rest_of_a_gap_is_silence() -> None:
    sent = packets(1.0)
    ear = Ear()
    heard = ear.hear(sent[:10])
    for packet in sent[40:]:  # without a pause: the packets between were sent, and lost
        ear.reception.arrive(packet, ear.now)
        ear.now += 0.05
        ear.reception.tick(ear.now)
    heard = np.concatenate(ear.pieces)
    assert ear.reception.lost == 30
    assert ear.reception.concealed == pytest.approx(0.12)
    assert len(heard) == pytest.approx(16_000, abs=640)


@pytest.mark.parametrize("sequence", [0, 9, 30, 300])
def test_another_source_goes_on_without_a_gap_whatever_its_numbers_are(sequence: int) -> None:
    ear = Ear()
    ear.hear(packets(0.2))
    later = packets(0.2, sequence=sequence, timestamp=48_000 * 3 // 4)
    for packet in later:
        assert len(ear.hear([replace(packet, ssrc=8)])) == 0.02 * 16_000
    assert ear.reception.lost == 0


def test_two_steps_at_once_are_no_stall_and_silence_still_fills_what_is_not_sent() -> None:
    ear = Ear()
    ear.hear(packets(0.2))
    for _ in range(25):
        ear.now += 0.04
        ear.reception.tick(ear.now, 2)
    assert len(np.concatenate(ear.pieces)) == pytest.approx(1.2 * 16_000, abs=1_600)
