"""The stages as they stand: the real engines, with no models, broken ones, and real ones."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import llama_cpp
import pytest

from agent.engines import catalog
from agent.engines.catalog import GIGABYTE, Hardware
from agent.engines.llama import LlamaSettings, library
from agent.engines.piper import Piper
from agent.engines.pocketsphinx import DECODER_BYTES
from agent.engines.protocols import ReplyRequest, Speech
from agent.errors import EngineError, EngineFailed, EngineMissing
from agent.load import Rung
from agent.messages import Message, ToolCall
from bench.random_llama import TINY, write_adapter, write_llama
from server.config import load
from server.hub import Hub
from server.models import ModelStore
from server.plan import StageUnavailable
from server.stages import Stages, choose
from tests.agent.engines.small_voice import make_voice
from tests.conftest import TestData
from tests.server.fake_hub import FakeHub

MCP_SERVER = Path(__file__).parents[1] / "agent" / "engines" / "mcp_tools.py"
SMALL = Hardware(cores=2, memory=8 * GIGABYTE)
Choose = Callable[..., Awaitable[Stages]]


@pytest.fixture
async def chosen(tmp_path: Path) -> AsyncIterator[Choose]:
    """Chooses with the models of `tmp_path`; what was started is closed after the test."""
    async with AsyncExitStack() as stack:

        async def choose_with(*overrides: str, hardware: Hardware = SMALL) -> Stages:
            here = [f"models.folder={tmp_path}", "models.download=false", *overrides]
            settings = load(None, {}, here)
            hub = Hub(endpoint="http://127.0.0.1:9", timeout=1, progress=lambda *_: None)
            stages = await choose(settings, ModelStore(settings.models, hub), hardware)
            stack.push_async_callback(stages.aclose)
            return stages

        yield choose_with


def broken_model(folder: Path, name: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"this is no model" * 100)


async def spoken(stages: Stages, text: str, language: str) -> float:
    """Seconds of speech for a text."""
    pieces = stages.engines.synthesizer.speak(text, language=language)
    return sum([piece.audio.seconds async for piece in pieces])


async def answered(stages: Stages, text: str) -> str:
    request = ReplyRequest(conversation="c", messages=(Message("user", text),), max_tokens=48)
    return "".join([piece async for piece in stages.engines.model.reply(request)])


async def test_with_nothing_installed_every_stage_works(chosen: Choose) -> None:
    stages = await chosen()
    assert [report.engine for report in stages.reports] == ["pocketsphinx", "scripted", "espeak"]
    assert all(report.missing and report.mend for report in stages.reports)
    assert await spoken(stages, "Hello there.", "en") > 0.3
    assert await spoken(stages, "안녕하세요.", "ko") > 0.3
    assert await answered(stages, "Hello!")
    recognition = stages.engines.transcriber.open(language="en")
    recognition.close()


async def test_what_is_loaded_only_when_it_is_needed_is_reckoned_with(chosen: Choose) -> None:
    usual = await chosen("tts.phrases.enabled=false")
    more = await chosen("stt.pocketsphinx.followed=5", "tts.phrases.enabled=false")
    remembering = await chosen("tts.phrases.capacity=132_000_000")
    assert usual.later >= 2 * DECODER_BYTES
    assert more.later - usual.later == 3 * DECODER_BYTES
    assert 80_000_000 < remembering.later - usual.later < 132_000_000


@pytest.mark.parametrize(
    ("files", "override", "at", "stopgap"),
    [
        (["llm/mine.gguf"], "llm.engine=llama", 1, "scripted"),
        (["piper/en_US-mine-low.onnx"], "tts.engine=piper", 2, "espeak"),
        (["whisper/mine/model.bin"], "stt.engine=whisper", 0, "pocketsphinx"),
    ],
)
async def test_a_broken_model_is_worked_around_unless_its_engine_was_asked_for(
    chosen: Choose, tmp_path: Path, files: list[str], override: str, at: int, stopgap: str
) -> None:
    for name in files:
        broken_model(tmp_path, name)
    (tmp_path / "piper").mkdir(exist_ok=True)
    (tmp_path / "piper" / "en_US-mine-low.onnx.json").write_text("{}")
    report = (await chosen()).reports[at]
    assert report.engine == stopgap
    assert "did not start" in report.why
    assert report.missing
    with pytest.raises(StageUnavailable, match=report.stage):
        await chosen(override)


async def test_a_voice_that_fails_in_a_call_is_stood_in_for_unless_it_was_asked_for(
    chosen: Choose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "piper").mkdir()
    make_voice(tmp_path / "piper", name="en_US-mine-low")

    async def fail(*_: object, **__: object) -> AsyncIterator[Speech]:
        raise EngineFailed("tts", "out of breath")
        yield

    either, asked_for = await chosen(), await chosen("tts.engine=piper")
    monkeypatch.setattr(Piper, "speak", fail)
    assert await spoken(either, "Not said before.", "en") > 0.3
    with pytest.raises(EngineError, match="out of breath"):
        await spoken(asked_for, "Not said before.", "en")
    assert await spoken(asked_for, "안녕하세요.", "ko") > 0.3


async def test_required_models_make_every_stopgap_an_error(chosen: Choose, tmp_path: Path) -> None:
    with pytest.raises(
        StageUnavailable, match=r"stt: models are required.*\n +mend: python run\.py"
    ):
        await chosen("server.require_models=true")
    broken_model(tmp_path, "llm/mine.gguf")
    with pytest.raises(StageUnavailable, match="llm"):
        await chosen(
            "server.require_models=true",
            "stt.engine=pocketsphinx",
            "personas.ko=false",
            "tts.engine=espeak",
        )


async def test_engines_chosen_by_name_need_no_models(chosen: Choose) -> None:
    stages = await chosen(
        "server.require_models=true",
        "stt.engine=pocketsphinx",
        "personas.ko=false",
        "llm.engine=scripted",
        "tts.engine=espeak",
    )
    assert not any(report.missing for report in stages.reports)


@pytest.mark.real
async def test_the_first_start_downloads_what_it_can_and_says_what_it_could_not(
    tmp_path: Path, testdata: TestData
) -> None:
    hub = FakeHub()
    models = testdata.folder / "models"
    given = {
        "qwen2.5-0.5b": ["llm/tinytalk-3m-q4_0.gguf"],
        "en_US-ljspeech-medium": [
            "piper/en_US-moonmicro-low.onnx",
            "piper/en_US-moonmicro-low.onnx.json",
        ],
    }
    for name, files in given.items():
        model = catalog.named(name)
        assert model is not None
        for theirs, ours in zip(model.files, files, strict=True):
            hub.files[f"{model.repository}/{theirs}"] = (models / ours).read_bytes()
            hub.large.add(f"{model.repository}/{theirs}")
    async with hub.serving() as endpoint:
        settings = load(None, {}, [f"models.folder={tmp_path}", f"models.endpoint={endpoint}"])
        client = Hub(endpoint=endpoint, timeout=5, progress=lambda *_: None)
        stages = await choose(settings, ModelStore(settings.models, client), SMALL)
    try:
        stt, llm, tts = stages.reports
        assert (stt.engine, llm.engine, tts.engine) == ("pocketsphinx", "llama", "piper")
        assert "whisper-tiny.en (en): http" in stt.missing and "(404)" in stt.missing
        assert await answered(stages, "can you help me order a coffee?")
        assert await spoken(stages, "Hello there.", "en") > 0.3
    finally:
        await stages.aclose()


async def test_tools_of_an_mcp_server_appear_and_one_that_is_away_is_not_waited_for(
    chosen: Choose,
) -> None:
    here = f'{{name="here", command="{sys.executable}", args=["{MCP_SERVER}"], prefix="my_"}}'
    away = '{name="away", url="http://127.0.0.1:9/mcp"}'
    stages = await chosen(
        f"mcp=[{here}, {away}]", 'tools=[{name="hours", description="d", url="http://localhost/"}]'
    )
    tools = stages.engines.tools
    assert tools is not None
    async with asyncio.timeout(30):
        while True:
            if len(tools.offered) > 1:
                break
            await asyncio.sleep(0.05)
    assert {"hours", "my_weather"} <= {tool.name for tool in tools.offered}
    assert await tools.use(ToolCall("1", "my_several", "{}")) == "one\ntwo"


async def test_a_start_that_fails_leaves_no_mcp_server_behind(
    chosen: Choose, tmp_path: Path
) -> None:
    before = asyncio.all_tasks()
    broken_model(tmp_path, "broken.gguf")
    server = f'mcp=[{{name="it", command="{sys.executable}", args=["{MCP_SERVER}"]}}]'
    with pytest.raises(StageUnavailable, match="llm"):
        await chosen(server, "llm.engine=llama", f"llm.model={tmp_path / 'broken.gguf'}")
    assert not asyncio.all_tasks() - before


@pytest.mark.real
async def test_real_models_in_the_folder_are_used(chosen: Choose, testdata: TestData) -> None:
    stages = await chosen(f"models.folder={testdata.folder / 'models'}")
    _, llm, tts = stages.reports
    assert (llm.engine, llm.model, llm.missing) == ("llama", "tinytalk-3m-q4_0.gguf", "")
    assert (tts.engine, tts.model) == ("piper", "en_US-moonmicro-low.onnx (en)")
    assert await spoken(stages, "Hello there.", "en") > 0.3
    assert await spoken(stages, "안녕하세요.", "ko") > 0.3
    assert len(await answered(stages, "can you help me order a coffee?")) > 5


@pytest.mark.real
async def test_what_stands_in_for_a_failing_model_says_so(
    chosen: Choose, testdata: TestData
) -> None:
    stages = await chosen(f"models.folder={testdata.folder / 'models'}")
    await stages.engines.model.aclose()  # from now on it fails
    assert "does not answer at the moment" in await answered(stages, "Two coffees, please.")


async def test_a_persona_is_answered_with_its_adapter_and_the_spare_model_without(
    chosen: Choose, tmp_path: Path
) -> None:
    (tmp_path / "llm").mkdir()
    path = write_llama(tmp_path / "llm" / "mine.gguf", TINY)
    spare = write_llama(tmp_path / "spare.gguf", replace(TINY, layers=1))
    lora = write_adapter(tmp_path / "polite.gguf", TINY)
    stages = await chosen(
        f"server.state={tmp_path}",
        f"llm.model={path}",
        f"llm.spare={spare}",
        f"llm.llama.adapters.polite.path={lora}",
        "personas.ko.adapter=polite",
    )
    asked = ReplyRequest(conversation="a", messages=(Message("user", "Hello."),), max_tokens=16)
    polite = replace(asked, conversation="b", adapter="polite")

    plain = "".join([piece async for piece in stages.engines.model.reply(asked)])
    answered = "".join([piece async for piece in stages.engines.model.reply(polite)])
    assert stages.load is not None
    stages.load.move(Rung.BRIEF, "llm", at=0.0)
    spared = "".join([piece async for piece in stages.engines.model.reply(polite)])

    assert len({plain, answered, spared}) == 3


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("llm.llama.adapters.polite.path={wide}", "cannot use the adapter polite at .*wide"),
        ("llm.spare={broken}", "llm.spare: llama.cpp cannot load .*broken"),
        ("llm.replies.meaning.model={broken}", r"broken.* \(llm\.replies\.meaning\.model\)"),
        ("llm.replies.meaning.model=/nowhere.gguf", r"nowhere.* \(llm\.replies\.meaning\.model\)"),
    ],
)
async def test_a_file_named_beside_a_model_that_cannot_be_used_stops_the_start(
    chosen: Choose, tmp_path: Path, setting: str, says: str
) -> None:
    """The model itself would be stood in for; nobody who names an adapter wants the script."""
    path = write_llama(tmp_path / "mine.gguf", TINY)
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF, and nothing else")
    wide = write_adapter(tmp_path / "wide.gguf", replace(TINY, width=128, heads=4))
    named = setting.format(wide=wide, broken=broken)
    with pytest.raises(StageUnavailable, match=rf"^llm: .*{says}"):
        await chosen(f"server.state={tmp_path}", f"llm.model={path}", named)


async def test_an_engine_that_had_to_leave_the_gpu_is_reported_where_it_runs(
    chosen: Choose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_llama(tmp_path / "mine.gguf", TINY)
    usual = library._load_model

    def load_model(path: Path, settings: LlamaSettings, layers: int) -> object:
        if layers:
            raise EngineMissing("llm", "cudaMalloc failed: out of memory")
        return usual(path, settings, layers)

    monkeypatch.setattr(llama_cpp, "llama_supports_gpu_offload", lambda: True)
    monkeypatch.setattr(library, "_load_model", load_model)
    with_gpu = replace(SMALL, gpu="GPU", llama_gpu=True)
    stages = await chosen(f"server.state={tmp_path}", f"llm.model={path}", hardware=with_gpu)
    assert (stages.reports[1].engine, stages.reports[1].device) == ("llama", "cpu")


async def test_under_load_what_is_known_goes_before_the_spare_model_and_voice(
    chosen: Choose, tmp_path: Path
) -> None:
    path = write_llama(tmp_path / "mine.gguf", TINY)
    spare = write_llama(tmp_path / "spare.gguf", replace(TINY, layers=1))
    (tmp_path / "piper").mkdir()
    make_voice(tmp_path / "piper", name="en_US-mine-low")
    stages = await chosen(
        f"server.state={tmp_path}", f"llm.model={path}", f"llm.spare={spare}", "tts.spare=espeak",
        "personas.en.instructions=Be brief.",
    )  # fmt: skip
    assert stages.load is not None
    known, unknown = first("When do you open?"), first("What do you bake?")
    usual = await reply_to(stages, known), await spoken(stages, "A known sentence.", "en")
    stages.load.move(Rung.BRIEF, "llm", at=0.0)
    assert (await reply_to(stages, known), await spoken(stages, "A known sentence.", "en")) == usual
    spared = await reply_to(stages, unknown), await spoken(stages, "Another sentence.", "en")
    stages.load.move(Rung.EASY, "llm", at=0.0)
    after = await reply_to(stages, unknown), await spoken(stages, "Another sentence.", "en")
    assert after[0] != spared[0]
    assert after[1] != spared[1]


def first(question: str) -> ReplyRequest:
    messages = (Message("system", "Be brief."), Message("user", question))
    return ReplyRequest(conversation=question, messages=messages, max_tokens=16)


async def reply_to(stages: Stages, request: ReplyRequest) -> str:
    return "".join([piece async for piece in stages.engines.model.reply(request)])
