"""Which model suits which machine."""

from __future__ import annotations

import pytest

from agent.engines import catalog
from agent.engines.catalog import GIGABYTE, Hardware


def machine(cores: int, gigabytes: float, gpu_gigabytes: float = 0) -> Hardware:
    return Hardware(
        cores=cores,
        memory=int(gigabytes * GIGABYTE),
        gpu="GPU" if gpu_gigabytes else "",
        gpu_memory=int(gpu_gigabytes * GIGABYTE),
        llama_gpu=bool(gpu_gigabytes),
    )


@pytest.mark.parametrize(
    ("hardware", "name"),
    [
        (machine(1, 1), "qwen2.5-0.5b"),
        (machine(2, 24), "qwen2.5-0.5b"),
        (machine(4, 8), "qwen2.5-1.5b"),
        (machine(16, 32), "llama-3.2-3b"),
        (machine(16, 3), "qwen2.5-1.5b"),
        (machine(8, 32, 24), "mistral-7b"),
        (machine(8, 32, 4), "llama-3.2-3b"),
        (machine(1, 0.2), "qwen2.5-0.5b"),
    ],
)
def test_the_largest_model_that_answers_in_time_is_chosen(hardware: Hardware, name: str) -> None:
    assert catalog.language_model(hardware).name == name


def test_a_gpu_that_llama_cpp_was_not_built_for_does_not_count() -> None:
    built_for_cpu = Hardware(cores=8, memory=32 * GIGABYTE, gpu="GPU", gpu_memory=24 * GIGABYTE)
    assert catalog.language_model(built_for_cpu).name == "llama-3.2-3b"


@pytest.mark.parametrize(
    ("stage", "language", "name"),
    [
        ("stt", "en", "whisper-tiny.en"),
        ("stt", "ko", "whisper-small"),
        ("stt", "de", "whisper-small"),
        ("tts", "en", "en_US-ljspeech-medium"),
        ("tts", "ko", None),
    ],
)
def test_each_language_has_its_model(stage: str, language: str, name: str | None) -> None:
    assert stage in ("stt", "tts")
    found = catalog.for_language(stage, language)
    assert (found.name if found else None) == name


def test_names_and_places_are_unique_and_files_are_named() -> None:
    assert len({model.name for model in catalog.MODELS}) == len(catalog.MODELS)
    assert len({model.path for model in catalog.MODELS}) == len(catalog.MODELS)
    for model in catalog.MODELS:
        assert model.files and model.licence and model.size > 1_000_000
        assert model.is_folder or model.path.rpartition("/")[2] == model.files[0].rpartition("/")[2]
