"""What `check` finds out."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.engines.catalog import GIGABYTE, Hardware
from bench.random_llama import TINY, write_adapter, write_llama
from bench.random_whisper import write_scripted
from server import check
from server.check import Finding, findings
from server.config import load
from server.hub import Hub
from server.models import ModelStore
from server.self_signed import self_signed
from tests.agent.engines.caches.servers import store_server
from tests.server.fake_hub import FakeHub

MCP_SERVER = Path(__file__).parents[1] / "agent" / "engines" / "mcp_tools.py"
SMALL = Hardware(cores=2, memory=8 * GIGABYTE)


async def found(
    folder: Path,
    *overrides: str,
    hardware: Hardware = SMALL,
    hub: str = "http://127.0.0.1:9",
    env: Mapping[str, str] | None = None,
) -> list[Finding]:
    here = [f"models.folder={folder}", "models.download=false", "server.port=0", *overrides]
    settings = load(None, env or {}, here)
    store = ModelStore(settings.models, Hub(endpoint=hub, timeout=2, progress=lambda *_: None))
    return list(await findings(settings, store, hardware))


def bad(all_found: list[Finding]) -> list[str]:
    return [finding.what for finding in all_found if finding.level == "bad"]


async def test_a_bare_machine_can_serve_and_is_told_what_it_lacks(tmp_path: Path) -> None:
    all_found = await found(tmp_path)
    assert bad(all_found) == []
    mends = " ".join(finding.mend for finding in all_found)
    for name in ("whisper-tiny.en", "whisper-small", "qwen2.5-0.5b", "en_US-ljspeech-medium"):
        assert f"models pull {name}" in mends


async def test_whether_the_hub_answers_is_told(tmp_path: Path) -> None:
    assert any("hub cannot be used" in finding.what for finding in await found(tmp_path))
    hub = FakeHub()
    hub.files["Systran/faster-whisper-tiny.en/vocabulary.txt"] = b"a"
    async with hub.serving() as endpoint:
        answered = await found(tmp_path, hub=endpoint)
    assert any(finding.what.startswith("the model hub answers") for finding in answered)


async def test_an_engine_that_cannot_be_had_is_in_the_way(tmp_path: Path) -> None:
    assert bad(await found(tmp_path, "stt.engine=whisper"))[0].startswith("stt: whisper was asked")


async def test_a_remote_model_that_does_not_answer_is_in_the_way(tmp_path: Path) -> None:
    remote = ("llm.engine=openai", "llm.openai.base_url=http://127.0.0.1:9/v1")
    assert bad(await found(tmp_path, *remote))[0].startswith("http://127.0.0.1:9/v1 does not")


async def test_models_larger_than_the_free_memory_are_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "llm").mkdir()
    (tmp_path / "llm" / "Mistral-7B-Instruct-v0.3-Q4_K_M.gguf").write_bytes(b"1")
    monkeypatch.setattr(check, "free_memory", lambda: 2 * GIGABYTE)
    told = bad(await found(tmp_path))
    assert told == ["2.0 GB of memory are free, the models take about 6.5 GB"]


async def test_models_on_a_gpu_take_its_memory_and_none_of_the_machine_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "Mistral-7B-Instruct-v0.3-Q4_K_M.gguf"
    path.write_bytes(b"GGUF")
    monkeypatch.setattr(check, "free_memory", lambda: 2 * GIGABYTE)
    small = Hardware(cores=8, memory=2 * GIGABYTE, gpu="GPU", llama_gpu=True)
    large = replace(small, gpu_memory=24 * GIGABYTE)

    fits = await found(tmp_path, f"llm.model={path}", hardware=large)
    assert bad(fits) == []
    assert "24.0 GB of the GPU's memory are free, the models take about 6.5 GB" in [
        one.what for one in fits if one.level == "fine"
    ]

    full = await found(
        tmp_path, f"llm.model={path}", hardware=replace(large, gpu_memory=3 * GIGABYTE)
    )
    assert bad(full) == []
    assert (
        "3.0 GB of the GPU's memory are free, the models take about 6.5 GB: "
        "what it does not take runs on the CPU"
    ) in [one.what for one in full if one.level == "note"]


async def test_a_model_of_one_s_own_takes_what_its_file_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = write_llama(tmp_path / "own.gguf", TINY)
    with own.open("r+b") as file:
        file.truncate(3 * GIGABYTE)
    monkeypatch.setattr(check, "free_memory", lambda: 2 * GIGABYTE)
    assert bad(await found(tmp_path, f"llm.model={own}")) == [
        "2.0 GB of memory are free, the models take about 3.0 GB"
    ]


async def test_a_missing_libopus_is_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check.ctypes.util, "find_library", lambda name: None)
    all_found = await found(tmp_path)
    assert "sudo apt-get install libopus0" in [finding.mend for finding in all_found]


async def test_a_library_that_cannot_be_loaded_is_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(check.LIBRARIES, "no_such_module", ("no-such-package", "no miracle"))
    told = bad(await found(tmp_path))
    assert told == [
        "no-such-package cannot be loaded (No module named 'no_such_module'): no miracle"
    ]


async def test_a_gpu_that_llama_cpp_cannot_use_is_worth_a_note(tmp_path: Path) -> None:
    hardware = Hardware(cores=8, memory=32 * GIGABYTE, gpu="NVIDIA Something")
    notes = [one for one in await found(tmp_path, hardware=hardware) if one.level == "note"]
    assert any("built without support" in one.what and "CUDA=1" in one.mend for one in notes)


@pytest.mark.parametrize(("device", "level"), [("auto", "note"), ("cuda", "bad")])
async def test_a_whisper_without_cublas_is_told_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, level: str
) -> None:
    folder = write_scripted(tmp_path / "whisper" / "faster-whisper-tiny.en", "Hello.")
    monkeypatch.setattr(check.cublas, "is_there", lambda: False)
    hardware = Hardware(cores=8, memory=32 * GIGABYTE, gpu="NVIDIA Something")

    async def told(device: str) -> list[tuple[str, str]]:
        chosen = (f"stt.models.en={folder}", f"stt.whisper.device={device}")
        all_found = await found(tmp_path, *chosen, hardware=hardware)
        return [(one.level, one.mend) for one in all_found if "cuBLAS 12" in one.what]

    install = f"{sys.executable} -m pip install -r requirements-cuda.txt"
    assert await told(device) == [(level, install)]
    assert await told("cpu") == []


@pytest.mark.parametrize(
    ("overrides", "level", "told"),
    [
        ((), "fine", "calls need no key: this machine alone can reach the server"),
        (("server.host=0.0.0.0",), "note", "calls need a key, and there is none"),
        (
            ("server.host=0.0.0.0", "access.keys.phone=sixteen-and-more"),
            "fine",
            "calls need a key; there are: phone",
        ),
        (
            ("server.host=0.0.0.0", "access.required=false"),
            "note",
            "calls need no key, and others can reach 0.0.0.0",
        ),
    ],
)
async def test_who_may_call_is_told(
    tmp_path: Path, overrides: tuple[str, ...], level: str, told: str
) -> None:
    all_found = await found(tmp_path, f"server.state={tmp_path}", *overrides)
    assert (level, told) in [(finding.level, finding.what) for finding in all_found]


async def test_a_spoilt_file_of_keys_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{")
    told = bad(await found(tmp_path, f"server.state={tmp_path}"))
    assert len(told) == 1 and "is no file of keys" in told[0]


async def test_a_certificate_is_looked_at(tmp_path: Path) -> None:
    def using(pair: tuple[Path, Path]) -> list[str]:
        return [f"server.tls_certificate={pair[0]}", f"server.tls_key={pair[1]}"]

    good = self_signed(tmp_path / "good")
    told = next(each for each in await found(tmp_path, *using(good)) if "HTTPS" in each.what)
    assert told.level == "fine" and "is good until" in told.what
    old = self_signed(tmp_path / "old", now=datetime.now(UTC) - timedelta(days=390))
    told = next(each for each in await found(tmp_path, *using(old)) if "HTTPS" in each.what)
    assert told.level == "note"
    good[1].write_text("x")
    assert "is no private key" in bad(await found(tmp_path, *using(good)))[0]


async def test_a_look_makes_no_certificate(tmp_path: Path) -> None:
    state = tmp_path / "state"
    all_found = await found(tmp_path, "server.https=true", f"server.state={state}")
    assert any("certificate of the server's own" in each.what for each in all_found)
    assert not state.exists()


async def test_tools_are_told_and_the_variables_that_they_lack(tmp_path: Path) -> None:
    block = (
        'tools=[{name="hours", description="d", url="http://localhost/", '
        'headers={Authorization="Bearer ${HOURS_KEY}"}}]'
    )
    lacking = [each for each in await found(tmp_path, block) if "tool hours" in each.what]
    all_found = await found(tmp_path, block, env={"HOURS_KEY": "k"})
    complete = [each for each in all_found if "tool hours" in each.what]

    assert [(each.level, each.mend) for each in lacking] == [("note", "export HOURS_KEY")]
    assert [each.level for each in complete] == ["fine"]


async def test_mcp_servers_are_told_and_their_tools(tmp_path: Path) -> None:
    program = f'command="{sys.executable}", args=["{MCP_SERVER}"]'
    blocks = (
        f'mcp=[{{name="here", {program}, tools=["weather", "broken"]}}, '
        f'{{name="again", {program}, tools=["weather", "gone"], prefix="x_"}}, '
        '{name="away", url="http://127.0.0.1:9/mcp"}, '
        '{name="locked", url="http://localhost/", headers={Authorization="${MCP_KEY}"}}]'
    )
    told = {
        each.what.split(":")[0]: each
        for each in await found(tmp_path, blocks)
        if each.what.startswith("MCP")
    }

    assert told["MCP server here"].what == "MCP server here: weather, broken"
    assert told["MCP server again has no x_gone"].level == "note"
    assert "http://127.0.0.1:9/mcp cannot be used" in told["MCP server away"].what
    assert told["MCP server locked"].mend == "export MCP_KEY"
    assert {each.level for each in told.values()} == {"fine", "note"}


async def test_two_tools_of_one_name_are_in_the_way(tmp_path: Path) -> None:
    program = f'command="{sys.executable}", args=["{MCP_SERVER}"]'
    tool = 'tools=[{name="weather", description="d", url="http://localhost/"}]'
    told = bad(await found(tmp_path, tool, f'mcp=[{{name="it", {program}}}]'))

    assert told == ["MCP server it: weather is another tool's name already"]


async def test_adapters_are_told_with_whom_they_serve(tmp_path: Path) -> None:
    (tmp_path / "llm").mkdir()
    write_llama(tmp_path / "llm" / "mine.gguf", TINY)
    lora = write_adapter(tmp_path / "polite.gguf", TINY)
    named = f"llm.llama.adapters.polite.path={lora}"

    unused = await found(tmp_path, named)
    used = await found(tmp_path, named, "personas.ko.adapter=polite")
    missing = await found(tmp_path, "llm.llama.adapters.polite.path=/nowhere.gguf")

    [told] = [finding for finding in unused if finding.what.startswith("adapter polite")]
    assert told.level == "note" and "no persona uses it" in told.what
    [told] = [finding for finding in used if finding.what.startswith("adapter polite")]
    assert told.level == "fine" and told.what.endswith("MB, scale 1, for ko")
    assert "the adapter polite: /nowhere.gguf" in bad(missing)[0]


async def test_whether_the_shared_cache_answers_is_told(tmp_path: Path) -> None:
    async with store_server("memcached", tmp_path) as server:
        there = await found(tmp_path, f"cache.url={server.url}")
        await server.kill()
        away = await found(tmp_path, f"cache.url={server.url}")
    assert f"the shared cache answers at {server.url}" in [finding.what for finding in there]
    [told] = [finding for finding in away if "shared cache" in finding.what]
    assert (told.level, told.mend) == ("note", "start it, or set cache.url")
    assert not any("shared cache" in finding.what for finding in await found(tmp_path))
