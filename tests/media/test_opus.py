from __future__ import annotations

import numpy as np
import opuslib.api.ctl as ctl
import opuslib.api.decoder as decoder_api
import opuslib.api.encoder as encoder_api
import pytest

from media.audio import Samples
from media.opus import (
    FRAME,
    FRAME_SECONDS,
    WIRE_RATE,
    BadPacket,
    Decoder,
    Encoder,
    Mode,
    OpusSettings,
    packet_seconds,
    silent_packets,
)


def tone(seconds: float, rate: int = WIRE_RATE, hertz: float = 440.0) -> Samples:
    turns = np.arange(round(seconds * rate)) * hertz * 2 * np.pi / rate
    return (np.sin(turns) * 10_000).astype(np.int16)


def encoded(samples: Samples, encoder: Encoder | None = None) -> list[bytes]:
    encoder = encoder or Encoder()
    return [encoder.encode(samples[i : i + FRAME]) for i in range(0, len(samples), FRAME)]


def loudness(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


def pitch(samples: Samples, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


def noise(seconds: float) -> Samples:
    samples = np.random.default_rng(1).standard_normal(round(seconds * WIRE_RATE))
    return (samples * 3000).astype(np.int16)


def bits_per_second(encoder: Encoder) -> float:
    packets = encoded(noise(1.0), encoder)
    return sum(map(len, packets)) * 8 / (len(packets) * FRAME_SECONDS)


def told(encoder: Encoder, request: object) -> int:
    """What libopus answers when it is asked how it encodes."""
    return int(encoder_api.encoder_ctl(encoder._encoder.encoder_state, request))


def test_a_tone_comes_back_at_16_khz_mono_with_its_pitch_and_loudness() -> None:
    decoder = Decoder(16_000)
    heard = np.concatenate([decoder.decode(packet) for packet in encoded(tone(1.0))])
    assert len(heard) == 16_000
    assert pitch(heard[4000:12000], 16_000) == pytest.approx(440, abs=3)
    assert loudness(heard[4000:12000]) == pytest.approx(loudness(tone(1.0)), rel=0.1)


def test_the_packets_keep_to_the_bit_rate() -> None:
    for bitrate in (12_000, 24_000, 48_000):
        encoder = Encoder(OpusSettings(bitrate=bitrate))
        assert bits_per_second(encoder) == pytest.approx(bitrate, rel=0.15)
        assert (encoder.bitrate, encoder.fec) == (bitrate, False)


def test_a_stream_becomes_smaller_and_larger_again_as_it_is_adapted() -> None:
    encoder = Encoder()
    for bitrate in (12_000, 28_000, 12_000, 24_000):
        encoder.adapt(bitrate=bitrate, fec=False, loss=0.0)
        assert encoder.bitrate == bitrate
        assert bits_per_second(encoder) == pytest.approx(bitrate, rel=0.15)


def test_a_stream_with_fec_becomes_smaller_and_larger_again_as_it_is_adapted() -> None:
    encoder = Encoder()
    sizes = []
    for bitrate in (12_000, 28_000, 12_000, 28_000):
        encoder.adapt(bitrate=bitrate, fec=True, loss=0.1)
        sizes.append(bits_per_second(encoder))
    assert min(sizes[1], sizes[3]) > 1.5 * max(sizes[0], sizes[2])


def test_libopus_is_told_how_much_loss_to_prepare_for_and_when_it_is_over() -> None:
    encoder = Encoder()
    assert told(encoder, ctl.get_packet_loss_perc) == 0
    asked = [(True, 0.15, 15), (True, 0.4, 40), (True, 9.0, 100), (False, 0.0, 0)]
    for fec, loss, percent in asked:
        encoder.adapt(bitrate=16_000, fec=fec, loss=loss)
        assert told(encoder, ctl.get_packet_loss_perc) == percent
        assert bool(told(encoder, ctl.get_inband_fec)) == encoder.fec == fec


@pytest.mark.parametrize("mode", ["lowdelay", "audio", "voip"])
def test_each_mode_brings_a_tone_back(mode: Mode) -> None:
    decoder = Decoder(16_000)
    packets = encoded(tone(1.0), Encoder(OpusSettings(mode=mode)))
    heard = np.concatenate([decoder.decode(packet) for packet in packets])
    assert len(heard) == 16_000
    assert pitch(heard[4000:12000], 16_000) == pytest.approx(440, abs=3)


def test_a_packet_of_120_ms_the_longest_there_is_comes_out_whole() -> None:
    frames = [packet[1:] for packet in encoded(tone(0.12))]
    sizes = bytes(len(frame) for frame in frames[:-1])
    packet = bytes([encoded(tone(0.02))[0][0] | 3, 0x80 | 6]) + sizes + b"".join(frames)
    heard = Decoder(16_000).decode(packet)
    assert len(heard) == 0.12 * 16_000
    assert loudness(heard[640:]) == pytest.approx(loudness(tone(0.12)), rel=0.1)


def test_a_missing_packet_is_concealed_with_sound_that_fades() -> None:
    packets = encoded(tone(0.4))
    decoder = Decoder()
    for packet in packets:
        decoder.decode(packet)
    first, *_, tenth = [decoder.conceal(320) for _ in range(10)]
    assert len(first) == len(tenth) == 320
    assert loudness(first) > 1000
    assert loudness(tenth) < loudness(first) / 2


def test_fec_brings_a_missing_packet_back_better_than_concealment() -> None:
    turns = np.cumsum(np.linspace(200, 2000, 48_000)) * 2 * np.pi / 48_000
    glide = (np.sin(turns) * 10_000).astype(np.int16)
    encoder = Encoder()
    encoder.adapt(bitrate=32_000, fec=True, loss=0.2)
    packets = encoded(glide, encoder)
    whole, guessing, recovering = Decoder(), Decoder(), Decoder()
    truth = [whole.decode(packet) for packet in packets]
    for packet in packets[:30]:
        guessing.decode(packet)
        recovering.decode(packet)
    guessed = guessing.conceal(320)
    recovered = recovering.recover(packets[31], 320)
    wrong = [loudness(sound.astype(np.int32) - truth[30]) for sound in (recovered, guessed)]
    assert wrong[0] < wrong[1] / 2


def test_fec_switches_to_the_speech_mode_and_back() -> None:
    encoder = Encoder()
    assert encoded(tone(0.02), encoder)[0][0] >> 3 >= 16  # CELT
    encoder.adapt(bitrate=16_000, fec=True, loss=0.1)
    assert encoded(tone(0.1), encoder)[-1][0] >> 3 < 16  # SILK or hybrid
    assert (encoder.bitrate, encoder.fec) == (16_000, True)
    encoder.adapt(bitrate=24_000, fec=False, loss=0.0)
    assert encoded(tone(0.02), encoder)[0][0] >> 3 >= 16


def test_after_a_reset_a_stream_decodes_as_from_its_beginning() -> None:
    encoder = Encoder()
    first = encoded(tone(0.2), encoder)
    encoder.reset()
    assert encoded(tone(0.2), encoder) == first


def test_after_a_reset_a_packet_can_follow_any_other() -> None:
    loud = encoded((np.random.default_rng(1).standard_normal(9_600) * 8_000).astype(np.int16))
    encoder = Encoder()
    encoded(tone(0.2), encoder)
    encoder.reset()
    decoder = Decoder()
    for packet in loud:
        decoder.decode(packet)
    heard = [decoder.decode(packet) for packet in encoded(tone(0.2), encoder)]
    assert all(5_000 < loudness(frame) < 9_000 for frame in heard[1:])


def test_silence_is_three_bytes_and_sounds_like_nothing_after_any_speech() -> None:
    silence, nothing = silent_packets()
    assert len(silence) <= 3 and len(nothing) == 1
    decoder = Decoder()
    for packet in encoded(tone(0.2)):
        decoder.decode(packet)
    decoder.decode(silence)  # what the codec still owed
    for packet in (silence, nothing, nothing, silence):
        assert np.abs(decoder.decode(packet)).max() <= 1


def test_garbage_is_refused_and_the_decoder_goes_on() -> None:
    decoder = Decoder()
    good = encoded(tone(0.1))
    decoder.decode(good[0])
    for bad in (b"", b"\xff\xff\xff", b"\x03", b"abcdef" * 50):
        with pytest.raises(BadPacket):
            decoder.decode(bad)
    assert len(decoder.decode(good[1])) == 320


def test_a_frame_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="960 samples"):
        Encoder().encode(np.zeros(320, np.int16))


@pytest.mark.parametrize(
    ("packet", "seconds"),
    [
        (b"\xf8\xff\xfe", 0.02),
        (b"\x08", 0.02),  # SILK, narrowband, 20 ms
        (b"\x18", 0.06),
        (b"\x60", 0.01),  # hybrid, 10 ms
        (b"\x80", 0.0025),
        (b"\xf9" + b"a" * 10, 0.04),  # two frames
        (b"\xfb\x03" + b"a" * 10, 0.06),  # three frames
    ],
)
def test_a_packet_tells_how_long_it_sounds(packet: bytes, seconds: float) -> None:
    assert packet_seconds(packet) == pytest.approx(seconds)


def test_every_packet_tells_how_long_it_sounds_as_libopus_does() -> None:
    for first in range(256):
        packet = bytes([first, 3])
        frames = decoder_api.libopus_packet_get_nb_frames(packet, len(packet))
        samples = decoder_api.libopus_packet_get_samples_per_frame(packet, WIRE_RATE)
        assert packet_seconds(packet) == pytest.approx(frames * samples / WIRE_RATE), packet


def test_a_packet_without_its_frame_count_is_refused() -> None:
    for bad in (b"", b"\xfb"):
        with pytest.raises(BadPacket):
            packet_seconds(bad)


def test_a_spared_encoder_takes_less_effort_and_takes_it_again() -> None:
    """Its packets differ, and can be heard: the rate stays about the same."""
    pcm = (8000 * np.sin(np.arange(FRAME * 50) / 20)).astype(np.int16).reshape(50, FRAME)

    def packets(encoder: Encoder) -> list[bytes]:
        encoder.reset()
        return [encoder.encode(frame) for frame in pcm]

    usual, spared = Encoder(), Encoder()
    spared.spare(is_spared=True)
    assert packets(spared) != packets(usual)
    spared.spare(is_spared=False)
    assert packets(spared)[1:] == packets(usual)[1:]
    spared.spare(is_spared=True)
    spared.adapt(bitrate=16_000, fec=True, loss=0.1)  # opens another encoder
    spared.adapt(bitrate=24_000, fec=False, loss=0.0)
    assert packets(spared) != packets(usual)
    assert told(spared, ctl.get_complexity) == 0


@pytest.mark.parametrize("fec", [False, True], ids=["CELT", "SILK"])
@pytest.mark.parametrize("left", [0, 1, 4])
def test_an_encoder_that_goes_back_has_never_been_ahead(left: int, fec: bool) -> None:
    sound = (np.random.default_rng(3).standard_normal(FRAME * 20) * 3_000).astype(np.int16)
    ahead, behind = Encoder(), Encoder()
    for encoder in (ahead, behind):
        encoder.adapt(bitrate=24_000, fec=fec, loss=0.1)
    assert ahead.encode_all(sound[: FRAME * 5]) == encoded(sound[: FRAME * 5], behind)
    before = ahead.state()
    assert len(ahead.encode_all(sound[FRAME * 5 : FRAME * 10])) == 5
    ahead.restore(before)
    for encoder in (ahead, behind):
        encoded(sound[FRAME * 5 : FRAME * (5 + left)], encoder)
    assert encoded(sound[FRAME * 12 :], ahead) == encoded(sound[FRAME * 12 :], behind)
