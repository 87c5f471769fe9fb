"""`run.py talk FILE.wav…`: a call over the server's real WebRTC path, in one process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from server.config import Settings


async def talk(settings: Settings, files: Sequence[Path], language: str, output: Path) -> int:
    raise NotImplementedError
