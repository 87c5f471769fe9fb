"""Which models the server runs: the small real ones, or ones of true size with random weights."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.random_llama import HALF_BILLION, write_llama
from bench.random_whisper import TINY_EN, write_scripted
from bench.server_process import small_models

FOLDER = Path(tempfile.gettempdir()) / "chuimsae-capacity"
SPEAKS = b"abcdefghijklmnopqrstuvwxyz     ...."
"""So that what is said at random has words and sentences."""


def settings(models: str, device: str) -> list[str]:
    """`name=value`s of the server's."""
    on = [f"stt.whisper.device={device}", f"llm.llama.device={device}", "log.level=warning"]
    return [*(small_models() if models == "small" else full_models()), *on]


def full_models() -> list[str]:
    """Whisper tiny's and a 0.5 B model's true size; the voice is the small real one.

    Written once, into the system's folder for temporary files."""
    whisper, llama = FOLDER / "whisper-tiny.en", FOLDER / "half-billion.gguf"
    FOLDER.mkdir(exist_ok=True)
    if not (whisper / "model.bin").is_file():
        write_scripted(whisper, "what is the weather like", shape=TINY_EN)
    if not llama.is_file():
        write_llama(llama, HALF_BILLION, speaks=SPEAKS)
    voice = [each for each in small_models() if each.startswith("tts.")]
    return [
        "models.download=false",
        f"stt.models.en={whisper}",
        f"llm.model={llama}",
        *voice,
    ]
