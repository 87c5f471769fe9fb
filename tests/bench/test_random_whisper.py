"""Whispers that the tests and benchmarks make say what they were given, whatever their size."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from agent.engines.whisper import Whisper, WhisperSettings
from bench.random_whisper import Shape, write_scripted
from media.audio import AudioChunk


async def test_a_model_wider_than_its_positions_says_its_script(tmp_path: Path) -> None:
    folder = write_scripted(tmp_path / "wide", "Hello.", shape=Shape(width=512))
    engine = Whisper(WhisperSettings(device="cpu", niceness=0), {"en": folder})
    await engine.start()
    recognition = engine.open(language="en")
    recognition.feed(AudioChunk(np.zeros(16_000, np.int16)))
    assert (await recognition.final()).text == "Hello."
    await engine.aclose()
