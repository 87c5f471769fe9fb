"""One call over whatever aiortc is found, told as JSON: run by `test_other_aiortc.py` beside
another version of it."""

from __future__ import annotations

import asyncio
import json
import logging
from importlib.metadata import version
from typing import Any

from media.audio import AudioChunk
from tests.media.talking import loud_part, pitch, talk, tone, until


async def call() -> dict[str, Any]:
    said: list[str] = []
    watching = logging.Handler(logging.WARNING)
    watching.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("media").addHandler(watching)
    for _ in range(2):
        async with talk("short", tone(1.0, 48_000, 440.0)) as line:
            await line.speaker.play(AudioChunk(tone(0.6, 48_000, 700.0), 48_000))
            await until(lambda: len(loud_part(line.what_was_heard(), 16_000)) > 8_000)
            await until(lambda: len(loud_part(line.what_was_answered(), 48_000)) > 20_000)
    return {
        "aiortc": version("aiortc"),
        "path": line.line.path,
        "heard": pitch(loud_part(line.what_was_heard(), 16_000)[:8_000], 16_000),
        "answered": pitch(loud_part(line.what_was_answered(), 48_000)[:20_000], 48_000),
        "warnings": said,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(call())))
