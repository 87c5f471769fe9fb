"""The load, from the readings to the doors: over real WebRTC and a WebSocket, on loopback."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import aiohttp
import pytest

from agent.load import Rung
from server.app import create_app, listening
from server.load.ladder import LoadSettings, Reading, Strain
from server.load.watch import Watch
from signaling.client import Caller, CallFailed
from signaling.ice import IceSettings
from tests.server import house


@dataclass
class Pool:
    """A queue as long as a test likes."""

    wait: float = 0.0


@dataclass
class House:
    url: str
    voices: Pool

    async def settled(self, name: str) -> None:
        """Wait until the server says that it is on that rung."""
        async with asyncio.timeout(10), aiohttp.ClientSession() as http:
            while True:
                async with http.get(f"{self.url}/readyz") as response:
                    if (await response.json())["load"] == name:
                        return
                await asyncio.sleep(0.05)

    async def figure(self, name: str) -> float:
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/metrics") as response:
            lines = (await response.text()).splitlines()
        return float(next(line for line in lines if line.startswith(name)).split()[-1])

    def caller(self) -> Caller:
        return Caller(self.url, settings=IceSettings(bind=("127.0.0.1",)))


@asynccontextmanager
async def a_house(**load: object) -> AsyncGenerator[House, None]:
    voices_alone = {"loop_lag": 10, "packets": 10, "first_sound": 60}
    quick = {"enabled": True, "up_after": 0.0, "down_after": 0.3, "bounds": voices_alone, **load}
    settings = house.settings(load=quick)
    voices = Pool()
    async with house.stages("hello") as stages:
        app = create_app(settings, replace(stages, queues=(("tts", voices),)))
        async with listening(app, settings.server) as url:
            yield House(url, voices)


def test_a_rung_is_moved_to_and_told() -> None:
    told: list[tuple[float, Rung]] = []

    def note(reading: Reading, felt: Strain, rung: Rung) -> None:
        told.append((reading.stt, rung))

    pool = Pool(wait=0.9)
    settings = LoadSettings(up_after=1.0)
    watch = Watch(settings, [("stt", pool)], on_reading=note)
    for now in (0.0, 0.5, 1.0):
        watch.look(now)
    assert watch.load.rung is Rung.CLOSED
    assert watch.load.cause == "stt"
    assert told == [(0.9, Rung.EASY), (0.9, Rung.EASY), (0.9, Rung.CLOSED)]


def test_a_server_that_is_told_not_to_never_leaves_its_rung() -> None:
    settings = LoadSettings(enabled=False, up_after=0.0)
    watch = Watch(settings, [("stt", Pool(wait=60.0))])
    for now in range(10):
        watch.look(float(now))
    assert watch.load.rung is Rung.EASY


async def test_every_door_refuses_under_load_and_who_is_in_a_call_stays() -> None:
    async with a_house() as it, it.caller() as inside:
        await inside.wait_for("call.started")
        it.voices.wait = 5.0
        await it.settled("closed")
        told = await inside.wait_for("load")
        assert (told["rung"], told["name"], told["cause"]) == (4, "closed", "tts")
        await refused(it.url)
        assert await it.figure("chuimsae_load_rung") == 4
        assert await it.figure("chuimsae_load_strain") > 1

        it.voices.wait = 0.0
        await it.settled("easy")
        names = [(await inside.wait_for("load"))["name"] for _ in range(4)]
        assert names == ["canned", "brief", "sparing", "easy"]
        async with it.caller() as next_one:
            await next_one.wait_for("call.started")
        assert not inside.is_gone


async def refused(url: str) -> None:
    """Whoever asks, by whichever door, before any connection is made."""
    began = time.monotonic()
    with pytest.raises(CallFailed) as by_offer:
        async with Caller(url, settings=IceSettings(bind=("127.0.0.1",))):
            pass
    assert (by_offer.value.status, by_offer.value.code) == (503, "overloaded")
    async with aiohttp.ClientSession() as http:
        body = {"sdp": "v=0", "type": "offer"}
        async with http.post(f"{url}/offer", json=body) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0
        sdp = {"Content-Type": "application/sdp"}
        async with http.post(f"{url}/v1/realtime/calls", data="v=0", headers=sdp) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0
        with pytest.raises(aiohttp.WSServerHandshakeError) as by_socket:
            await http.ws_connect(f"{url.replace('http', 'ws')}/v1/realtime")
        assert by_socket.value.status == 503
    assert time.monotonic() - began < 10


async def test_a_slow_engine_alone_refuses_nobody() -> None:
    async with a_house(always_admit=1) as it:
        it.voices.wait = 5.0
        await it.settled("closed")
        async with it.caller() as only:
            await only.wait_for("call.started")
            with pytest.raises(CallFailed, match="overloaded"):
                async with it.caller():
                    pass


async def test_a_realtime_client_that_asks_is_told() -> None:
    async with a_house() as it, aiohttp.ClientSession() as http:
        async with http.ws_connect(f"{it.url.replace('http', 'ws')}/v1/realtime") as socket:
            wish = {"type": "realtime", "chuimsae": {"events": True}}
            await socket.send_str(json.dumps({"type": "session.update", "session": wish}))
            async with asyncio.timeout(10):
                while json.loads((await socket.receive()).data)["type"] != "session.updated":
                    pass
                it.voices.wait = 5.0
                while (told := json.loads((await socket.receive()).data))["type"] != (
                    "chuimsae.load"
                ):
                    pass
    assert told["name"] == "closed"
