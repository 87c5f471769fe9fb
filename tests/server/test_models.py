"""The models folder: what is found in it, what is fetched into it, and what is said otherwise."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.engines import catalog
from server.hub import Hub
from server.models import ModelsSettings, ModelStore, ModelUnavailable
from tests.server.fake_hub import FakeHub

WHISPER = catalog.MODELS[0]
VOICE = next(model for model in catalog.MODELS if model.stage == "tts")


def store(
    folder: Path, endpoint: str = "http://127.0.0.1:9", *, download: bool = True
) -> ModelStore:
    hub = Hub(endpoint=endpoint, timeout=5, progress=lambda *_: None)
    return ModelStore(ModelsSettings(folder=folder, download=download), hub)


@pytest.fixture
async def served() -> AsyncIterator[tuple[FakeHub, str]]:
    hub = FakeHub()
    for model in (WHISPER, VOICE):
        for name in model.files:
            hub.files[f"{model.repository}/{name}"] = name.encode() * 1000
        hub.large.add(f"{model.repository}/{model.files[0]}")
    async with hub.serving() as endpoint:
        yield hub, endpoint


@pytest.mark.parametrize("model", [WHISPER, VOICE], ids=lambda model: model.name)
async def test_a_model_is_fetched_into_its_place_with_all_its_files(
    served: tuple[FakeHub, str], tmp_path: Path, model: catalog.Model
) -> None:
    models = store(tmp_path, served[1])
    assert models.find(model) is None
    place = await models.obtain(model)
    assert place == tmp_path / model.path == models.find(model)
    for name, path in models.files(model):
        assert path.read_bytes() == name.encode() * 1000
    served[0].lookups.clear()
    assert await models.obtain(model) == place
    assert served[0].lookups == []


async def test_a_model_whose_last_file_was_not_had_is_not_there(
    served: tuple[FakeHub, str], tmp_path: Path
) -> None:
    del served[0].files[f"{WHISPER.repository}/{WHISPER.files[-1]}"]
    models = store(tmp_path, served[1])
    with pytest.raises(ModelUnavailable, match=r"vocabulary\.txt"):
        await models.obtain(WHISPER)
    assert models.find(WHISPER) is None


async def test_without_downloads_the_command_that_mends_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="not in") as caught:
        await store(tmp_path, download=False).obtain(VOICE)
    assert caught.value.mend == f"python run.py models pull {VOICE.name}"


async def test_an_unreachable_hub_is_asked_once(tmp_path: Path) -> None:
    asked = 0
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(0)
        models = store(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}")
        models._hub._timeout = 0.2
        for model in (WHISPER, VOICE):
            with pytest.raises(ModelUnavailable, match="does not answer") as caught:
                await models.obtain(model)
            assert caught.value.mend.endswith(model.name)
        while True:
            try:
                silent.accept()[0].close()
            except BlockingIOError:
                break
            asked += 1
    assert asked == 1


async def test_cancelling_stops_the_download_and_keeps_what_came(
    served: tuple[FakeHub, str], tmp_path: Path
) -> None:
    hub, endpoint = served
    hub.files[f"{WHISPER.repository}/model.bin"] = bytes(2_000_000)
    models = store(tmp_path, endpoint)
    loop = asyncio.get_running_loop()
    came = asyncio.Event()
    models._hub._progress = lambda *_: loop.call_soon_threadsafe(came.set) and None
    pull = asyncio.create_task(models.obtain(WHISPER))
    await came.wait()
    pull.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pull
    assert models.find(WHISPER) is None
    assert await models.obtain(WHISPER) == tmp_path / WHISPER.path


def test_what_someone_brought_is_found_and_what_is_known_is_not_counted_as_such(
    tmp_path: Path,
) -> None:
    models = store(tmp_path)
    known = catalog.of_stage("llm")[0]
    for name, size in ((known.path, 9), ("llm/small.gguf", 1), ("llm/large.gguf", 5)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bytes(size))
    assert [path.name for path in models.brought("llm")] == ["large.gguf", "small.gguf"]
    assert models.find(known) == tmp_path / known.path


def test_a_voice_without_its_description_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "piper").mkdir()
    (tmp_path / "piper" / "en_US-mine-low.onnx").write_bytes(b"1")
    assert store(tmp_path).brought("tts") == ()
    (tmp_path / "piper" / "en_US-mine-low.onnx.json").write_text("{}")
    assert [path.name for path in store(tmp_path).brought("tts")] == ["en_US-mine-low.onnx"]


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert store(tmp_path / "none").brought("stt") == ()
