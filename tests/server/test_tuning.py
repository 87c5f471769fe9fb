from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_what_was_loaded_is_left_alone_by_the_collector() -> None:
    """In a process of its own: the settings are the interpreter's."""
    script = (
        "import gc, sys; from server.tuning import tune; kept = [[] for _ in range(1000)]; tune();"
        "print(gc.get_freeze_count() > 1000, gc.get_threshold()[0], sys.getswitchinterval())"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["True", "10000", "0.0005"]
