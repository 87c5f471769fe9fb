"""The clients of `examples/` that can run here, against a whole server."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
import soundfile

from media.audio import Resampler, level_db
from tests.javascript.packages import packages
from tests.server.house import spoken
from tests.signaling.realtime.test_websocket import home

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
QUESTION = "What time is it?"
KEY = "a-key-of-the-operators-that-is-long-enough"


async def question(folder: Path, rate: int) -> Path:
    """A question as a WAV file."""
    audio = await spoken(QUESTION)
    samples = Resampler(audio.rate, rate).feed(audio.samples)
    soundfile.write(folder / "question.wav", samples, rate, subtype="PCM_16")
    return folder / "question.wav"


async def run(folder: Path, *command: str) -> tuple[int, str]:
    """What an example prints, and its exit code."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(60):
            told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, told.decode()


def assert_answered(told: str, answer: Path) -> None:
    assert "you:   what time is it" in told
    assert "agent: " in told
    samples, rate = soundfile.read(answer, dtype="int16")
    assert len(samples) > 0.3 * rate and level_db(samples) > -45


async def test_the_python_client(tmp_path: Path) -> None:
    wav = await question(tmp_path, 24_000)
    access = {"required": True, "keys": {"me": KEY}}
    call = [sys.executable, str(EXAMPLES / "python/call.py"), str(wav)]
    async with home("what time is it", access=access) as (url, _):
        code, told = await run(tmp_path, *call, "--server", url, "--key", KEY)
    assert code == 0, told
    assert_answered(told, tmp_path / "answer.wav")


@pytest.mark.parametrize(("script", "rate"), [("websocket.mjs", 24_000), ("webrtc.mjs", 48_000)])
async def test_the_node_clients(script: str, rate: int, tmp_path: Path) -> None:
    folder = packages(EXAMPLES / "node")
    wav = await question(tmp_path, rate)
    answer = tmp_path / "answer.wav"
    async with home("what time is it") as (url, _):
        code, told = await run(folder, "node", script, str(wav), str(answer), url)
    assert code == 0, told
    assert_answered(told, answer)
