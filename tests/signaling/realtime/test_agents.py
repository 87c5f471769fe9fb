"""The library `openai-agents`, unmodified, against the server."""

from __future__ import annotations

import asyncio

import numpy as np
from agents.realtime.model_inputs import RealtimeModelSendRawMessage

from media.audio import AudioChunk, Resampler, Samples
from tests.server.house import spoken
from tests.signaling.realtime.agents import runner
from tests.signaling.realtime.test_websocket import home


def at_24_khz(audio: AudioChunk) -> Samples:
    resampler = Resampler(audio.rate, 24_000)
    return np.concatenate([resampler.feed(audio.samples), resampler.flush()])


async def test_a_spoken_turn_is_understood_and_answered() -> None:
    async with home("what time is it") as (url, _), runner(url) as it:
        async with asyncio.timeout(30):
            await it.say(at_24_khz(await spoken("What time is it?")))
            await it.until("agent_end")
    assert not it.errors
    assert {"agent_start", "audio", "audio_end", "history_added"} <= set(it.kinds)
    assert len(it.audio) > 24_000
    assert it.said_by("user") == "what time is it"
    assert it.said_by("assistant").strip()
    assert "session.updated" in it.raw


async def test_a_typed_message_is_answered_by_voice() -> None:
    async with home("x") as (url, _), runner(url) as it:
        async with asyncio.timeout(30):
            await it.session.send_message("What time is it?")
            await it.until("agent_end")
    assert not it.errors
    assert it.audio and it.said_by("assistant").strip()


async def test_speaking_over_the_agent_interrupts_it() -> None:
    async with home("tell me a story", "wait a moment please") as (url, _), runner(url) as it:
        async with asyncio.timeout(40):
            await it.session.send_message("Tell me a story.")
            await it.until("audio")
            await it.say(at_24_khz(await spoken("Wait a moment, please, I have a question.")))
            await it.until("audio_interrupted")
            await it.until("agent_end", times=2)
    assert not it.errors
    assert "input_audio_buffer.speech_started" in it.raw


async def test_the_library_can_interrupt_by_itself() -> None:
    async with home("x") as (url, _), runner(url) as it:
        async with asyncio.timeout(30):
            await it.session.send_message("Tell me a story.")
            await it.until("audio")
            await it.session.interrupt()
            await it.until("audio_interrupted")
            await it.until("agent_end")
            before = len(it.audio)
            await it.session.send_message("Go on.")
            await it.until("agent_end", times=2)
    assert not it.errors
    assert len(it.audio) > before


async def test_what_cannot_be_done_is_an_error_and_the_session_goes_on() -> None:
    async with home("x") as (url, _), runner(url) as it:
        async with asyncio.timeout(30):
            message = {"type": "response.cancel", "other_data": {"event_id": "late"}}
            raw = RealtimeModelSendRawMessage(message=message)  # type: ignore[typeddict-item]
            await it.session.model.send_event(raw)
            await it.until("error")
            assert "error" in it.raw and "late" in str(it.errors[0])
            it.errors.clear()
            await it.session.send_message("What time is it?")
            await it.until("agent_end")
    assert not it.errors and it.audio
