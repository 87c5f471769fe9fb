"""What the machine is asked for: a GPU, by its driver's tool."""

from __future__ import annotations

from pathlib import Path

import pytest

from server import hardware


def test_a_gpu_s_memory_is_what_is_free_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(
        '#!/bin/sh\ncase "$*" in\n'
        '*name,memory.free*) echo "NVIDIA, Something, 3000";;\n'
        '*) echo "NVIDIA, Something, 24000";;\nesac\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(hardware, "_cuda_devices", lambda: 1)

    found = hardware.probe()

    assert (found.gpu, found.gpu_memory) == ("NVIDIA, Something", 3000 << 20)
