"""Which engine and models each stage gets, from what is configured and what lies in the folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.engines.catalog import GIGABYTE, Hardware
from server.config import Settings, load
from server.hub import Hub
from server.models import ModelStore
from server.plan import (
    Choice,
    StageUnavailable,
    language_model,
    plan,
    speech_to_text,
    text_to_speech,
)

SMALL = Hardware(cores=2, memory=8 * GIGABYTE)


class Machine:
    """A models folder to be filled, and settings that use it; nothing can be downloaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, *names: str, size: int = 10) -> None:
        for name in names:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(size))

    def has_whisper(self, *sizes: str) -> None:
        files = ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt")
        self.has(*(f"whisper/{size}/{name}" for size in sizes for name in files))

    def has_voice(self, name: str, speaks: str = "en-us") -> None:
        self.has(f"piper/{name}.onnx")
        described = f'{{"espeak": {{"voice": "{speaks}"}}}}'
        (self.folder / f"piper/{name}.onnx.json").write_text(described)

    def settings(self, *overrides: str) -> Settings:
        return load(None, {}, [f"models.folder={self.folder}", "models.download=false", *overrides])

    def store(self) -> ModelStore:
        hub = Hub(endpoint="http://127.0.0.1:9", timeout=1, progress=lambda *_: None)
        return ModelStore(self.settings().models, hub)

    async def stt(self, *overrides: str, hardware: Hardware = SMALL) -> Choice:
        return await speech_to_text(self.settings(*overrides), self.store(), hardware)

    async def llm(self, *overrides: str, hardware: Hardware = SMALL) -> Choice:
        return await language_model(self.settings(*overrides), self.store(), hardware)

    async def tts(self, *overrides: str) -> Choice:
        return await text_to_speech(self.settings(*overrides), self.store())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def names(choice: Choice) -> dict[str, str]:
    return {language: path.name for language, path in choice.models.items()}


async def test_with_nothing_there_every_stage_has_an_engine_and_says_what_it_lacks(
    machine: Machine,
) -> None:
    choices = await plan(machine.settings(), machine.store(), SMALL)
    assert [choice.engine for choice in choices] == ["pocketsphinx", "scripted", "espeak"]
    assert [[lack.mend.split()[-1] for lack in choice.lacks] for choice in choices] == [
        ["whisper-tiny.en", "whisper-small"],
        ["qwen2.5-0.5b"],
        ["en_US-ljspeech-medium"],
    ]


async def test_with_the_known_models_there_nothing_is_lacking(machine: Machine) -> None:
    machine.has_whisper("tiny.en", "small")
    machine.has("llm/qwen2.5-0.5b-instruct-q4_k_m.gguf")
    machine.has_voice("en_US-ljspeech-medium")
    stt, llm, tts = await plan(machine.settings(), machine.store(), SMALL)
    assert (stt.engine, stt.model) == ("whisper", "whisper-tiny.en (en), whisper-small (ko)")
    assert (llm.engine, llm.model) == ("llama", "qwen2.5-0.5b")
    assert (tts.engine, tts.model) == ("piper", "en_US-ljspeech-medium (en)")
    assert not stt.lacks and not llm.lacks and not tts.lacks
    assert "espeak-ng speaks ko" in tts.why


async def test_a_language_without_its_whisper_is_named(machine: Machine) -> None:
    machine.has_whisper("tiny.en")
    choice = await machine.stt()
    assert names(choice) == {"en": "tiny.en"}
    assert [lack.what for lack in choice.lacks] == ["whisper-small (ko)"]


async def test_an_english_whisper_is_not_taken_for_korean_and_a_larger_one_is(
    machine: Machine,
) -> None:
    machine.has_whisper("base.en", "medium")
    assert names(await machine.stt()) == {"en": "medium", "ko": "medium"}


async def test_a_whisper_that_someone_brought_serves_every_language(machine: Machine) -> None:
    machine.has("whisper/my-finetune/model.bin")
    assert names(await machine.stt()) == {"en": "my-finetune", "ko": "my-finetune"}


async def test_a_configured_path_comes_before_the_folder(machine: Machine, tmp_path: Path) -> None:
    machine.has_whisper("tiny.en", "small")
    machine.has("elsewhere/w/model.bin")
    chosen = await machine.stt(f"stt.models.en={tmp_path}/elsewhere/w")
    assert names(chosen) == {"en": "w", "ko": "small"}
    for_all = await machine.stt(f"stt.models={{'*' = '{tmp_path}/elsewhere/w'}}")
    assert names(for_all) == {"en": "w", "ko": "w"}


