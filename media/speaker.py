"""The call's mouth: audio in, one packet out per 20 ms, and the playout clock.

`Playout` decides what leaves; here it is encoded (ahead of its time, and again when a duck or a
pause changes what comes), silence is turned into next to nothing, and those who wait for a moment
of the reply are told. A driver calls `leave()` once per 20 ms: aiortc's sender through `track`, or
a pacer.

While nothing is said a few packets of silence leave, then one tiny packet every 400 ms, as Opus
does in DTX: the listener's buffer plays out, and knows that the call lives.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, Field

from media.audio import AudioChunk, Samples
from media.clips import Clips
from media.codecs import OpusOutbound, Outbound, outbound
from media.opus import FRAME_SECONDS, OpusSettings
from media.playout import Playout
from media.stretch import Run
from media.track import Packet, SpeakerTrack

_SETTLING = 6
"""Packets of silence after speech: aiortc's receiver holds four back until more come."""
_KEEPALIVE = 20
"""Frames from one packet to the next while silent: 400 ms."""
_LEAST, _MOST = 5, 12
"""Packets that are prepared: what a busy process cannot keep from leaving on time. Fewer than the
first are filled up to the second."""
_LATEST = (1 << 256) - 1
"""Frames that may be on their way to the caller's ear: five seconds."""


class SpeakerSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How the agent's audio leaves."""

    buffer: float = Field(default=0.4, ge=0.04, le=10.0)
    """Seconds of audio that may wait; `play` waits while there is more."""
    duck_db: float = Field(default=15.0, ge=0.0, le=60.0)
    """Decibels by which the agent becomes quieter while the caller may be interrupting."""
    listener_delay: float = Field(default=0.06, ge=0.0, le=2.0)
    """Seconds that the caller's device holds audio back before it sounds."""
    opus: OpusSettings = OpusSettings()
    """The encoding."""


class SpeakerClosed(Exception):
    """The speaker was closed: the call is over and nothing more can be said in it."""


