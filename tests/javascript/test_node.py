"""`@openai/agents-realtime` in Node, unmodified, over a WebSocket: a whole conversation."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest

from media.audio import Resampler
from server.recordings import read
from tests.conftest import TestData
from tests.javascript.conftest import Judge
from tests.real.test_call import words

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]

RATE = 24_000


def pcm(recording: Path, folder: Path) -> Path:
    """A recording as 24 kHz PCM16."""
    audio = read(recording)
    resampler = Resampler(audio.rate, RATE)
    sound = np.concatenate([resampler.feed(audio.samples), resampler.flush()])
    path = folder / "speech.pcm"
    path.write_bytes(sound.astype("<i2").tobytes())
    return path


async def talk(
    clients: Path, url: str, speech: Path, script: str = "talker.mjs"
) -> list[dict[str, Any]]:
    """What a script told."""
    socket = url.replace("http", "ws", 1) + "/v1/realtime?model=gpt-realtime"
    process = await asyncio.create_subprocess_exec(
        "node",
        script,
        socket,
        str(speech),
        cwd=clients,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    try:
        async with asyncio.timeout(120):
            told, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, complaints.decode()
    return [json.loads(line) for line in told.splitlines()]


async def test_a_conversation_with_an_interruption_and_an_error(
    server: str, clients: Path, generic: Judge, testdata: TestData, tmp_path: Path
) -> None:
    recording = testdata.recording("whatstheweatherlike")
    told = await talk(clients, server, pcm(recording.path, tmp_path))
    events = [line["event"] for line in told if "event" in line]
    assert generic(events) == []

    cut, first, second = (e["response"] for e in events if e["type"] == "response.done")
    assert cut["status"] == "cancelled"
    assert cut["status_details"]["reason"] == "turn_detected"
    assert first["status"] == second["status"] == "completed"
    completed = "conversation.item.input_audio_transcription.completed"
    for transcript in [e["transcript"] for e in events if e["type"] == completed]:
        assert jiwer.wer(words(recording.text or ""), words(transcript)) <= 0.4

    said = [line for line in told if "told" in line]
    assert "audio_interrupted" in [line["told"] for line in said]
    errors = [line["error"] for line in said if line["told"] == "error"]
    assert [error["error"]["event_id"] for error in errors] == ["late"]
    assert sum(line["bytes"] for line in said if line["told"] == "audio") > 2 * RATE
    history = next(line["history"] for line in said if line["told"] == "history")
    roles = [item["role"] for item in history]
    assert roles == ["assistant", "user", "assistant", "user", "assistant"]
