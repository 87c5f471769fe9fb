"""A phrase travels between servers as Opus packets."""

from __future__ import annotations

import msgpack
import numpy as np
import pytest

from agent.engines.caches.phrases import SharedPhrases, packed, unpacked
from agent.engines.phrases import PhraseKey, PhraseSettings, PhrasesInMemory
from agent.engines.protocols import Speech, Word
from media.audio import AudioChunk, level_db
from media.clips import Clips, EncodedAudio
from media.opus import OpusSettings
from tests.agent.engines.caches.test_replies import Store

KEY = PhraseKey("piper", "", "en", "hello there")


def tone(seconds: float, rate: int = 22_050) -> AudioChunk:
    turns = np.arange(round(seconds * rate)) * 440 * 2 * np.pi / rate
    return AudioChunk((np.sin(turns) * 10_000).astype(np.int16), rate)


PHRASE = (
    Speech(tone(0.51), (Word("hello", 0.05, 0.4),)),
    Speech(tone(0.3), (Word("there", 0.0, 0.25),)),
)


def store_of(shared: Store) -> SharedPhrases:
    return SharedPhrases(PhrasesInMemory(PhraseSettings()), shared, OpusSettings())


def test_what_is_unpacked_sounds_as_what_was_packed() -> None:
    phrase = unpacked(packed(PHRASE, OpusSettings()))
    assert phrase is not None
    assert [speech.words for speech in phrase] == [speech.words for speech in PHRASE]
    for speech, original in zip(phrase, PHRASE, strict=True):
        assert speech.audio.seconds == pytest.approx(original.audio.seconds, abs=1e-4)
        assert level_db(speech.audio.samples) == pytest.approx(
            level_db(original.audio.samples), abs=1.5
        )


def test_packed_again_it_is_the_same_packets() -> None:
    stored = packed(PHRASE, OpusSettings())  # no two are alike: what is resampled is dithered
    phrase = unpacked(stored)
    assert phrase is not None
    assert packed(phrase, OpusSettings()) == stored


def test_its_packets_leave_as_they_came() -> None:
    phrase = unpacked(packed(PHRASE, OpusSettings()))
    assert phrase is not None
    audio = phrase[0].audio
    assert isinstance(audio, EncodedAudio)
    clip = Clips().find(audio)
    assert clip is not None, "what comes encoded is a clip the first time"
    assert [clip.packet(index) for index in range(26)] == list(audio.packets)


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"\xc1",
        msgpack.packb(3),
        msgpack.packb([{"length": 10, "packets": [], "words": []}]),
        msgpack.packb([{"length": 960, "packets": [b"\x00\x01"], "words": []}]),
        msgpack.packb([{"length": 960, "packets": [b""], "words": []}]),
        packed(PHRASE, OpusSettings())[:-10],
    ],
)
def test_garbage_is_no_phrase(stored: bytes) -> None:
    assert unpacked(stored) is None


async def test_a_phrase_of_another_server_is_found_and_kept() -> None:
    shared = Store()
    one, other = store_of(shared), store_of(shared)
    await one.put(KEY, PHRASE)
    await one.aclose()
    found = await other.get(KEY)
    assert found is not None and found[0].words == PHRASE[0].words
    shared.kept.clear()
    assert await other.get(KEY) is found


async def test_another_voice_is_another_phrase() -> None:
    shared = Store()
    one = store_of(shared)
    await one.put(KEY, PHRASE)
    await one.aclose()
    assert await store_of(shared).get(PhraseKey("espeak", "", "en", "hello there")) is None
