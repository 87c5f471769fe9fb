"""Chuimsae's command line: `python run.py --help`. What it does lives in `server/commands`."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

OURS = {"agent", "media", "server", "signaling"}


def main() -> int:
    """Run the command that was typed; in the project's own environment if this one lacks it."""
    hush_compiler()
    keep_numpy_to_one_thread()
    try:
        from server.commands import main as command

        return command(sys.argv[1:])
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package in OURS or not package:
            raise
        enter_environment()
        print(f"The package {package} is not installed. Type: make run", file=sys.stderr)
        return 1


def hush_compiler() -> None:
    """opuslib compares with a literal by `is`, of which Python tells whenever it compiles it."""
    warnings.filterwarnings("ignore", category=SyntaxWarning, module=".*opuslib")


def keep_numpy_to_one_thread() -> None:
    """NumPy's OpenBLAS shares each larger product with a thread on every core, which then spin for
    tens of milliseconds: Whisper's features alone kept them all busy. Before NumPy is imported."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def enter_environment() -> None:
    """Go on in .venv, if `make run` has made it and we are not in it. Does not return then."""
    folder = Path(__file__).resolve().parent / ".venv"
    python = folder / "bin" / "python"
    if python.is_file() and Path(sys.prefix).resolve() != folder.resolve():
        os.execv(python, [str(python), *sys.argv])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # while the packages were being loaded
        print("Stopped.", file=sys.stderr)
        sys.exit(130)
