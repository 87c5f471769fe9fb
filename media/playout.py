"""What leaves in the next 20 ms: the queue of what is to be said, how loud, and the content clock.

No loop, no clock, no codec: `next_frame()` is called once per 20 ms that pass. The content clock
counts the audio handed to `add()`; it stands while paused or starved, and goes on from `played`
after `clear()`. All lengths are samples at 24 kHz.

Nothing clicks: a duck is a ramp, a pause or a clear ends in a frame that fades out and is followed
by silence. A pause repeats the 20 ms that faded when it resumes, so no sound is lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from media.audio import AudioChunk, Resampler, Samples, level_db
from media.clips import Clip
from media.opus import VOICE_FRAME, VOICE_RATE
from media.recent import Recent
from media.stretch import Run, Stretch

_STEP = 1.0 / (VOICE_RATE * 0.03)
"""Change of gain per sample while ducking: from full to nothing would take 30 ms."""
_SEAM = 48
"""Samples (2 ms) over which audio that ends abruptly fades out."""
_PIECE = 0.15
"""Seconds that are brought to the wire's rate at once, as they come to leave: what is encoded
ahead. A sentence at once would hold the loop up, and 100 KB a second."""
_FIRST_PIECE = 0.06
"""Seconds of the first piece after a silence: its sound waits for it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A frame of a clip."""

    clip: Clip
    index: int


Gains = npt.NDArray[np.float32]
_NONE: Samples = np.zeros(0, np.int16)


class Playout:
    """The agent's audio, frame by frame."""

    def __init__(self, *, duck_db: float = 15.0) -> None:
        self._stretches: deque[Stretch] = deque()
        self._rest: Samples = _NONE
        """What follows the stretches and is no whole frame yet."""
        self._waiting = 0
        self._unmade: deque[Samples] = deque()
        self._unmade_length = 0
        self._played = 0
        self._resampler = Resampler(VOICE_RATE, VOICE_RATE)
        self._quiet = 10.0 ** (-abs(duck_db) / 20.0)
        self._gain = 1.0
        self._target = 1.0
        self._is_paused = False
        self._is_faded = False
        self._is_sounding = False
        self._left: Samples | None = None
        self._recent: Recent | None = Recent()
        self.place: Place | None = None
        """Where the frame that left last stands in a clip; None: in none, or it was changed."""
        self.is_content = False
        """Whether content was in the frame that left last: some only fade out or repeat."""
        self.stretch: Stretch | None = None
        """What the frame that left last was taken from; None: it was changed, or all is said."""
        self._last_words: Samples | None = None

    @property
    def played(self) -> float:
        """Seconds of content that have left."""
        return self._played / VOICE_RATE

    @property
    def queued(self) -> float:
        """Seconds of content that wait."""
        return (self._waiting + self._resampler.will_owe(self._unmade_length)) / VOICE_RATE

    @property
    def level(self) -> float | None:
        """dBFS of the frame that left last; None: nothing did."""
        return None if self._left is None else level_db(self._left)

    @property
    def recent(self) -> Sequence[Samples]:
        """The frames that left last, at 8 kHz (160 samples), with silence where none did; none once
        they are forgotten."""
        return () if self._recent is None else self._recent.frames

    def forget_recent(self) -> None:
        """Nobody will ask for `recent` any more: let its memory go."""
        self._recent = None

    def add(self, audio: AudioChunk) -> float:
        """Append audio of any rate; the content position (seconds) where it will begin."""
        position = self.played + self.queued
        if audio.rate != self._resampler.source:
            self._make_all()
            self._resampler = Resampler(audio.rate, VOICE_RATE)
        if len(audio):
            self._unmade.append(audio.samples)
            self._unmade_length += len(audio)
        return position

    def add_clip(self, clip: Clip) -> float:
        """Append a clip. It begins with a frame, after silence of less than 20 ms if need be."""
        self._make_all()
        self._append(np.zeros(-self._waiting % VOICE_FRAME, np.int16))
        position = self.played + self.queued
        self._append(clip.samples, clip)
        return position

    def clear(self) -> None:
        """Drop everything that waits. What is sounding right now fades out in the next frame."""
        if self._is_sounding and self.queued:
            self._last_words = _ramped(self._peek(), 1.0, 0.0)
        self._stretches.clear()
        self._rest = _NONE
        self._unmade.clear()
        self._waiting = self._unmade_length = 0
        self._resampler = Resampler(self._resampler.source, VOICE_RATE)

    def duck(self) -> None:
        """Become quieter, by the decibels given."""
        self._target = self._quiet

    def unduck(self) -> None:
        """Become as loud as before."""
        self._target = 1.0

    def pause(self) -> None:
        """Hold the content clock; sound fades out in the next frame."""
        self._is_paused = True

    def resume(self) -> None:
        """Go on where it stopped."""
        self._is_paused = False

    def next_frame(self) -> Samples | None:
        """480 samples to send now, not to be written to; None when there is nothing to say."""
        self.place = self.stretch = None
        before = self._played
        frame = self._left = self._next()
        self.is_content = self._played > before
        self._is_sounding = frame is not None
        if self._recent is not None:
            self._recent.add(frame)
        return frame

    def upcoming(self, most: int) -> list[Run]:
        """The frames that will leave next, at most so many, as far as that is sure if nothing is
        changed before. How the very last one will sound is not: what may still come decides it."""
        if not self._is_sounding or self._is_changing:
            return []
        while self._waiting <= most * VOICE_FRAME and self._unmade:
            self._make_piece()
        runs, room = [], min(most, self._sure)
        for stretch in self._stretches:
            if not room:
                break
            runs.append(stretch.run(room))
            room -= runs[-1].frames
        return runs

    @property
    def _is_changing(self) -> bool:
        """Whether frames leave otherwise than they wait."""
        is_even = self._gain == self._target == 1.0
        return self._is_paused or self._is_faded or self._last_words is not None or not is_even

    @property
    def _sure(self) -> int:
        """Frames at hand that more will follow, or that are a clip's."""
        is_end = not (self._stretches and self._stretches[-1].clip)
        open_end = 1 if is_end and not self._resampler.will_owe(self._unmade_length) else 0
        return max(0, self._waiting - open_end) // VOICE_FRAME

    def _next(self) -> Samples | None:
        if self._last_words is not None:
            last, self._last_words = self._last_words, None
            return last
        if self._is_paused:
            return self._fall_silent()
        if not self._waiting and not self.queued:
            self._gain = self._target
            self._is_faded = False
            return None
        frame = self._take()
        if self._gain != 1.0 or self._target != 1.0:
            frame = self._louder_or_quieter(frame)
        if self._is_faded:
            self._is_faded = False
            self.place = self.stretch = None
            frame = _ramped(frame, 0.0, 1.0)
        return frame

    def _fall_silent(self) -> Samples | None:
        if not self._is_sounding or self._is_faded or not self.queued:
            return None
        self._is_faded = True
        return _ramped(self._peek(), 1.0, 0.0)

    def _append(self, samples: Samples, clip: Clip | None = None) -> None:
        """Have these wait; as whole frames, so that it is known what will be in each."""
        if not len(samples):
            return
        self._waiting += len(samples)
        if len(self._rest):
            samples = np.concatenate([self._rest, samples])
        whole = len(samples) - len(samples) % VOICE_FRAME
        self._rest = samples[whole:]
        if whole:
            self._stretches.append(Stretch(samples[:whole], clip))

    def _peek(self) -> Samples:
        """The next frame as it would sound, without the clock moving."""
        self._fill()
        frame = np.zeros(VOICE_FRAME, np.int16)
        following = self._stretches[0].peek() if self._stretches else self._rest
        frame[: len(following)] = following
        return (frame * np.float32(self._gain)).astype(np.int16)

    def _take(self) -> Samples:
        if self._waiting < VOICE_FRAME:
            self._fill()
        if self._waiting <= VOICE_FRAME and not self._sure:
            return self._take_last()
        first = self.stretch = self._stretches[0]
        if first.clip is not None:
            self.place = Place(first.clip, first.begin // VOICE_FRAME)
        self._waiting -= VOICE_FRAME
        self._played += VOICE_FRAME
        frame = first.take()
        if not first.left:
            self._stretches.popleft()
        return frame

    def _take_last(self) -> Samples:
        """The frame with which all is said, filled up with silence."""
        last = self._stretches.popleft().take() if self._stretches else self._rest
        self._rest = _NONE
        frame = np.zeros(VOICE_FRAME, np.int16)
        frame[: len(last)] = last
        self._waiting -= len(last)
        self._played += len(last)
        self._soften_end(frame, len(last))
        return frame

    def _fill(self) -> None:
        """See that a frame waits, if there is as much to say."""
        while self._waiting < VOICE_FRAME and self._unmade:
            self._make_piece()
        if self._waiting < VOICE_FRAME:
            self._append(self._resampler.flush())

    def _make_all(self) -> None:
        while self._unmade:
            self._make_piece()
        self._append(self._resampler.flush())

    def _make_piece(self) -> None:
        """Bring the next of what is to be said to the wire's rate."""
        seconds = _PIECE if self._is_sounding else _FIRST_PIECE
        room, parts = round(self._resampler.source * seconds), []
        while self._unmade and room:
            part = self._unmade.popleft()
            if len(part) > room:
                self._unmade.appendleft(part[room:])
                part = part[:room]
            parts.append(part)
            room -= len(part)
        samples = parts[0] if len(parts) == 1 else np.concatenate(parts)
        self._unmade_length -= len(samples)
        self._append(self._resampler.feed(samples))

    def _soften_end(self, frame: Samples, filled: int) -> None:
        start = max(0, filled - _SEAM)
        frame[start:filled] = _ramped(frame[start:filled], 1.0, 0.0)

    def _louder_or_quieter(self, frame: Samples) -> Samples:
        self.place = self.stretch = None
        start = self._gain
        reach = _STEP * VOICE_FRAME
        end = min(max(self._target, start - reach), start + reach)
        self._gain = end
        return _ramped(frame, start, end)


def _ramped(samples: Samples, start: float, end: float) -> Samples:
    gains: Gains = np.linspace(start, end, len(samples), dtype=np.float32)
    return (samples * gains).astype(np.int16)
