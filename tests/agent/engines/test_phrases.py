"""Phrases that were spoken before come from a cache."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import numpy as np
import pytest

from agent.engines.phrases import CachedVoice, PhraseKey, PhraseSettings, PhrasesInMemory
from agent.engines.protocols import Priority, Speech, Word
from agent.errors import EngineFailed
from media.audio import AudioChunk
from tests.virtual_time import run_virtual


class Voice:
    """Speaks each word as a piece, `seconds` after the one before; fails on the word `fail`."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = seconds
        self.begun: list[str] = []
        self.closed = False

    async def start(self) -> None: ...

    async def speak(
        self,
        text: str,
        *,
        language: str,
        voice: str = "",
        priority: Priority = Priority.COMMITTED,
    ) -> AsyncGenerator[Speech, None]:
        self.begun.append(text)
        for word in text.split():
            await asyncio.sleep(self.seconds)
            if word == "fail":
                raise EngineFailed("tts", "it failed")
            yield Speech(AudioChunk(np.ones(100, np.int16)), (Word(word, 0, 0.1),))

    async def aclose(self) -> None:
        self.closed = True


def cached(inner: Voice, **settings: object) -> CachedVoice:
    return CachedVoice(inner, PhraseSettings.model_validate(settings))


async def spoken(
    voice: CachedVoice, text: str, *, pause: float = 0, priority: Priority = Priority.COMMITTED
) -> list[str]:
    """The words, `pause` seconds being taken over each piece."""
    words = []
    async with aclosing(voice.speak(text, language="en", priority=priority)) as pieces:
        async for piece in pieces:
            words += [word.text for word in piece.words]
            await asyncio.sleep(pause)
    return words


def test_a_phrase_is_made_once() -> None:
    async def main() -> None:
        inner = Voice()
        voice = cached(inner)
        loop = asyncio.get_running_loop()
        assert await spoken(voice, "one moment") == ["one", "moment"]
        before = loop.time()
        assert await spoken(voice, "  one   moment ") == ["one", "moment"]
        assert loop.time() == before
        assert inner.begun == ["one moment"]
        assert (voice.counts.hits, voice.counts.misses) == (1, 1)

    run_virtual(main())


def test_voice_and_language_make_another_phrase() -> None:
    async def main() -> None:
        inner = Voice()
        voice = cached(inner)
        for language, name in (("en", ""), ("ko", ""), ("en", "her")):
            async for _ in voice.speak("hi", language=language, voice=name):
                pass
        assert len(inner.begun) == 3

    run_virtual(main())


def test_two_who_want_the_same_have_it_made_once() -> None:
    async def main() -> None:
        inner = Voice()
        voice = cached(inner)
        async with asyncio.TaskGroup() as tasks:
            both = [tasks.create_task(spoken(voice, "one two three")) for _ in range(3)]
        assert [task.result() for task in both] == [["one", "two", "three"]] * 3
        assert len(inner.begun) == 1
        assert voice.counts.shared == 2

    run_virtual(main())


def test_who_waits_for_one_that_gives_up_goes_on_alone() -> None:
    async def main() -> None:
        inner = Voice()
        voice = cached(inner)
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(spoken(voice, "one two three"))
            await asyncio.sleep(0.5)
            second = tasks.create_task(spoken(voice, "one two three"))
            await asyncio.sleep(1)
            first.cancel()
        assert second.result() == ["one", "two", "three"]
        assert len(inner.begun) == 2
        assert await spoken(voice, "one two three") == ["one", "two", "three"]
        assert len(inner.begun) == 2

    run_virtual(main())


def test_nobody_is_held_up_by_a_slow_reader() -> None:
    async def main() -> None:
        inner = Voice(seconds=0.1)
        voice = cached(inner, patience=0.2)
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            slow = tasks.create_task(spoken(voice, "one two three", pause=60))
            await asyncio.sleep(0.05)
            before = loop.time()
            assert await spoken(voice, "one two three") == ["one", "two", "three"]
            assert loop.time() - before < 1
        assert slow.result() == ["one", "two", "three"]

    run_virtual(main())


def test_what_is_urgent_does_not_wait_for_what_is_not() -> None:
    async def main() -> None:
        inner = Voice()
        voice = cached(inner)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(spoken(voice, "hello", priority=Priority.SPECULATIVE))
            await asyncio.sleep(0.1)
            await spoken(voice, "hello", priority=Priority.COMMITTED)
        assert len(inner.begun) == 2

    run_virtual(main())


def test_only_complete_phrases_are_kept() -> None:
    async def main() -> None:
        inner = Voice()
        voice = cached(inner)
        with pytest.raises(EngineFailed):
            await spoken(voice, "one fail")
        async with aclosing(voice.speak("one two", language="en")) as pieces:
            await anext(pieces)
        assert await spoken(voice, "one two") == ["one", "two"]
        with pytest.raises(EngineFailed):
            await spoken(voice, "one fail")
        assert inner.begun == ["one fail", "one two", "one two", "one fail"]

    run_virtual(main())


def test_phrases_are_forgotten_by_size_and_age() -> None:
    async def main() -> None:
        inner = Voice()
        voice = cached(inner, capacity=500, lifetime=100)
        for text in ("a", "b", "c", "c", "b", "a"):  # each 200 bytes: only two fit
            await spoken(voice, text)
        assert inner.begun == ["a", "b", "c", "a"]
        await asyncio.sleep(200)
        await spoken(voice, "a")
        assert inner.begun[-1] == "a"
        assert len(inner.begun) == 5

    run_virtual(main())


def test_a_phrase_that_is_said_now_and_then_is_kept() -> None:
    """A greeting that was made at the start is still there on a busy day's evening."""

    async def main() -> None:
        inner = Voice()
        voice = cached(inner, lifetime=100)
        for _ in range(5):
            await spoken(voice, "hello")
            await asyncio.sleep(60)
        assert inner.begun == ["hello"]

    run_virtual(main())


def test_what_does_not_fit_is_not_kept() -> None:
    async def main() -> None:
        inner = Voice()
        voice = cached(inner, capacity=150, longest=10)
        for text in ("a", "a", "a long long text", "a long long text"):
            await spoken(voice, text)
        assert len(inner.begun) == 4
        off = cached(inner, enabled=False)
        for _ in range(2):
            await spoken(off, "b")
        assert len(inner.begun) == 6

    run_virtual(main())


def test_shared_samples_cannot_be_changed() -> None:
    async def main() -> None:
        voice = cached(Voice())
        async for piece in voice.speak("hi", language="en"):
            with pytest.raises(ValueError, match="read-only"):
                piece.audio.samples[0] = 7

    run_virtual(main())


def test_a_store_can_be_given() -> None:
    async def main() -> None:
        settings = PhraseSettings()
        store = PhrasesInMemory(settings)
        inner = Voice()
        for mark, made in (("slow", 1), ("slow", 1), ("fast", 2)):
            await spoken(CachedVoice(inner, settings, store=store, mark=mark), "hi")
            assert len(inner.begun) == made
        assert await store.get(PhraseKey("slow", "", "en", "hi")) is not None
        assert store.bytes == 400
        voice = CachedVoice(inner, settings, store=store)
        await voice.start()
        await voice.aclose()
        assert inner.closed
        assert store.bytes == 0

    run_virtual(main())
