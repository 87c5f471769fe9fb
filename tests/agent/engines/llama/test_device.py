"""Where the model runs: no GPU, one that cannot take it, a first step that fails."""

from __future__ import annotations

import asyncio
from pathlib import Path

import llama_cpp
import pytest

from agent.engines.llama import Llama, LlamaSettings, library
from agent.engines.llama.runtime import DecodeFailed
from agent.errors import EngineMissing, WrongSetting
from bench.random_llama import TINY, write_llama
from tests.agent.engines.llama.test_engine import SETTINGS, request, said


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("device") / "tiny.gguf", TINY)


async def test_cuda_that_the_library_lacks_is_refused_with_what_to_do(random_model: Path) -> None:
    if llama_cpp.llama_supports_gpu_offload():
        pytest.skip("this llama.cpp has a GPU")
    with pytest.raises(WrongSetting, match="built without CUDA.*CUDA=1"):
        await Llama(SETTINGS.model_copy(update={"device": "cuda"}), random_model).start()


async def test_a_gpu_that_cannot_take_the_model_is_done_without(
    random_model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """llama.cpp tells of a GPU, and its memory is full."""
    tried: list[int] = []
    usual = library._load_model

    def load_model(path: Path, settings: LlamaSettings, layers: int) -> object:
        tried.append(layers)
        if layers:
            raise EngineMissing("llm", "cudaMalloc failed: out of memory")
        return usual(path, settings, layers)

    monkeypatch.setattr(llama_cpp, "llama_supports_gpu_offload", lambda: True)
    monkeypatch.setattr(library, "_load_model", load_model)
    model = Llama(SETTINGS.model_copy(update={"device": "auto"}), random_model)
    await model.start()
    reply = await said(model, request("a", "hi"))
    await model.aclose()

    assert reply
    assert tried == [-1, 0]
    assert model.device == "cpu"
    (record,) = [each for each in caplog.records if "without the GPU" in each.message]
    assert "out of memory" in record.cause  # type: ignore[attr-defined]  # a field of ours

    with pytest.raises(EngineMissing, match="out of memory"):
        await Llama(SETTINGS.model_copy(update={"device": "cuda"}), random_model).start()


@pytest.mark.parametrize(("device", "spared"), [("cpu", True), ("cuda", False)])
async def test_a_model_on_the_cpu_leaves_the_gpu_alone(
    random_model: Path, monkeypatch: pytest.MonkeyPatch, device: str, spared: bool
) -> None:
    """With no layer there, llama.cpp would still take its memory and send it every prompt."""
    given = []
    usual = llama_cpp.llama_model_load_from_file

    def load_model(path: bytes, params: llama_cpp.llama_model_params) -> object:
        given.append((params.split_mode, params.main_gpu))
        return usual(path, params)

    monkeypatch.setattr(llama_cpp, "llama_supports_gpu_offload", lambda: True)
    monkeypatch.setattr(llama_cpp, "llama_model_load_from_file", load_model)
    model = Llama(SETTINGS.model_copy(update={"device": device}), random_model)
    await model.start()
    await model.aclose()
    assert (given == [(llama_cpp.LLAMA_SPLIT_MODE_NONE, -1)]) is spared


async def test_what_a_gpu_does_not_take_is_told_as_that(
    random_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama_cpp, "llama_supports_gpu_offload", lambda: True)
    monkeypatch.setattr(llama_cpp, "llama_model_load_from_file", lambda path, params: None)
    with pytest.raises(EngineMissing, match=r"all of its layers on the GPU.*n_gpu_layers"):
        await Llama(SETTINGS.model_copy(update={"device": "cuda"}), random_model).start()
    some = SETTINGS.model_copy(update={"device": "cuda", "n_gpu_layers": 1})
    with pytest.raises(EngineMissing, match=r"1 of its layers on the GPU"):
        await Llama(some, random_model).start()


async def test_a_first_step_that_fails_is_told_and_not_waited_for(
    random_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: object, batch: object, adapter: str) -> list[int]:
        raise DecodeFailed("-2")

    monkeypatch.setattr(library.LlamaCpp, "decode", refuse)
    async with asyncio.timeout(30):
        with pytest.raises(EngineMissing, match="cannot compute with .*-2"):
            await Llama(SETTINGS, random_model).start()
