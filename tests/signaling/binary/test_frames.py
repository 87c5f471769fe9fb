"""Frames of the binary subprotocol."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.binary import frames
from signaling.binary.frames import Audio, BadFrame, Close, Event, Frame, Open, Opened, read, write

LONG = json.dumps({"type": "session.updated", "words": ["the same again"] * 40}).encode()
BODIES = [
    Open(),
    Open(b'{"instructions": "Be brief."}'),
    Opened("call_1"),
    Audio(b"\xf8\xff\xfe"),
    Audio(b"\x00" * 60, "item_1"),
    Event(b'{"type": "response.create"}'),
    Event(LONG),
    Close("ended", "안녕"),
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_what_is_written_is_read(body: frames.Body) -> None:
    assert read(write(Frame(7, body))) == Frame(7, body)


def test_an_event_is_packed_where_that_saves_something() -> None:
    assert len(write(Frame(1, Event(LONG)))) < len(LONG) / 3
    noise = random.Random(1).randbytes(1000)
    assert len(noise) < len(write(Frame(1, Event(noise)))) < len(noise) + 80
    assert read(write(Frame(1, Event(noise)))).body == Event(noise)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_are_refused(message: bytes) -> None:
    for each in (message, message[:4] + b"CHUI" + message[4:]):
        try:
            read(each)
        except BadFrame as refused:
            assert str(refused)


@given(st.sampled_from(BODIES), st.integers(0, 2**31), st.integers(1, 4))
def test_a_damaged_frame_is_read_or_refused(body: frames.Body, seed: int, times: int) -> None:
    chance = random.Random(seed)
    message = bytearray(write(Frame(3, body)))
    for _ in range(times):
        message[chance.randrange(len(message))] = chance.randrange(256)
    try:
        read(bytes(message[: chance.randint(0, 2 * len(message))]))
    except BadFrame as refused:
        assert str(refused)


def test_an_event_that_inflates_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "LARGEST_EVENT", 10_000)
    with pytest.raises(BadFrame, match="at most 10000 bytes"):
        read(write(Frame(1, Event(b" " * 10_001))))


def test_the_generated_code_is_that_of_the_schema(tmp_path: Path) -> None:
    if shutil.which("flatc") is None:
        pytest.skip("flatc is not installed: apt-get install flatbuffers-compiler")
    folder = Path(frames.__file__).parent
    schema = folder / "chuimsae.fbs"
    subprocess.run(["flatc", "--python", "-o", str(tmp_path), str(schema)], check=True)
    for made in (tmp_path / "wire").glob("*.py"):
        assert (folder / "generated" / "wire" / made.name).read_text() == made.read_text()
