"""The server side of `bench.media`: calls that listen and talk, and what they cost.

    python -m bench.media_server --path short|stock|aiortc --port 8099 [--core 0]
                                 [--disturb thread|lock|process]

`short` and `stock` are this project's line on its two ways; `aiortc` is what a program does that
only uses aiortc: frames of 48 kHz stereo out, frames in, a resampler. Each call's chunks go through
the speech detector, and the agent talks the same recorded speech without end. There is no engine.
With `--mute` the agent says nothing; with `--reply 0.5` it is quiet until the caller is: 0.2 s
after the last speech it says so many seconds, as if its engines took no time.

    POST /offer {sdp} -> {sdp}      GET /usage -> {cpu, wall, rss, onsets, ...}   (then reset)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import uvloop
from aiohttp import web
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)

from agent.ear import SPOKEN, UNSPOKEN
from bench.media_sound import WAIT, speech
from media.audio import AudioChunk, Samples
from media.line import Line, LineSettings
from media.listening import listen
from media.microphone import Mark, Microphone
from media.pacer import Pacer
from media.speaker import Speaker, SpeakerClosed
from media.track import Ticks
from media.voice import VoiceModel, VoiceSettings, load_voice_model
from server.tuning import Tidying, tune
from signaling.gathering import Gatherer
from signaling.ice import IceSettings

_LOUD = 4_000
_LAST = slice(-32, None)
"""Samples of a chunk in which a burst's tone is looked for: one of its waves. A maximum by NumPy
over all of them would cost as much as the path that is measured."""
_REMEMBERED = 2_048
_NICENESS = 5
"""As the engines' threads have by default."""
_HELD = 0.02
"""Seconds for which a disturbing thread holds the interpreter."""


class Talking(MediaStreamTrack):
    """Recorded speech as aiortc's examples send it: 20 ms frames of 48 kHz stereo."""

    kind = "audio"

    def __init__(self, *, is_mute: bool) -> None:
        super().__init__()
        self._samples = np.repeat(speech(48_000), 2) * np.int16(not is_mute)
        self._ticks: Ticks | None = None

    async def recv(self) -> av.AudioFrame:
        clock = asyncio.get_running_loop().time
        self._ticks = self._ticks or Ticks(clock())
        if (wait := self._ticks.wait(clock())) > 0:
            await asyncio.sleep(wait)
        tick = self._ticks.take(clock())
        at = tick * 1920 % (len(self._samples) - 1920)
        samples = self._samples[at : at + 1920]
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, tick * 960, Fraction(1, 48_000)
        return frame


class Listening:
    """Whether the next chunk may come 20 ms late, by the rule of `agent/ear.py`."""

    def __init__(self) -> None:
        self._silent = WAIT

    def feed(self, probability: float, seconds: float) -> bool:
        self._silent = 0.0 if probability >= 0.5 else self._silent + seconds
        return probability > SPOKEN if self._silent < WAIT else probability < UNSPOKEN


class Answering:
    """An agent whose engines take no time: speaks as soon as the caller's turn is over."""

    def __init__(self, speaker: Speaker, seconds: float) -> None:
        self._speaker = speaker
        self._reply = AudioChunk(_reply(seconds), 22_050)
        self._spoken = self._silent = 0.0

    async def feed(self, probability: float, seconds: float) -> None:
        if probability >= 0.5:
            self._spoken, self._silent = self._spoken + seconds, 0.0
            return
        self._silent += seconds
        if self._spoken > 0.1 and self._silent >= WAIT:
            self._spoken = 0.0
            await self._speaker.play(self._reply)


def _reply(seconds: float) -> Samples:
    """Loud from its first frame on: what is half loud would be heard to begin now here, now
    there."""
    begin = int(0.69 * 22_050)
    return speech(22_050)[begin : begin + int(seconds * 22_050)]


