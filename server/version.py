"""Which version this is: the one that pyproject.toml names. The project is run where it lies."""

from __future__ import annotations

import tomllib
from pathlib import Path


def version() -> str:
    """Such as "0.1.0"."""
    described = Path(__file__).resolve().parents[1] / "pyproject.toml"
    return str(tomllib.loads(described.read_text("utf-8"))["project"]["version"])
