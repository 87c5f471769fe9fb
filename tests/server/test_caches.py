"""The caches of a server, built from its settings, and their figures."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from agent.engines.espeak import Espeak, EspeakSettings
from agent.engines.protocols import ReplyRequest
from agent.messages import Message
from server.caches import CacheFigures, Caches
from server.config import Settings
from tests.agent.engines.caches.servers import store_server
from tests.server.house import settings
from tests.server.test_rehearsal import Terse


async def ask(caches: Caches, model: Terse, question: str) -> None:
    asked = caches.over_model(model, "terse")
    instructions = caches.settings.personas["en"].instructions
    request = ReplyRequest(
        conversation="a call",
        messages=(Message("system", instructions), Message("user", question)),
        max_tokens=48,
    )
    async with aclosing(asked.reply(request)) as pieces:
        assert [piece async for piece in pieces] == ["Always."]


async def speak(caches: Caches, text: str) -> None:
    voice = caches.over_voice(Espeak(EspeakSettings()), "espeak")
    await voice.start()
    async with aclosing(voice.speak(text, language="en")) as pieces:
        assert [piece async for piece in pieces]


def figures(caches: Caches) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(CacheFigures(caches))
    text = generate_latest(registry).decode()
    return {name: float(value) for name, value in re.findall(r"^(chui\S+) (\S+)$", text, re.M)}


async def test_what_each_cache_was_good_for_is_told() -> None:
    async with AsyncExitStack() as started:
        caches = await Caches.open(settings(), started)
        model = Terse()
        await ask(caches, model, "When do you open?")
        for _ in range(3):
            await speak(caches, "Good evening.")
        told = figures(caches)
        assert told['chuimsae_cache_lookups_total{cache="replies",outcome="miss"}'] == 1
        assert told['chuimsae_cache_lookups_total{cache="phrases",outcome="hit"}'] == 2
        assert told['chuimsae_cache_lookups_total{cache="phrases",outcome="miss"}'] == 1
        assert told['chuimsae_cache_entries{cache="phrases"}'] == 1
        assert told["chuimsae_cache_bytes"] > 10_000
        assert told['chuimsae_cache_lifetime_seconds{cache="replies"}'] == 86_400
        assert "chuimsae_shared_cache_up" not in told


async def test_two_servers_share_what_one_has_made(tmp_path: Path) -> None:
    async with store_server("redis", tmp_path) as server, AsyncExitStack() as started:
        written: Settings = settings(cache={"url": server.url, "patience": 1})
        one, other = [await Caches.open(written, started) for _ in range(2)]
        model = Terse()
        await ask(one, model, "When do you open?")
        await speak(one, "Good evening.")
        await one.voices[0].aclose()
        assert one.shared is not None
        await one.shared.written()
        await ask(other, model, "when do you open")
        await speak(other, "Good evening.")
        assert len(model.asked) == 1
        told = figures(other)
        assert told['chuimsae_cache_lookups_total{cache="store",outcome="hit"}'] == 2
        assert told["chuimsae_shared_cache_up"] == 1