class Server:
    """Calls without engines."""

    def __init__(self, path: str, *, detect: bool, reply: float, mute: bool) -> None:
        self._path = path
        self._is_mute = mute
        self._reply = reply
        self._model: VoiceModel | None = load_voice_model(VoiceSettings()) if detect else None
        self._lateness: list[float] = []
        self._gatherer = Gatherer(IceSettings())
        self._pacer = Pacer(lambda step, packets: self._lateness.append(packets))
        self._peers: set[RTCPeerConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._onsets: list[float] = []
        self._chunks = 0
        self._tidying = Tidying()
        self._mark()

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/offer", self._offer), web.get("/usage", self._usage)]

    async def _offer(self, request: web.Request) -> web.Response:
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._peers.add(pc)
        pc_id = f"{id(pc)}"
        offer = await request.json()
        await pc.setRemoteDescription(RTCSessionDescription(offer["sdp"], "offer"))
        transceiver = pc.getTransceivers()[0]
        transceiver.direction = "sendrecv"
        microphone = Microphone()
        speaker: Speaker | None = None
        if self._path == "aiortc":
            transceiver.sender.replaceTrack(Talking(is_mute=self._is_mute))
            carry: Callable[[], Coroutine[Any, Any, None]] = lambda: listen(  # noqa: E731 - a closure
                transceiver.receiver.track, microphone
            )
            tasks = []
        else:
            speaker = Speaker()
            line = Line(
                transceiver,
                microphone=microphone,
                speaker=speaker,
                pacer=self._pacer,
                settings=LineSettings(path="short" if self._path == "short" else "stock"),
            )
            carry, tasks = line.run, [self._talk(speaker)] if self._is_talkative else []
        if self._path != "aiortc":
            self._gatherer.prepare(pc)
        await pc.setLocalDescription(await pc.createAnswer())

        @pc.on("connectionstatechange")
        async def changed() -> None:
            if pc.connectionState == "connected":
                self._tidying.call_began(pc_id)
                for work in (carry(), self._hear(microphone, speaker), *tasks):
                    self._start(work)
            elif pc.connectionState in ("failed", "closed"):
                self._peers.discard(pc)
                if speaker is not None:
                    speaker.close()
                    self._tidying.call_ended(pc_id)
                await pc.close()

        return web.json_response({"sdp": pc.localDescription.sdp})

    @property
    def _is_talkative(self) -> bool:
        return not (self._reply or self._is_mute)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _talk(self, speaker: Speaker) -> None:
        said = speech(22_050)
        second = 22_050
        try:
            while True:
                for start in range(0, len(said), second):
                    await speaker.play(AudioChunk(said[start : start + second], 22_050))
        except SpeakerClosed:
            return

    async def _hear(self, microphone: Microphone, speaker: Speaker | None) -> None:
        detector = self._model.detector() if self._model else None
        answering = Answering(speaker, self._reply) if speaker and self._reply else None
        listening = Listening()
        quiet = 0
        async for chunk in microphone:
            if isinstance(chunk, Mark):
                continue
            self._chunks += 1
            if detector is not None:
                probability = await detector.hear(chunk)
                may_be_late = listening.feed(probability, chunk.seconds)
                microphone.is_patient = may_be_late and speaker is not None and speaker.is_at_rest
                if answering is not None:
                    await answering.feed(probability, chunk.seconds)
            if max(chunk.samples[_LAST].tolist()) > _LOUD:
                if quiet > 10:
                    self._onsets.append(time.monotonic())
                quiet = 0
            else:
                quiet += 1

    async def _usage(self, request: web.Request) -> web.Response:
        used = resource.getrusage(resource.RUSAGE_SELF)
        cpu = used.ru_utime + used.ru_stime
        late = np.array(self._lateness or [0.0]) * 1000
        answer = {
            "cpu": cpu - self._cpu,
            "wall": time.monotonic() - self._wall,
            "rss": _resident(),
            "threads": threading.active_count(),
            "tasks": len(asyncio.all_tasks()),
            "peers": len(self._peers),
            "sleeps": used.ru_nvcsw - self._sleeps,
            "chunks": self._chunks,
            "onsets": self._onsets,
            "paced_late_p50": float(np.percentile(late, 50)),
            "paced_late_p99": float(np.percentile(late, 99)),
        }
        self._mark()
        return web.json_response(answer)

    def _mark(self) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        self._cpu = used.ru_utime + used.ru_stime
        self._sleeps = used.ru_nvcsw
        self._wall = time.monotonic()
        self._onsets, self._chunks = [], 0
        self._lateness.clear()


async def _meet_addresses(app: web.Application) -> None:
    """uvloop remembers where the last 2,048 datagrams' receivers are, for 0.6 MB. Let it have them
    all: the first thousands of calls would seem to leave something behind."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    for number in range(_REMEMBERED):
        transport.sendto(b"?", (f"127.9.{number >> 8}.{number & 0xFF}", 9))
    transport.close()


def _resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _be_ordinary() -> None:
    """Run as a user's process does, without root's real-time priority or negative niceness,
    whatever the bench itself was given (chrt, nice): all that such a process can do is lower the
    priority of its own threads."""
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, 0, max(0, os.getpriority(os.PRIO_PROCESS, 0)))


def _disturb(where: str) -> Callable[[], None]:
    """Have an engine compute beside the loop, on its core; what is returned ends it if need be."""
    if where != "process":
        work = _compute if where == "thread" else _hold_the_interpreter
        threading.Thread(target=work, daemon=True).start()
        return lambda: None
    process = multiprocessing.get_context("fork").Process(target=_compute, args=(os.getpid(),))
    process.start()
    return process.kill


def _compute(parent: int | None = None) -> None:
    """An engine's work: native, which leaves the GIL free, and a little Python between. Like the
    engines' threads it is nicer than the loop's. A process of its own ends with its `parent`."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
    matrix = np.random.default_rng(1).standard_normal((400, 400))
    while parent is None or os.getppid() == parent:
        matrix = matrix @ matrix
        matrix /= np.abs(matrix).max()
        sum(range(20_000))


def _hold_the_interpreter() -> None:
    """Work that lets no other thread of Python's run for 20 ms at a time, as what reads JSON of a
    megabyte does, or a tokenizer; then a pause of 40 ms."""
    numbers = json.dumps(list(range(10_000)))
    begun = time.perf_counter()
    json.loads(numbers)
    longer = max(1, round(_HELD / (time.perf_counter() - begun)))
    document = f"[{','.join([numbers] * longer)}]"
    while True:
        json.loads(document)
        time.sleep(2 * _HELD)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--path", choices=("short", "stock", "aiortc"), required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--core", type=int)
    parser.add_argument("--no-detector", action="store_true")
    parser.add_argument("--disturb", choices=("thread", "lock", "process"))
    parser.add_argument("--mute", action="store_true", help="the agent says nothing")
    parser.add_argument("--reply", type=float, default=0.0, help="answer, in so many seconds")
    arguments = parser.parse_args()
    if arguments.core is not None:
        os.sched_setaffinity(0, {arguments.core})
    _be_ordinary()
    end_disturbance = _disturb(arguments.disturb) if arguments.disturb else lambda: None
    loop = uvloop.new_event_loop()
    server = Server(
        arguments.path,
        detect=not arguments.no_detector,
        reply=arguments.reply,
        mute=arguments.mute,
    )
    app = web.Application()
    app.add_routes(server.routes())
    app.on_startup.append(_meet_addresses)
    if arguments.path != "aiortc":
        tune()
    web.run_app(
        app, host="127.0.0.1", port=arguments.port, loop=loop, print=None, handle_signals=True
    )
    end_disturbance()
    # All is told. What daemon threads still hold, soxr's binding would report as leaks on stderr.
    os._exit(0)


if __name__ == "__main__":
    main()
