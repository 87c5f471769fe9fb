"""npm's packages of a folder, installed as its lock file has them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

MINUTES = 5


def packages(folder: Path) -> Path:
    """`folder`, whose `node_modules` are what its lock file says. Skips where that can't be."""
    if shutil.which("node") is None or (npm := shutil.which("npm")) is None:
        pytest.skip("JavaScript's clients are not tested: there is no Node, or no npm")
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / f".installed-{lock[:16]}"
    if stamp.exists():
        return folder
    command = [npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(
            command, cwd=folder, timeout=60 * MINUTES, capture_output=True, text=True
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"JavaScript's clients are not tested: npm took over {MINUTES} minutes")
    if done.returncode:
        pytest.skip(f"JavaScript's clients are not tested: {done.stderr.strip()[-300:]}")
    stamp.touch()
    return folder
