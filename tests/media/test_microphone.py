from __future__ import annotations

import asyncio

import numpy as np
import pytest

from media.audio import AudioChunk
from media.microphone import Chunker, Inlet, Mark, Microphone, MicrophoneSettings
from tests.virtual_time import virtual


def numbered(number: int) -> AudioChunk:
    return AudioChunk(np.full(320, number, np.int16))


async def heard(microphone: Microphone) -> list[int]:
    chunks = [each async for each in microphone if not isinstance(each, Mark)]
    return [int(chunk.samples[0]) for chunk in chunks]


@virtual
async def test_chunks_come_out_in_order_until_it_is_closed() -> None:
    microphone = Microphone()
    listening = asyncio.create_task(heard(microphone))
    for number in range(3):
        microphone.put(numbered(number))
        await asyncio.sleep(0.02)
    microphone.close()
    microphone.close()
    microphone.put(numbered(9))
    assert await listening == [0, 1, 2]


@virtual
async def test_a_slow_listener_loses_the_oldest_chunks() -> None:
    microphone = Microphone(MicrophoneSettings(capacity=0.1))
    for number in range(8):
        microphone.put(numbered(number))
    microphone.close()
    assert await heard(microphone) == [3, 4, 5, 6, 7]
    assert microphone.dropped == 3


@virtual
async def test_a_listener_that_is_cancelled_loses_nothing() -> None:
    microphone = Microphone()
    listening = asyncio.create_task(anext(microphone))
    await asyncio.sleep(1)
    listening.cancel()
    microphone.put(numbered(1))
    await asyncio.sleep(1)
    assert listening.cancelled()
    assert int((await anext(microphone)).samples[0]) == 1


def test_another_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="16000 Hz"):
        Microphone().put(AudioChunk(np.zeros(160, np.int16), 8_000))


def test_a_stream_is_cut_into_chunks_whatever_its_pieces() -> None:
    stream = np.arange(3200, dtype=np.int16)
    for piece in (7, 100, 320, 500, 3200):
        chunker = Chunker()
        chunks = [
            chunk.samples
            for start in range(0, len(stream), piece)
            for chunk in chunker.feed(stream[start : start + piece])
        ]
        assert [len(chunk) for chunk in chunks] == [320] * 10
        assert np.array_equal(np.concatenate(chunks), stream)


async def test_a_closed_inlet_leaves_the_microphone_open_for_another() -> None:
    microphone = Microphone()
    first, second = Inlet(microphone), Inlet(microphone)
    first.put(numbered(1))
    first.close()
    first.close()
    first.put(numbered(2))
    second.put(numbered(3))
    microphone.close()
    assert await heard(microphone) == [1, 3]


@virtual
async def test_a_mark_keeps_its_place_and_is_never_lost() -> None:
    microphone = Microphone(MicrophoneSettings(capacity=0.1))
    microphone.put(numbered(0))
    microphone.mark(mark := Mark("commit"))
    for number in range(1, 8):
        microphone.put(numbered(number))
    inlet = Inlet(microphone)
    inlet.close()
    inlet.mark(Mark("clear"))
    microphone.close()
    microphone.mark(Mark("clear"))
    heard = [each async for each in microphone]
    assert heard[0] is mark
    assert [int(each.samples[0]) for each in heard[1:] if not isinstance(each, Mark)] == [
        4,
        5,
        6,
        7,
    ]
