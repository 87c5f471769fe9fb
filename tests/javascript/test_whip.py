"""`whip-whep` on libwebrtc (`@roamhq/wrtc`) in Node, unmodified: a call by WHIP's rules."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
import pytest_asyncio
from aiohttp import web

from media.audio import Resampler
from server.app import CALLS, create_app, listening
from server.hardware import probe
from server.models import open_store
from server.recordings import read
from server.stages import choose
from signaling.access.settings import AccessSettings
from tests.conftest import TestData
from tests.javascript.conftest import Judge
from tests.javascript.test_tools import HEARD, SEOUL, assert_round_trip
from tests.real.test_call import words
from tests.real.test_realtime import loopback
from tests.signaling.realtime.asking import Asking
from tests.signaling.realtime.test_websocket import home

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]

KEY = "a-key-of-the-operators-that-is-long-enough"
RATE = 48_000


@dataclass
class Home:
    url: str
    app: web.Application


@pytest_asyncio.fixture(loop_scope="session")
async def guarded(testdata: TestData) -> AsyncIterator[Home]:
    """A whole server that asks for a key, on the machine's addresses: libwebrtc has no loopback."""
    configured = loopback(testdata)
    access = AccessSettings.model_validate({"required": True, "keys": {"me": KEY}})
    ice = configured.ice.model_copy(update={"bind": []})
    configured = configured.model_copy(update={"access": access, "ice": ice})
    stages = await choose(configured, open_store(configured.models), probe())
    async with aclosing(stages):
        app = create_app(configured, stages)
        async with listening(app, configured.server) as url:
            yield Home(url, app)


def pcm(recording: Path, folder: Path) -> Path:
    """A recording as 48 kHz PCM16."""
    audio = read(recording)
    resampler = Resampler(audio.rate, RATE)
    sound = np.concatenate([resampler.feed(audio.samples), resampler.flush()])
    path = folder / "speech.pcm"
    path.write_bytes(sound.astype("<i2").tobytes())
    return path


async def talk(clients: Path, url: str, speech: Path, *mode: str) -> list[dict[str, Any]]:
    """What `whip.mjs` told."""
    process = await asyncio.create_subprocess_exec(
        "node",
        "whip.mjs",
        f"{url}/v1/realtime/calls",
        str(speech),
        KEY,
        *mode,
        cwd=clients,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(90):
            told, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, complaints.decode()
    return [json.loads(line) for line in told.splitlines()]


async def test_a_turn_over_the_agent_after_refusals_and_a_restart_that_is_not_had(
    guarded: Home, clients: Path, generic: Judge, testdata: TestData, tmp_path: Path
) -> None:
    recording = testdata.recording("whatstheweatherlike")
    told = await talk(clients, guarded.url, pcm(recording.path, tmp_path))

    thrown = [line["thrown"] for line in told if "thrown" in line]
    assert thrown == [f"Request rejected with status {status}" for status in (401, 400, 422)]
    assert {"state": "connected"} in told  # The call outlives the restart that it did not get.

    requests = [line for line in told if "request" in line]
    asked = [(line["request"], line["status"]) for line in requests]
    assert asked[:3] == [("POST", 401), ("POST", 400), ("POST", 201)]
    trickled = [line for line in requests[3:] if line["status"] == 204]
    assert trickled and sum(line["candidates"] for line in trickled) > 0
    assert requests[2]["candidates"] == 0  # All that the server knows of it came by PATCH.
    assert {line["match"] for line in trickled} == {requests[2]["etag"]}
    assert asked[-2] == ("PATCH", 422)
    # The client closes its connection first: the server may have seen that, and ended the call.
    assert asked[-1] in {("DELETE", 200), ("DELETE", 404)}

    events = [line["event"] for line in told if "event" in line]
    assert generic(events) == []
    completed = "conversation.item.input_audio_transcription.completed"
    (transcript,) = [event["transcript"] for event in events if event["type"] == completed]
    assert jiwer.wer(words(recording.text or ""), words(transcript)) <= 0.4
    cut, done = [event["response"] for event in events if event["type"] == "response.done"]
    assert cut["status"] == "cancelled" and done["status"] == "completed"
    assert cut["status_details"]["reason"] == "turn_detected"
    (heard,) = [line for line in told if "heard" in line]
    assert heard["heard"] > -45 and heard["seconds"] > 0.3
    assert not guarded.app[CALLS]._live


async def test_a_tool_is_asked_for_and_its_result_said(
    clients: Path, generic: Judge, testdata: TestData, tmp_path: Path
) -> None:
    speech = pcm(testdata.recording("whatstheweatherlike").path, tmp_path)
    model = Asking(SEOUL)
    async with home(HEARD, model=model, ice={"bind": []}) as (url, _):
        told = await talk(clients, url, speech, "weather")
    events = [line["event"] for line in told if "event" in line]
    assert generic(events) == []
    assert_round_trip(model, events)
