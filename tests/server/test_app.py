"""The server as a whole: composed, called, stopped."""

from __future__ import annotations

import asyncio
import os
import signal

import aiohttp
import pytest

from server.app import CALLS, METRICS, create_app, listening, serve
from server.talk import at_home, exchange, greeting
from signaling.client import Caller
from signaling.ice import IceSettings
from tests.server.house import settings, spoken, stages

HERE = IceSettings(bind=("127.0.0.1",))


async def test_a_caller_is_greeted_understood_and_answered_by_voice() -> None:
    async with stages("what time is it") as standing, at_home(settings(), standing) as (url, ice):
        async with Caller(url, settings=ice) as caller:
            await greeting(caller, expected=True)
            told = await exchange(caller, await spoken("What time is it?"))
            started = next(each for each in caller.messages if each["type"] == "call.started")
    assert [stage["engine"] for stage in started["stages"]] == ["hearsay", "scripted", "espeak"]
    assert told.outcome is not None
    assert told.outcome["type"] == "turn.finished"
    assert told.outcome["transcript"] == "what time is it"
    assert told.outcome["reply"]
    assert told.heard_after is not None and told.heard_after > 0
    timeline = told.outcome["timeline"]
    assert 0 < timeline["endpoint"] <= timeline["audible"] <= timeline["end"]
    assert told.heard_after >= timeline["endpoint"]
    spoke = [each["text"] for each in told.messages if each["type"] == "reply.spoken"]
    assert " ".join(spoke).split()[:2] == told.outcome["reply"].split()[:2]


async def test_a_call_has_several_turns_and_its_figures_are_kept() -> None:
    async with stages("hello there", "thank you") as standing:
        app = create_app(settings(), standing)
        async with listening(app, settings().server) as url, Caller(url, settings=HERE) as caller:
            await greeting(caller, expected=True)
            turns = []
            for text in ("Hello there.", "Thank you very much."):
                turns.append(await exchange(caller, await spoken(text)))
            async with aiohttp.ClientSession() as http, http.get(f"{url}/metrics") as response:
                assert response.headers["Content-Type"].startswith("text/plain")
                figures = await response.text()
    transcripts = [turn.outcome and turn.outcome.get("transcript") for turn in turns]
    assert transcripts == ["hello there", "thank you"]
    assert "chuimsae_calls 1.0" in figures
    assert 'chuimsae_turns_total{outcome="finished"} 2.0' in figures
    assert 'chuimsae_turn_moment_seconds_count{moment="audible"} 2.0' in figures
    assert app[METRICS].registry.get_sample_value("chuimsae_calls") == 0
    assert len(app[CALLS]) == 0


async def test_info_tells_what_a_page_needs() -> None:
    configured = settings(
        ice={
            "bind": ["127.0.0.1"],
            "servers": [{"urls": ["stun:127.0.0.1:3478"]}],
        }
    )
    async with stages("x") as standing:
        async with listening(create_app(configured, standing), configured.server) as url:
            async with aiohttp.ClientSession() as http, http.get(f"{url}/info") as response:
                info = await response.json()
    assert info["name"] == "Chuimsae"
    assert {"code": "ko", "name": "추임새"} in info["languages"]
    assert info["default_language"] == "en"
    assert info["ice_servers"] == [{"urls": ["stun:127.0.0.1:3478"]}]
    assert (info["calls"], info["limit"]) == (0, 8)
    assert [stage["stage"] for stage in info["stages"]] == ["stt", "llm", "tts"]
    assert set(info["stages"][0]) >= {"engine", "model", "why", "missing", "mend"}


async def test_a_taken_port_is_told_as_such() -> None:
    async with stages("x") as standing:
        async with listening(create_app(settings(), standing), settings().server) as url:
            port = int(url.rsplit(":", 1)[1])
            taken = settings(server={"port": port})
            with pytest.raises(OSError, match=str(port)):
                async with listening(create_app(taken, standing), taken.server):
                    pass


async def test_the_first_signal_says_goodbye_and_the_server_ends() -> None:
    async with stages("x") as standing:
        url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(serve(settings(), standing, ready=url.set_result))
            async with Caller(await url, settings=HERE) as caller:
                await greeting(caller, expected=True)
                asked = asyncio.get_running_loop().time()
                os.kill(os.getpid(), signal.SIGTERM)
                ended = await caller.wait_for("call.ended")
            await serving
    assert ended["reason"] == "shutdown"
    assert caller.recording.first_voice(asked) is not None


async def test_a_second_signal_does_not_wait_for_the_goodbye() -> None:
    patient = settings(
        server={"port": 0, "shutdown_grace": 60.0},
        personas={"en": {"goodbye": "Goodbye, and thank you for calling. " * 20}},
    )
    async with stages("x") as standing:
        url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        async with asyncio.TaskGroup() as tasks, asyncio.timeout(20):
            serving = tasks.create_task(serve(patient, standing, ready=url.set_result))
            async with Caller(await url, settings=HERE) as caller:
                await greeting(caller, expected=True)
                os.kill(os.getpid(), signal.SIGINT)
                await caller.wait_for("reply.spoken")
                os.kill(os.getpid(), signal.SIGINT)
                await caller.wait_for("call.ended")
            await serving
