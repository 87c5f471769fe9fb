"""Recordings in and out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from media.audio import AudioChunk
from server.recordings import UnreadableRecording, read, try_writing, write
from tests.signaling.phone import tone


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    audio = tone(0.5, 22_050)
    write(tmp_path / "a.wav", audio)
    again = read(tmp_path / "a.wav")
    assert again.rate == 22_050
    np.testing.assert_array_equal(again.samples, audio.samples)


@pytest.mark.parametrize(
    ("name", "subtype", "rate"),
    [
        ("a.flac", "PCM_16", 16_000),
        ("a.wav", "FLOAT", 44_100),
        ("a.wav", "ULAW", 8_000),
        ("a.wav", "PCM_24", 48_000),
        ("a.ogg", "VORBIS", 24_000),
    ],
)
def test_other_kinds_of_files_are_read(tmp_path: Path, name: str, subtype: str, rate: int) -> None:
    audio = tone(0.5, rate)
    stereo = np.stack([audio.samples / 32_768] * 2, axis=1)
    soundfile.write(tmp_path / name, stereo, rate, subtype=subtype)
    again = read(tmp_path / name)
    assert again.rate == rate
    assert again.seconds == pytest.approx(0.5, abs=0.03)
    assert np.abs(again.samples).max() == pytest.approx(9000, rel=0.1)


def test_what_is_no_recording_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    write(tmp_path / "empty.wav", AudioChunk(np.zeros(0, np.int16), 16_000))
    for name in ("missing.wav", "text.wav", "empty.wav"):
        with pytest.raises(UnreadableRecording, match=name):
            read(tmp_path / name)


def test_why_a_file_is_refused_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(UnreadableRecording, match="it is damaged, or no audio file$"):
        read(tmp_path / "text.wav")
    with pytest.raises(UnreadableRecording, match="none.wav cannot .*: no such file or directory$"):
        read(tmp_path / "none.wav")


def test_trying_to_write_leaves_everything_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "old.wav").write_text("what was there")
    try_writing(tmp_path / "old.wav")
    try_writing(tmp_path / "new.wav")
    assert [path.name for path in tmp_path.iterdir()] == ["old.wav"]
    assert (tmp_path / "old.wav").read_text() == "what was there"
    with pytest.raises(OSError, match="cannot be written"):
        try_writing(tmp_path / "none" / "new.wav")
