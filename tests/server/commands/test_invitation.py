"""What a phone is shown: read back as a phone reads it."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import segno

from server.commands.invitation import addresses_of, invitation, qr_code, with_key
from tests.test_run import NOTHING, ROOT

URL = "https://192.168.1.5:8080/#key=ek_abcDEF-123_"
HALVES = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0)}


def modules(drawn: str) -> list[list[int]]:
    """The light and dark of a drawn code, a row each; two rows of it are a line of text."""
    rows: list[list[int]] = []
    for line in re.sub(r"\x1b\[[0-9;]*m", "", drawn).splitlines():
        pairs = [HALVES[character] for character in line]
        rows += [[top for top, _ in pairs], [bottom for _, bottom in pairs]]
    return rows


def test_the_code_is_the_one_of_the_address() -> None:
    drawn = modules(qr_code(URL))
    code = segno.make(URL, error="m", micro=False)
    wanted = [list(row) for row in code.matrix_iter(scale=1)]
    dark = [[1 - module for module in row] for row in drawn[: len(wanted)]]
    assert dark == wanted or drawn[: len(wanted)] == wanted


@pytest.mark.skipif(shutil.which("zbarimg") is None, reason="zbar-tools is not installed")
def test_a_reader_of_codes_reads_it(tmp_path: Path) -> None:
    drawn = modules(qr_code(URL))
    size = max(len(row) for row in drawn)
    light = [[module for module in row for _ in range(6)] for row in drawn for _ in range(6)]
    image = io.BytesIO(f"P1 {size * 6} {len(light)}\n".encode())
    image.seek(0, io.SEEK_END)
    for row in light:
        image.write(" ".join(str(1 - module) for module in row).encode() + b"\n")
    (tmp_path / "code.pbm").write_bytes(image.getvalue())
    read = subprocess.run(
        ["zbarimg", "-q", "--raw", str(tmp_path / "code.pbm")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert read.stdout.strip() == URL


def test_every_address_is_told_and_the_key_stays_in_the_fragment() -> None:
    hosts = ["192.168.1.5", "2001:db8::5"]
    told = addresses_of("https://localhost:8443", hosts)
    assert told == ["https://192.168.1.5:8443", "https://[2001:db8::5]:8443"]
    assert with_key(told[0], "ek_a-b_c") == "https://192.168.1.5:8443/#key=ek_a-b_c"
    text = invitation("https://localhost:8443", hosts, "ek_secret")
    assert all(each in text for each in told)
    assert "no network" in invitation("https://localhost:8443", [], "ek_secret")


def test_a_start_at_a_terminal_shows_key_addresses_and_code_once(tmp_path: Path) -> None:
    """From a fresh folder; a second start makes no key, and shows none."""
    first, second = started(tmp_path), started(tmp_path)
    key = re.search(r"API key, shown this once: (chuimsae_[\w-]+)", first)
    assert key is not None and "API key" not in second
    for output in (first, second):
        assert re.search(r"https://localhost:\d+", output)
        assert "█" in output or "no network" in output
        assert "Traceback" not in output
    assert key[1] not in (tmp_path / "keys.json").read_text()


def started(state: Path) -> str:
    """All that a start on a terminal prints, until it is reachable over HTTPS."""
    ours, theirs = pty.openpty()
    arguments = [*NOTHING, "--port", "0", "--https", "--set", f"server.state={state}"]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run.py"), *arguments],
        stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL, cwd=ROOT,
    )  # fmt: skip
    os.close(theirs)
    try:
        output = read_until(ours, ("two hours.", "can reach it."))
        found = re.search(r"https://localhost:(\d+)", output)
        assert found, output
        context = ssl._create_unverified_context()
        with urllib.request.urlopen(f"{found[0]}/healthz", timeout=10, context=context) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
    finally:
        process.kill()
        os.close(ours)
    return output


def read_until(file: int, ends: tuple[str, ...]) -> str:
    output, patience = b"", time.monotonic() + 60
    while not any(end.encode() in output for end in ends) and time.monotonic() < patience:
        if select.select([file], [], [], 1)[0]:
            try:
                output += os.read(file, 65_536)
            except OSError:
                break
    return output.decode()