@pytest.mark.parametrize(
    ("stage", "override", "says"),
    [
        ("stt", "stt.models.en=/nowhere", "neither the name of a known model nor an existing"),
        ("llm", "llm.model=/nowhere.gguf", "neither the name of a known model nor an existing"),
        ("llm", "llm.model=whisper-tiny", "is a model for stt"),
        ("tts", "tts.voices.ko=/nowhere.onnx", "neither the name of a known model"),
        ("llm", "llm.llama.adapters.a.path=/nowhere.gguf", "the adapter a: /nowhere.gguf: No such"),
        (
            "llm",
            f"llm.llama.adapters.a.path={__file__}",
            "the adapter a: .*test_plan.py is no GGUF",
        ),
    ],
)
async def test_a_named_model_that_is_none_stops_the_start(
    machine: Machine, stage: str, override: str, says: str
) -> None:
    with pytest.raises(StageUnavailable, match=rf"^{stage}: .*{says}"):
        await plan(machine.settings(override), machine.store(), SMALL)


@pytest.mark.parametrize(
    ("override", "pull"),
    [
        ("stt.engine=whisper", "whisper-tiny.en"),
        ("llm.engine=llama", "qwen2.5-0.5b"),
        ("tts.engine=piper", "en_US-ljspeech-medium"),
    ],
)
async def test_an_engine_asked_for_by_name_is_never_replaced(
    machine: Machine, override: str, pull: str
) -> None:
    with pytest.raises(StageUnavailable, match=f"mend: python run.py models pull {pull}"):
        await plan(machine.settings(override), machine.store(), SMALL)


async def test_pocketsphinx_by_name_says_that_it_hears_english_only(machine: Machine) -> None:
    choice = await machine.stt("stt.engine=pocketsphinx")
    assert str(choice.lacks[0]) == "ko: PocketSphinx understands English only"
    assert choice.why.endswith("calls in ko are not understood")
    english = await machine.stt("stt.engine=pocketsphinx", "personas.ko=false")
    assert not english.lacks
    assert "not understood" not in english.why


async def test_without_a_recogniser_for_a_language_its_calls_are_told_to_be_in_vain(
    machine: Machine,
) -> None:
    choice = await machine.stt()
    assert choice.engine == "pocketsphinx"
    assert choice.why.endswith("calls in ko are not understood")


async def test_another_known_language_model_that_is_there_is_better_than_a_download(
    machine: Machine,
) -> None:
    machine.has("llm/Llama-3.2-3B-Instruct-Q4_K_M.gguf", "llm/mine.gguf")
    choice = await machine.llm()
    assert choice.model == "llama-3.2-3b"
    assert choice.why == "it is in the models folder"


async def test_the_largest_brought_language_model_that_fits_is_taken(machine: Machine) -> None:
    machine.has("llm/huge.gguf", size=5_000)
    machine.has("llm/fits.gguf", size=900)
    machine.has("llm/tiny.gguf", size=10)
    little = Hardware(cores=2, memory=1_000)
    assert (await machine.llm(hardware=little)).model == "fits.gguf"


async def test_a_gpu_is_used_by_whoever_can(machine: Machine) -> None:
    machine.has_whisper("small")
    machine.has("llm/mine.gguf")
    gpu = Hardware(cores=8, memory=32 * GIGABYTE, gpu="GPU", gpu_memory=24 * GIGABYTE)
    assert (await machine.stt(hardware=gpu)).device == "cuda"
    assert (await machine.stt("stt.whisper.device=cpu", hardware=gpu)).device == "cpu"
    assert (await machine.llm(hardware=gpu)).device == "cpu"


async def test_a_brought_voice_speaks_the_language_of_its_description(machine: Machine) -> None:
    machine.has_voice("whatever", speaks="ko")
    choice = await machine.tts("personas.en=false", "language=ko")
    assert (choice.engine, names(choice)) == ("piper", {"ko": "whatever.onnx"})


async def test_a_voice_of_another_language_is_not_used(machine: Machine) -> None:
    machine.has_voice("de_DE-thorsten-low", speaks="de")
    assert (await machine.tts()).engine == "espeak"


async def test_korean_alone_lacks_no_voice(machine: Machine) -> None:
    choice = await machine.tts("personas.en=false", "language=ko")
    assert (choice.engine, choice.lacks) == ("espeak", ())


async def test_a_remote_model_is_named_with_its_address(machine: Machine) -> None:
    choice = await machine.llm(
        "llm.engine=openai", "llm.openai.base_url=http://127.0.0.1:9/v1", "llm.openai.model=m"
    )
    assert (choice.engine, choice.device) == ("openai", "remote")
    assert choice.why.endswith("m at http://127.0.0.1:9/v1")
