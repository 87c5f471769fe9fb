"""Which models are known: where each is had, how large it is, under which licence, and which of
them suits a machine. Plain values; nothing here loads, downloads or looks at the machine itself.

The order of the language models is the order of their quality. An entry is one line of `MODELS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent.errors import Stage

ANY_LANGUAGE = "*"
MEGABYTE = 1_000_000
GIGABYTE = 1_000 * MEGABYTE

Purpose = Stage | Literal["turn"]
"""What a model is for: a stage of the turn, or to judge where the turn ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What engines can run on: processor cores and bytes of memory that this process may use."""

    cores: int
    memory: int
    gpu: str = ""
    """The first CUDA device's name; empty: none that the speech libraries can use."""
    gpu_memory: int = 0
    """Bytes of its memory that others leave free; 0: unknown."""
    llama_gpu: bool = False
    """Whether llama-cpp-python was built with a GPU's support."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A published model: files of a hub's repository, and their place in the models folder."""

    name: str
    stage: Purpose
    languages: tuple[str, ...]
    """ISO 639-1 codes it is chosen for; `*`: any other."""
    repository: str
    files: tuple[str, ...]
    """Paths in the repository; the first is the largest."""
    path: str
    """Where it is kept, below the models folder: a file, or a folder for all `files`."""
    size: int
    """Bytes to download."""
    memory: int
    """Bytes that it takes while it runs, context included."""
    licence: str

    @property
    def is_folder(self) -> bool:
        return self.stage == "stt"

    @property
    def page(self) -> str:
        """Where a person reads about it."""
        return f"https://huggingface.co/{self.repository}"


def _whisper(size: str, languages: tuple[str, ...], megabytes: int) -> Model:
    return Model(
        name=f"whisper-{size}",
        stage="stt",
        languages=languages,
        repository=f"Systran/faster-whisper-{size}",
        files=("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"),
        path=f"whisper/{size}",
        size=megabytes * MEGABYTE,
        memory=2 * megabytes * MEGABYTE,
        licence="MIT",
    )


def _gguf(name: str, repository: str, file: str, size: int, memory: int, licence: str) -> Model:
    return Model(
        name=name,
        stage="llm",
        languages=(ANY_LANGUAGE,),
        repository=repository,
        files=(file,),
        path=f"llm/{file}",
        size=size,
        memory=memory,
        licence=licence,
    )


def _piper(voice: str, megabytes: int, licence: str) -> Model:
    """`voice` as Piper names it: `en_US-ljspeech-medium`."""
    locale, speaker, quality = voice.split("-")
    language = locale.partition("_")[0]
    folder = f"{language}/{locale}/{speaker}/{quality}"
    return Model(
        name=voice,
        stage="tts",
        languages=(language,),
        repository="rhasspy/piper-voices",
        files=(f"{folder}/{voice}.onnx", f"{folder}/{voice}.onnx.json"),
        path=f"piper/{voice}.onnx",
        size=megabytes * MEGABYTE,
        memory=3 * megabytes * MEGABYTE,
        licence=licence,
    )


MODELS: tuple[Model, ...] = (
    _whisper("tiny.en", ("en",), 78),
    _whisper("small", (ANY_LANGUAGE,), 486),
    _whisper("tiny", (), 78),
    _whisper("base.en", (), 148),
    _whisper("small.en", (), 486),
    _whisper("medium", (), 1531),
    _gguf(
        "qwen2.5-0.5b",
        "Qwen/Qwen2.5-0.5B-Instruct-GGUF",
        "qwen2.5-0.5b-instruct-q4_k_m.gguf",
        491_400_032,
        900 * MEGABYTE,
        "Apache-2.0",
    ),
    _gguf(
        "qwen2.5-1.5b",
        "Qwen/Qwen2.5-1.5B-Instruct-GGUF",
        "qwen2.5-1.5b-instruct-q4_k_m.gguf",
        1_117_320_736,
        1_800 * MEGABYTE,
        "Apache-2.0",
    ),
    _gguf(
        "llama-3.2-3b",
        "bartowski/Llama-3.2-3B-Instruct-GGUF",
        "Llama-3.2-3B-Instruct-Q4_K_M.gguf",
        2_019_377_600,
        3_500 * MEGABYTE,
        "Llama 3.2 Community Licence",
    ),
    _gguf(
        "mistral-7b",
        "bartowski/Mistral-7B-Instruct-v0.3-GGUF",
        "Mistral-7B-Instruct-v0.3-Q4_K_M.gguf",
        4_372_812_000,
        6_500 * MEGABYTE,
        "Apache-2.0",
    ),
    _gguf(
        "llama-3.1-8b",
        "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF",
        "Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf",
        4_920_739_232,
        7_000 * MEGABYTE,
        "Llama 3.1 Community Licence",
    ),
    Model(
        name="smart-turn",
        stage="turn",
        languages=(),
        repository="pipecat-ai/smart-turn-v3",
        files=("smart-turn-v3.2-cpu.onnx",),
        path="smart-turn-v3.2-cpu.onnx",
        size=8_680_000,
        memory=60 * MEGABYTE,
        licence="BSD-2-Clause",
    ),
    _piper("en_US-ljspeech-medium", 64, "public domain (LJ Speech)"),
    _piper("en_US-lessac-medium", 63, "Blizzard 2013 (research use)"),
)

# Cores from which a model of this size still answers while a caller waits (tens of tokens a
# second; a 0.5 B model decodes about 30/s on one core with AVX2).
_CORES = {"qwen2.5-0.5b": 1, "qwen2.5-1.5b": 4, "llama-3.2-3b": 8}
_ON_GPU = "mistral-7b"


def named(name: str) -> Model | None:
    """The catalogue's model of that name."""
    return next((model for model in MODELS if model.name == name), None)


def of_stage(stage: Purpose) -> tuple[Model, ...]:
    return tuple(model for model in MODELS if model.stage == stage)


def for_language(stage: Stage, language: str) -> Model | None:
    """The model that a stage uses for a language when nobody chose another; None: there is none."""
    models = of_stage(stage)
    exact = next((model for model in models if language in model.languages), None)
    return exact or next((model for model in models if ANY_LANGUAGE in model.languages), None)


def language_model(hardware: Hardware) -> Model:
    """The best language model that answers a caller in time on this machine."""
    fitting = [
        model
        for model in of_stage("llm")
        if hardware.cores >= _CORES.get(model.name, 1_000_000) and hardware.memory > model.memory
    ]
    on_gpu = named(_ON_GPU)
    if on_gpu and hardware.llama_gpu and hardware.gpu_memory > on_gpu.memory:
        return on_gpu
    return fitting[-1] if fitting else of_stage("llm")[0]