class Speaker:
    """One call's voice on the wire. Positions are content seconds, counted from the first play."""

    def __init__(self, settings: SpeakerSettings | None = None, clips: Clips | None = None) -> None:
        """`clips`: what all calls of the server say again and again, encoded once."""
        self._settings = settings or SpeakerSettings()
        self._clips = clips
        self._is_plain = True
        self._is_in_clip = False
        self._is_spared = False
        self._playout = Playout(duck_db=self._settings.duck_db)
        self._codec: Outbound = OpusOutbound(self._settings.opus)
        self._silent_frames = 0
        self._foreseen = 0
        self._sounded = 0
        """A bit for each of the last frames, the newest the lowest: whether content left in it."""
        self._is_speaking = False
        self._is_paused = False
        self._is_held = False
        self._is_closed = False
        self._order = asyncio.Lock()
        self._waiters: list[_Waiter] = []
        self._track: SpeakerTrack | None = None
        self.on_play: Callable[[], None] | None = None
        """Called when something is about to be said after a rest; set by the driver."""
        self.before_change: Callable[[], None] | None = None
        """Called before what `prepare` has told comes otherwise; set by the driver, who may have
        let packets leave and calls `leave()` for these, at once."""
        self.delay = self._settings.listener_delay
        """Seconds from a packet's leaving to its sound in the caller's ear."""

    @property
    def track(self) -> SpeakerTrack:
        """The track that was given to aiortc last."""
        if self._track is None:
            self._track = SpeakerTrack(self.leave)
        return self._track

    def new_track(self) -> SpeakerTrack:
        """A track for a connection; the one before, if any, gives nothing from now on."""
        self._change()
        if self._track is not None:
            self._track.hand_over()
        self._track = SpeakerTrack(self.leave)
        return self._track

    @property
    def bitrate(self) -> int:
        """Bits per second that the settings begin with."""
        return self._settings.opus.bitrate

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    @property
    def is_speaking(self) -> bool:
        """Whether sound left in the last 20 ms."""
        return self._is_speaking

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is to be said, nor does the silence need a packet in the next 20 ms."""
        frames = self._silent_frames - _SETTLING
        if frames <= 0 or frames % _KEEPALIVE == 0 or self._codec.nothing is None:
            return False
        return not self.queued

    @property
    def played(self) -> float:
        """Content seconds that have left."""
        return self._playout.played

    @property
    def heard(self) -> float:
        """Content seconds that have reached the caller's ear, by the delay that is known.

        Also while nothing leaves any more: what did goes on arriving."""
        whole, part = divmod(self.delay / FRAME_SECONDS, 1)
        frames = int(whole)
        under_way = (self._sounded & ((1 << frames) - 1)).bit_count()
        oldest = part * (self._sounded >> frames & 1)
        return max(0.0, self.played - (under_way + oldest) * FRAME_SECONDS)

    @property
    def queued(self) -> float:
        """Content seconds that wait."""
        return self._playout.queued

    @property
    def level(self) -> float | None:
        """dBFS of what left in the last 20 ms; None when nothing did."""
        return self._playout.level

    @property
    def recent(self) -> Sequence[Samples]:
        """What left lately, 20 ms each at 8 kHz, the newest last; see `Playout.recent`."""
        return self._playout.recent

    def forget_recent(self) -> None:
        """Nobody will ask for `recent` any more."""
        self._playout.forget_recent()

    def hear_back(self, round_trip: float) -> None:
        """The network's round trip was measured, in seconds: `delay` follows it."""
        self.delay = self._settings.listener_delay + round_trip / 2

    def speak_codec(self, name: str) -> bool:
        """Speak the codec that was negotiated, by its name in SDP; False when it is not known."""
        codec = outbound(name, self._settings.opus)
        if codec is None:
            return False
        self._change()
        self._codec = codec
        self._is_plain = isinstance(codec, OpusOutbound)
        self.spare(is_spared=self._is_spared)
        return True

    def adapt(self, *, bitrate: int, fec: bool, loss: float) -> None:
        """Make the encoding fit the network (Opus alone can); see `Encoder.adapt`."""
        if isinstance(self._codec, OpusOutbound):
            self._change()
            self._codec.adapt(bitrate=bitrate, fec=fec, loss=loss)
            # Clips are encoded by the settings: on a worse network each call encodes for itself.
            self._is_plain = not fec and bitrate >= self._settings.opus.bitrate

    def spare(self, *, is_spared: bool) -> None:
        """Encode with the least effort, or with the usual one (Opus alone knows any)."""
        self._is_spared = is_spared
        if isinstance(self._codec, OpusOutbound):
            self._change()
            self._codec.spare(is_spared=is_spared)

    async def play(self, audio: AudioChunk) -> float:
        """Say `audio` (any rate) after what waits; the content position where it begins.

        Waits its turn while more than `buffer` seconds wait. Cancelled, it has queued nothing.
        Raises SpeakerClosed."""
        async with self._order:
            await self._until(lambda: self.queued <= self._settings.buffer)
            if self._is_closed:
                raise SpeakerClosed("nothing more can be said: the speaker is closed")
            if self.on_play is not None and not self._is_speaking:
                self.on_play()
            clip = self._clips.find(audio) if self._clips is not None else None
            return self._playout.add(audio) if clip is None else self._playout.add_clip(clip)

    def clear(self) -> None:
        """Drop what waits, now, with a short fade."""
        self._change()
        self._playout.clear()
        self._settle(lambda waiter: waiter.position is not None)
        self._notify()

    def duck(self) -> None:
        """Become quieter."""
        self._change()
        self._playout.duck()

    def unduck(self) -> None:
        """Become as loud as before."""
        self._change()
        self._playout.unduck()

    def pause(self) -> None:
        """Fall silent and hold the content clock."""
        self._change()
        self._is_paused = True
        self._playout.pause()

    def resume(self) -> None:
        """Go on where `pause` stopped."""
        self._is_paused = False
        self._go_on()

    def hold(self) -> None:
        """Nobody is there to listen: as `pause`, whatever is paused and resumed meanwhile."""
        self._change()
        self._is_held = True
        self._playout.pause()

    def release(self) -> None:
        """Somebody listens again."""
        self._change()
        self._is_held = False
        # A new listener's decoder knows nothing of what was said before.
        self._is_speaking = False
        self._go_on()

    async def reached(self, position: float) -> bool:
        """Wait until content `position` begins to leave; False when it never will (cleared)."""
        return await self._until(lambda: self.played > position, position)

    async def drained(self) -> None:
        """Wait until everything has left, or was cleared."""
        await self._until(lambda: not self.queued)

    def close(self) -> None:
        """The call is over: drop what waits, end the track. Idempotent."""
        self._change()
        self._is_closed = True
        self._playout.clear()
        self._settle(lambda waiter: True)
        if self._track is not None:
            self._track.stop()

    def leave(self) -> Packet | None:
        """20 ms pass: what is to be sent for them, if anything. Called by the driver."""
        frame = self._playout.next_frame()
        self._foreseen = max(0, self._foreseen - 1)
        self._sounded = (self._sounded << 1 | self._playout.is_content) & _LATEST
        if frame is None:
            return self._stay_silent()
        begins = not self._is_speaking
        self._is_speaking, self._silent_frames = True, 0
        packet = Packet(self._encoded(frame, begins), begins)
        self._notify()
        return packet

    @property
    def is_short(self) -> bool:
        """Whether `prepare` may have something to do."""
        can_foresee = self._is_speaking and self._codec.ahead is not None
        return can_foresee and self._foreseen < _LEAST

    def prepare(self) -> Sequence[bytes]:
        """Encode what leaves next, in a moment in which no packet waits for it; without it that is
        done when it leaves.

        The packets of the next 20 ms steps, up to a quarter of a second, as they will leave unless
        something changes. `before_change` is called before it does."""
        if not self._is_speaking:
            return []  # The first packet to a listener stands alone: it is encoded as it leaves.
        # Calls that begin to speak in one beat would otherwise all do this in the same beats after.
        most = _MOST if self._foreseen else random.randint(_LEAST, _MOST)
        packets = self._foresee(self._playout.upcoming(most))
        self._foreseen = len(packets)
        return packets

    def _foresee(self, runs: Sequence[Run]) -> list[bytes]:
        ahead = self._codec.ahead
        if ahead is None:
            return []
        packets, live = list[bytes](), list[Run]()
        for run in runs:
            if run.stretch.clip is not None and self._is_plain:
                clip = run.stretch.clip
                packets += [clip.packet(run.first + index) for index in range(run.frames)]
            elif self._is_in_clip or packets:
                break  # The encoder begins anew behind a clip, when it has left.
            else:
                live.append(run)
        ahead.prepare(live)
        return [*ahead.packets[: sum(run.frames for run in live)], *packets]

    def _encoded(self, frame: Samples, begins: bool) -> bytes:
        place = self._playout.place
        if place is not None and self._is_plain:
            self._is_in_clip = True
            return place.clip.packet(place.index)
        if begins or self._is_in_clip:
            # The listener's decoder has heard silence, or a clip, since our last packet: the
            # next one must not build on it.
            self._is_in_clip = False
            self._codec.reset()
        return self._codec.encode(frame, self._playout.stretch)

    def _change(self) -> None:
        """What was foreseen may come otherwise."""
        if self._foreseen and self.before_change is not None:
            self.before_change()
        self._foreseen = 0

    def _go_on(self) -> None:
        if not (self._is_paused or self._is_held):
            self._playout.resume()

    def _stay_silent(self) -> Packet | None:
        self._is_speaking = False
        self._silent_frames += 1
        nothing = self._codec.nothing
        if nothing is None or self._silent_frames <= _SETTLING:
            return Packet(self._codec.silence, begins=False)
        if (self._silent_frames - _SETTLING) % _KEEPALIVE == 1:
            return Packet(nothing, begins=False)
        return None

    async def _until(self, condition: Callable[[], bool], position: float | None = None) -> bool:
        if self._is_closed:
            return False
        if condition():
            return True
        waiter = _Waiter(condition, position, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        try:
            return await waiter.outcome
        finally:
            self._waiters.remove(waiter)

    def _notify(self) -> None:
        for waiter in self._waiters:
            if not waiter.outcome.done() and waiter.condition():
                waiter.outcome.set_result(True)

    def _settle(self, concerned: Callable[[_Waiter], bool]) -> None:
        """Those who wait for what will not come are told so."""
        for waiter in self._waiters:
            if not waiter.outcome.done() and concerned(waiter):
                waiter.outcome.set_result(False)


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    """Somebody who waits for a moment; `position` when it is one of the content."""

    condition: Callable[[], bool]
    position: float | None
    outcome: asyncio.Future[bool]
