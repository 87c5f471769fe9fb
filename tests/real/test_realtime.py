"""OpenAI's clients, unmodified, with real engines: people's recordings in, a real voice out."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import jiwer
import numpy as np
import pytest

from media.audio import Resampler, level_db
from server.app import create_app, listening
from server.config import Settings
from server.hardware import probe
from server.models import open_store
from server.recordings import read
from server.stages import choose
from tests.conftest import TestData
from tests.real.test_call import settings, words
from tests.signaling.realtime.agents import runner
from tests.signaling.realtime.speaking import RATE, talker

pytestmark = pytest.mark.real


STORY = "Once upon a time there was a king who had a very long story to tell. " * 4


def loopback(testdata: TestData) -> Settings:
    """The small real models, on a free port; asked to begin, the agent tells a long story."""
    configured = settings(testdata)
    english = configured.personas["en"].model_copy(update={"greeting": STORY})
    return configured.model_copy(
        update={
            "server": configured.server.model_copy(update={"port": 0}),
            "personas": {"en": english},
        }
    )


async def test_openais_client_holds_a_spoken_turn_and_interrupts(testdata: TestData) -> None:
    configured = loopback(testdata)
    recording = testdata.recording("whatstheweatherlike")
    stages = await choose(configured, open_store(configured.models), probe())
    async with aclosing(stages):
        async with listening(create_app(configured, stages), configured.server) as url:
            async with talker(url) as it:
                await it.wait_for("session.created")
                await it.connection.response.create()
                await it.wait_for("response.output_audio_transcript.delta", within=60)
                it.say(read(testdata.recording("LJ001-0008").path))
                cut = (await it.wait_for("response.done", within=60))["response"]
                await it.wait_for("response.done", within=60)
                await it.connection.response.cancel(event_id="late")
                error = (await it.wait_for("error"))["error"]
                it.say(read(recording.path))
                turn = (await it.wait_for("response.done", within=60))["response"]
    transcripts = it.of("conversation.item.input_audio_transcription.completed")
    wrong = jiwer.wer(words(recording.text or ""), words(transcripts[-1]["transcript"]))
    assert wrong <= 0.4
    assert turn["status"] == "completed"
    said = turn["output"][0]
    assert said["content"][0]["transcript"].strip()
    assert level_db(it.heard(said["id"]).samples) > -45
    assert error["event_id"] == "late"
    assert cut["status"] == "cancelled"
    assert cut["status_details"]["reason"] == "turn_detected"


async def test_the_agents_library_holds_a_spoken_turn(testdata: TestData) -> None:
    configured = loopback(testdata)
    recording = testdata.recording("whatstheweatherlike")
    audio = read(recording.path)
    resampler = Resampler(audio.rate, RATE)
    sound = np.concatenate([resampler.feed(audio.samples), resampler.flush()])
    stages = await choose(configured, open_store(configured.models), probe())
    async with aclosing(stages):
        async with listening(create_app(configured, stages), configured.server) as url:
            async with runner(url) as it:
                await it.say(sound)
                async with asyncio.timeout(60):
                    await it.until("agent_end")
    assert not it.errors
    assert len(it.audio) > RATE // 2
    wrong = jiwer.wer(words(recording.text or ""), words(it.said_by("user")))
    assert wrong <= 0.4
    assert it.said_by("assistant").strip()
