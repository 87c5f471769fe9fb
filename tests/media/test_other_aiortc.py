"""The same calls over other versions of aiortc: the one before, whose insides are known too, and an
older one, which takes the stock way. Each is put into a folder of its own, before ours in the path;
where no package index can be reached they are skipped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TELLING = (
    "hear_each_other and short or statistics_stay_right and short or sent_again or ssrc or openssl"
)
"""The tests that touch aiortc's insides most."""

pytestmark = pytest.mark.real


@pytest.fixture
def over() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a module over that version of aiortc."""

    def run(version: str, *command: str) -> subprocess.CompletedProcess[str]:
        folder = ROOT / "build" / f"aiortc-{version}"
        if not folder.is_dir():
            pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target"]
            wanted = [*pip, str(folder), f"aiortc=={version}"]
            if subprocess.run(wanted, capture_output=True, timeout=120, check=False).returncode:
                pytest.skip(f"aiortc {version} cannot be had here")
        paths = os.pathsep.join([str(folder), str(ROOT)])
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-m", *command],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, timeout=120,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


Over = Callable[..., subprocess.CompletedProcess[str]]


def one_call(over: Over, version: str) -> dict[str, Any]:
    ended = over(version, "tests.media.one_call")
    assert ended.returncode == 0, ended.stderr[-2000:]
    told: dict[str, Any] = json.loads(ended.stdout)
    assert told["aiortc"] == version
    assert told["heard"] == pytest.approx(440, abs=5)
    assert told["answered"] == pytest.approx(700, abs=5)
    return told


def test_the_version_before_is_known_too(over: Over) -> None:
    told = one_call(over, "1.15.0")
    assert (told["path"], told["warnings"]) == ("short", [])
    tests = ["tests/media/test_line.py", "tests/media/test_misbehaving_peers.py"]
    ended = over("1.15.0", "pytest", "-q", "-p", "no:cacheprovider", "-k", TELLING, *tests)
    assert ended.returncode == 0, ended.stdout[-3000:]
    assert "6 passed" in ended.stdout


def test_an_older_version_takes_the_stock_way_and_says_so_once(over: Over) -> None:
    told = one_call(over, "1.14.0")
    assert told["path"] == "stock"
    assert told["warnings"] == ["the short media path is off, calls take aiortc's own"]
