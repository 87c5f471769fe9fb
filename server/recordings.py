"""Recordings as files: any that FFmpeg reads come in, WAV goes out."""

from __future__ import annotations

import wave
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError, InvalidDataError

from media.audio import AudioChunk


class UnreadableRecording(OSError):
    """The file is not there, or holds no audio that can be read."""


def read(path: Path) -> AudioChunk:
    """The audio of a file (WAV, FLAC, MP3, Ogg…), its channels mixed into one, at its own rate.

    Raises UnreadableRecording."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise UnreadableRecording(f"{path} holds no audio")
            stream = container.streams.audio[0]
            mono = av.AudioResampler(format="s16", layout="mono", rate=stream.rate)
            frames = [out for frame in container.decode(stream) for out in mono.resample(frame)]
            frames += mono.resample(None)
            rate = int(stream.rate)
    except (FFmpegError, ValueError) as error:
        why = _why(error)
        raise UnreadableRecording(f"{path} cannot be read as audio: {why}") from error
    if not frames:
        raise UnreadableRecording(f"{path} holds no audio")
    samples = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])
    return AudioChunk(samples.astype(np.int16, copy=False), rate)


def _why(error: FFmpegError | ValueError) -> str:
    """Without the number of the error, and the path that was named already."""
    if isinstance(error, InvalidDataError):
        return "it is damaged, or no audio file"
    told = error.strerror if isinstance(error, FFmpegError) else str(error)
    return (told or str(error)).lower()


def try_writing(path: Path) -> None:
    """Raises OSError when `path` could not be written; leaves what is there as it is."""
    was_there = path.exists()
    try:
        path.open("ab").close()
    except OSError as error:
        raise OSError(
            f"{path} cannot be written: {(error.strerror or str(error)).lower()}"
        ) from error
    if not was_there:
        path.unlink()


def write(path: Path, audio: AudioChunk) -> None:
    """A mono 16-bit WAV file. Raises OSError."""
    # Opened here: given a path that can't be, `wave` leaves an object behind that can't be closed.
    with path.open("wb") as place, wave.open(place, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(audio.rate)
        file.writeframes(audio.samples.astype("<i2").tobytes())
