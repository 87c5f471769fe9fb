"""What the agent says to a telephone: in a telephone's band, at once and to its end."""

from __future__ import annotations

import numpy as np
import pytest

from media.audio import Samples
from media.codecs import G711Inbound, G711Outbound, inbound, outbound
from media.g711 import Encoder, a_law, inverse, mu_law
from media.opus import VOICE_FRAME, OpusSettings
from tests.media.test_lowering import level, tone


def heard(samples: Samples, name: str) -> Samples:
    """What a telephone has of it, at 8 kHz."""
    codec, other = outbound(name, OpusSettings()), inbound(name)
    assert isinstance(codec, G711Outbound) and isinstance(other, G711Inbound)
    payloads = [codec.encode(frame) for frame in samples.reshape(-1, VOICE_FRAME)]
    return other._table[np.frombuffer(b"".join(payloads), np.uint8)]


@pytest.mark.parametrize("name", ["PCMU", "PCMA"])
@pytest.mark.parametrize("hertz", [300, 1_000, 2_500, 3_300])
def test_a_telephone_hears_its_whole_band(name: str, hertz: float) -> None:
    assert level(heard(tone(hertz), name)) == pytest.approx(0.0, abs=0.7)


@pytest.mark.parametrize("hertz", [4_300, 5_000, 7_000, 9_000, 11_500])
def test_what_a_telephone_has_no_room_for_is_not_heard_as_something_else(hertz: float) -> None:
    assert level(heard(tone(hertz), "PCMA")) < -50


@pytest.mark.parametrize("name", ["PCMU", "PCMA"])
def test_a_telephone_hears_what_is_said_two_milliseconds_later_and_to_its_end(name: str) -> None:
    samples = np.zeros(10 * VOICE_FRAME, np.int16)
    clicks = np.array([600, len(samples) - 90])
    samples[clicks] = 30_000
    loud = np.abs(heard(samples, name).astype(int))
    first, last = np.argmax(loud[:800]), 800 + np.argmax(loud[800:])
    assert [first, last] == list((clicks + 48) // 3)


def test_sound_too_loud_for_the_filter_does_not_turn_over() -> None:
    square = np.where(tone(200) >= 0, 32_767, -32_768).astype(np.int16)
    low = heard(square, "PCMA")[20:]
    assert np.count_nonzero(np.diff(np.sign(low))) == pytest.approx(200, abs=2)


@pytest.mark.parametrize("table", [mu_law(), a_law()])
def test_nothing_is_encoded_as_nothing(table: Samples) -> None:
    encoder = Encoder(inverse(table))
    first = encoder.encode(tone(440)[:VOICE_FRAME])
    stood = encoder.state()
    assert encoder.encode_all(np.zeros(0, np.int16)) == []
    assert len(first) == len(encoder.silence) == 160
    assert list(encoder.state()) == list(stood)
