"""The environment that the other servers run in: made once, beside ours, by pip.

Their requirements are not ours and some contradict them, so nothing of theirs is ever installed
where the server runs.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
FOLDER = Path(__file__).resolve().parents[2] / "build" / "peers-venv"

PEERS: dict[str, tuple[str, ...]] = {
    "pipecat": ("bench.media_peers.pipecat_server",),
    "pipecat-eager": ("bench.media_peers.pipecat_server", "--eager"),
    "fastrtc": ("bench.media_peers.fastrtc_server",),
    "fastrtc-eager": ("bench.media_peers.fastrtc_server", "--eager"),
}
"""Module and flags of each; `-eager` is with the most aggressive settings it has."""

ENDPOINT_WAIT = {"pipecat-eager": 0.2}
"""Seconds of silence after which one takes the turn to be over. The others' has no fixed length:
they judge the pause, or look at windows of sound."""

CLOCK_STANDS = ("fastrtc", "fastrtc-eager")
"""Those whose RTP timestamps stand still while they say nothing: how late their packets are can't
be told from them."""


class NoPeers(Exception):
    """The environment could not be made; says what pip said."""


def python(folder: Path = FOLDER) -> Path:
    """The environment's interpreter; installs what is missing first. Raises NoPeers."""
    interpreter = folder / "bin" / "python"
    installed = folder / "installed.txt"
    wanted = REQUIREMENTS.read_text()
    if installed.is_file() and installed.read_text() == wanted:
        return interpreter
    print(f"installing the other servers into {folder}", file=sys.stderr, flush=True)
    venv.create(folder, with_pip=True)
    pip = subprocess.run(
        [interpreter, "-m", "pip", "install", "-q", "-r", REQUIREMENTS],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if pip.returncode:
        raise NoPeers(
            f"the other servers could not be installed into {folder}: {pip.stderr[-500:]}"
        )
    installed.write_text(wanted)
    return interpreter
