"""The floor under `bench.media`: libopus, libsrtp and the kernel's sockets alone, by a loop in C.

At every beat of 20 ms each call's datagram is received, unprotected and decoded to 16 kHz, and a
frame is encoded, protected and sent: what any server has to do, without signaling, reordering, a
voice detector or a program around. The datagrams come from another thread, on another core, as
they do from the callers; only the loop's own CPU counts.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import opuslib
import opuslib.api
import pylibsrtp

from media.audio import CALLER_RATE, Samples
from media.native import Native, compiled, load
from media.native.foreign import srtp_function, srtp_session
from media.opus import (
    FRAME,
    FRAME_SECONDS,
    VOICE_FRAME,
    VOICE_RATE,
    OpusSettings,
    decode_address,
)
from media.packets import header

_KEY = bytes(30)
_INBOUND, _OUTBOUND = pylibsrtp.Policy.SSRC_ANY_INBOUND, pylibsrtp.Policy.SSRC_ANY_OUTBOUND
_AT_ONCE = 50
"""Datagrams that wait in the socket when the loop runs without sleeping."""
_LARGEST = 2_048


def paced(
    calls: int, packets: Sequence[bytes], said: Samples, *, seconds: float, core: int
) -> float:
    """ms of CPU per call-second with so many calls, the loop on `core`, asleep between its beats.

    `packets`: what each caller sends, again and again; `said`: what each call says, 24 kHz samples
    (none: nothing). Raises media.native.NotCompiled."""
    beats = round(seconds / FRAME_SECONDS)
    with ExitStack() as stack:
        made = [stack.enter_context(closing(_Call(packets))) for _ in range(calls)]
        thread = stack.enter_context(ThreadPoolExecutor(1))
        running = thread.submit(_run, made, said, beats, FRAME_SECONDS, core)
        begun = time.monotonic()
        for beat in range(beats):
            for call in made:
                call.send()
            time.sleep(max(0.0, begun + (beat + 1) * FRAME_SECONDS - time.monotonic()))
        return running.result()


def hot(packets: Sequence[bytes], said: Samples, *, seconds: float, core: int) -> float:
    """The same of one call whose packets are handled one after the other, the loop never asleep:
    the core's caches hold all that is needed, as they never do at a call's own pace."""
    rounds = max(1, round(seconds / FRAME_SECONDS / _AT_ONCE))
    spent = []
    with closing(_Call(packets)) as call, ThreadPoolExecutor(1) as thread:
        for _ in range(rounds):
            for _ in range(_AT_ONCE):
                call.send()
            spent.append(thread.submit(_run, [call], said, _AT_ONCE, 0.0, core).result())
    return sum(spent) / rounds


class _Call:
    """Both sides of a call: here the caller, who sends; at `value`, for C, who answers."""

    def __init__(self, packets: Sequence[bytes]) -> None:
        self._packets = packets
        self._sent = 0
        self._outbound = _session(_OUTBOUND)
        self._far, self._near = _connected()
        settings = OpusSettings()
        decoder = opuslib.Decoder(CALLER_RATE, 1)
        encoder = opuslib.Encoder(VOICE_RATE, 1, "restricted_lowdelay")
        encoder.bitrate, encoder.complexity = settings.bitrate, settings.complexity
        encoder.signal = opuslib.SIGNAL_VOICE
        sessions = _session(_INBOUND), _session(_OUTBOUND)
        self._kept = decoder, encoder, sessions
        self.value = {
            "socket": self._near.fileno(),
            "decoder": _address(decoder.decoder_state),
            "encoder": _address(encoder.encoder_state),
            "inbound": srtp_session(sessions[0]),
            "outbound": srtp_session(sessions[1]),
        }

    def send(self) -> None:
        """The caller's next packet leaves; what came in return is thrown away."""
        head = header(
            payload_type=96,
            marker=False,
            sequence=self._sent & 0xFFFF,
            timestamp=self._sent * FRAME,
            ssrc=1,
            extension=b"",
        )
        payload = self._packets[self._sent % len(self._packets)]
        self._sent += 1
        self._far.send(self._outbound.protect(head + payload))
        try:
            self._far.recv(_LARGEST)
        except BlockingIOError:
            return

    def close(self) -> None:
        self._far.close()
        self._near.close()


def _run(calls: Sequence[_Call], said: Samples, beats: int, pause: float, core: int) -> float:
    """Handle so many packets of each call, in this thread; ms per call-second of what was heard.
    `pause`: seconds from one beat to the next."""
    _be_a_server(core)
    native = _native()
    ffi = native.ffi
    frames = np.ascontiguousarray(said[: len(said) // VOICE_FRAME * VOICE_FRAME])
    heard = ffi.new("int *")
    time.sleep(pause / 2)  # the packets of a beat are there when it begins
    cpu: float = native.lib.floor_run(
        ffi.new("struct floor_functions *", _functions()),
        ffi.new("struct floor_call[]", [call.value for call in calls]),
        len(calls),
        ffi.from_buffer("int16_t[]", frames),
        len(frames) // VOICE_FRAME,
        beats,
        round(pause * 1e9),
        heard,
    )
    return cpu / (heard[0] * FRAME_SECONDS) * 1000 if heard[0] else float("nan")


def _be_a_server(core: int) -> None:
    """This thread runs where and as the benchmark's servers do."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, {core})
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@cache
def _native() -> Native:
    here = Path(__file__).parent
    return load(compiled(here), here)


def _functions() -> dict[str, int]:
    """Where the functions are that C calls."""
    srtp = {name: srtp_function(f"srtp_{name}") for name in ("protect", "unprotect")}
    opus = opuslib.api.libopus
    return srtp | {"decode": decode_address(), "encode": _address(opus.opus_encode)}


def _address(pointer: Any) -> int:
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


def _session(direction: int) -> pylibsrtp.Session:
    return pylibsrtp.Session(pylibsrtp.Policy(key=_KEY, ssrc_type=direction))


def _connected() -> tuple[socket.socket, socket.socket]:
    """Two sockets for datagrams, each the other's peer, that never wait."""
    far, near = (socket.socket(type=socket.SOCK_DGRAM) for _ in range(2))
    for each in (far, near):
        each.bind(("127.0.0.1", 0))
        each.setblocking(False)
    far.connect(near.getsockname())
    near.connect(far.getsockname())
    return far, near
