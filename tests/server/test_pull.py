"""`run.py models pull` in a process of its own, against a hub on loopback."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import run
from agent.engines import catalog
from tests.server.fake_hub import FakeHub

MODEL = catalog.MODELS[0]
CONTENT = os.urandom(2_000_000)


@pytest.fixture
async def served() -> AsyncIterator[tuple[FakeHub, str]]:
    hub = FakeHub()
    for name in MODEL.files:
        hub.files[f"{MODEL.repository}/{name}"] = CONTENT if name == "model.bin" else b"{}"
    hub.large = {f"{MODEL.repository}/model.bin"}
    async with hub.serving() as endpoint:
        yield hub, endpoint


async def pull(folder: Path, **env: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    command = (sys.executable, str(Path(run.__file__)), "models", "pull", MODEL.name)
    process = await asyncio.create_subprocess_exec(
        *command,
        *("--set", f"models.folder={folder}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NO_PROXY": "localhost,127.0.0.1", **env},
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_a_mirror_is_used_by_hf_endpoint_and_progress_is_told(
    served: tuple[FakeHub, str], tmp_path: Path
) -> None:
    code, out, err = await pull(tmp_path, HF_ENDPOINT=served[1])
    assert code == 0, err
    assert (tmp_path / MODEL.path / "model.bin").read_bytes() == CONTENT
    assert "whisper-tiny.en: 78 MB, MIT, https://huggingface.co/Systran" in out
    assert "model.bin: 100 % of 2 MB" in err

    code, out, _ = await pull(tmp_path, HF_ENDPOINT=served[1])
    assert code == 0
    assert "is here" in out


async def test_a_proxy_is_used(served: tuple[FakeHub, str], tmp_path: Path) -> None:
    away = {"HF_ENDPOINT": "http://hub.invalid", "HTTP_PROXY": served[1], "NO_PROXY": "localhost"}
    code, _, err = await pull(tmp_path, **away)
    assert code == 0, err
    assert (tmp_path / MODEL.path / "model.bin").read_bytes() == CONTENT


async def test_switched_off_downloads_are_said_so(
    served: tuple[FakeHub, str], tmp_path: Path
) -> None:
    code, out, _ = await pull(tmp_path, HF_ENDPOINT=served[1], HF_HUB_OFFLINE="1")
    assert code == 1
    assert "switched off by HF_HUB_OFFLINE" in out
    assert served[0].lookups == []


async def test_a_refusal_leaves_the_other_files_and_says_what_to_do(
    served: tuple[FakeHub, str], tmp_path: Path
) -> None:
    served[0].refuse = 401
    code, out, err = await pull(tmp_path, HF_ENDPOINT=served[1])
    assert code == 1
    assert "HF_TOKEN" in out and str(tmp_path / MODEL.path) in out
    assert "Traceback" not in err


async def test_two_pulls_at_once_download_once_and_both_succeed(
    served: tuple[FakeHub, str], tmp_path: Path
) -> None:
    hub, endpoint = served
    both = await asyncio.gather(*(pull(tmp_path, HF_ENDPOINT=endpoint) for _ in range(2)))
    assert [code for code, _, _ in both] == [0, 0]
    assert (tmp_path / MODEL.path / "model.bin").read_bytes() == CONTENT
    assert len(hub.cdn_authorization) == 1
