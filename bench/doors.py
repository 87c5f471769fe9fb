"""What each way into the server costs: to come in, and for every second of audio.

    python -m bench.doors [--calls 20] [--seconds 10]

The server runs in a process of its own with the small real models. `set-up` is from the request to
the session's first words at the client; CPU is the server process's. Then audio flows both ways for
some seconds over WebSockets: room noise that nobody takes for speech towards the server, a story
towards the client; bytes are those of the messages, as they are sent.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import uvloop
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from rich.console import Console
from rich.table import Table

from bench.conversation.stand import quiet_server
from bench.server_process import ServerProcess
from media.opus import FRAME, Encoder
from signaling.binary.frames import Audio, Body, Close, Event, Frame, Open, read, write
from signaling.binary.mux import PROTOCOL
from signaling.client import Caller
from signaling.gathering import Gatherer
from signaling.ice import IceSettings
from signaling.voice_track import VoiceTrack

HERE = IceSettings(bind=("127.0.0.1",))
RESULTS = Path(__file__).parent / "results" / "doors.json"
NOISE = 8
"""Standard deviation of the samples that are sent: about -72 dBFS."""
REST = 0.05


@dataclass(frozen=True, slots=True)
class SetUp:
    """One door. `seconds`: of each call; `cpu`: milliseconds of the server's for each."""

    door: str
    seconds: tuple[float, ...]
    cpu: float


@dataclass(frozen=True, slots=True)
class Flow:
    """Audio over a socket for a while, by second: bytes both ways, and the server's CPU in ms."""

    form: str
    bytes_in: float
    bytes_out: float
    cpu: float


# -- coming in ------------------------------------------------------------------------------------


async def by_offer(url: str) -> float:
    """`POST /offer`, until the control channel's first message."""
    began = time.perf_counter()
    async with Caller(url, settings=HERE) as caller:
        await caller.wait_for("call.started")
        return time.perf_counter() - began


async def by_calls(url: str) -> float:
    """`POST /v1/realtime/calls`, until `session.created` on the data channel."""
    began = time.perf_counter()
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    created = asyncio.Event()
    pc.addTrack(VoiceTrack())
    pc.createDataChannel("oai-events").on("message", lambda _: created.set())
    Gatherer(HERE).prepare(pc)
    await pc.setLocalDescription(await pc.createOffer())
    sdp = {"Content-Type": "application/sdp"}
    async with aiohttp.ClientSession() as http:
        place = f"{url}/v1/realtime/calls"
        async with http.post(place, data=pc.localDescription.sdp, headers=sdp) as reply:
            answer = RTCSessionDescription(await reply.text(), "answer")
            call = url + reply.headers["Location"]
        await pc.setRemoteDescription(answer)
        await created.wait()
        took = time.perf_counter() - began
        async with http.delete(call):
            await pc.close()
    return took


async def by_json(url: str) -> float:
    """`GET /v1/realtime`, until `session.created`."""
    began = time.perf_counter()
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{url}/v1/realtime") as socket:
        await socket.receive()
        return time.perf_counter() - began


async def by_binary(url: str) -> float:
    """The same with the binary subprotocol."""
    began = time.perf_counter()
    async with aiohttp.ClientSession() as http:
        async with http.ws_connect(f"{url}/v1/realtime", protocols=[PROTOCOL]) as socket:
            await socket.send_bytes(write(Frame(1, Open())))
            async for message in socket:
                if isinstance(read(message.data).body, Event):
                    break
            return time.perf_counter() - began


DOORS: dict[str, Callable[[str], Awaitable[float]]] = {
    "POST /offer (WebRTC)": by_offer,
    "POST /v1/realtime/calls (WebRTC, WHIP)": by_calls,
    "WebSocket, JSON": by_json,
    "WebSocket, binary": by_binary,
}


async def set_up(server: ServerProcess, door: str, calls: int) -> SetUp:
    """One call after the other."""
    await DOORS[door](server.url)  # the first one loads what the door needs
    before = server.usage().cpu
    seconds = []
    for _ in range(calls):
        seconds.append(await DOORS[door](server.url))
        await asyncio.sleep(REST)
    cpu = 1000 * (server.usage().cpu - before) / calls
    return SetUp(door, tuple(seconds), cpu)


# -- audio ----------------------------------------------------------------------------------------


class _Counted:
    """A socket whose bytes are counted."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.sent = self.got = 0

    async def send(self, message: str | bytes) -> None:
        self.sent += len(message)
        if isinstance(message, str):
            await self.socket.send_str(message)
        else:
            await self.socket.send_bytes(message)

    async def read(self) -> None:
        async for message in self.socket:
            self.got += len(message.data)


async def flow(server: ServerProcess, form: str, seconds: float) -> Flow:
    """A call whose agent tells a story while noise comes from the caller."""
    is_binary = form.startswith("binary")
    protocols = [PROTOCOL] if is_binary else []
    async with aiohttp.ClientSession() as http:
        url = f"{server.url}/v1/realtime"
        async with http.ws_connect(url, protocols=protocols) as socket:
            line = _Counted(socket)
            reading = asyncio.ensure_future(line.read())
            for message in _greeting(is_binary):
                await line.send(message)
            await asyncio.sleep(1.0)
            line.sent = line.got = 0
            before, began = server.usage().cpu, time.perf_counter()
            await _send_noise(line, is_binary, seconds)
            took = time.perf_counter() - began
            cpu = 1000 * (server.usage().cpu - before) / took
            if is_binary:
                await line.send(write(Frame(1, Close("bye"))))
        await reading
    return Flow(form, line.sent / took, line.got / took, cpu)


def _greeting(is_binary: bool) -> list[str | bytes]:
    """Nothing is listened for, so that no engine is at work but the voice detector."""
    story = {"type": "input_text", "text": "Tell me a story about a bear."}
    item = {"type": "message", "role": "user", "content": [story]}
    events: list[dict[str, Any]] = [
        {"type": "conversation.item.create", "item": item},
        {"type": "response.create"},
    ]
    if not is_binary:
        return [json.dumps(event) for event in events]
    opened: list[Body] = [Open(), *(Event(json.dumps(event).encode()) for event in events)]
    return [write(Frame(1, body)) for body in opened]


async def _send_noise(line: _Counted, is_binary: bool, seconds: float) -> None:
    """20 ms every 20 ms."""
    chance = np.random.default_rng(1)
    encoder = Encoder()
    clock = asyncio.get_running_loop().time
    began = clock()
    for number in range(round(seconds * 50)):
        if is_binary:
            noise = chance.normal(0, NOISE, FRAME).astype(np.int16)
            await line.send(write(Frame(1, Audio(encoder.encode(noise)))))
        else:
            noise = chance.normal(0, NOISE, 480).astype(np.int16)
            audio = base64.b64encode(noise.tobytes()).decode()
            await line.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        await asyncio.sleep(max(0.0, began + 0.02 * (number + 1) - clock()))


# -- telling --------------------------------------------------------------------------------------


async def measure(calls: int, seconds: float) -> tuple[list[SetUp], list[Flow]]:
    """Every door, then audio in both forms, interleaved three times."""
    async with quiet_server("llm.replies.enabled=false", "turn.reply.max_tokens=400") as server:
        doors = [await set_up(server, door, calls) for door in DOORS]
        flows = [
            await flow(server, form, seconds)
            for _ in range(3)
            for form in ("JSON, base64 PCM", "binary, Opus")
        ]
    return doors, flows


def doors_table(doors: Sequence[SetUp]) -> Table:
    shown = Table("door", "set-up p50 ms", "p95", "CPU ms a call")
    for each in doors:
        p50, p95 = np.percentile(np.asarray(each.seconds) * 1000, [50, 95])
        shown.add_row(each.door, f"{p50:.0f}", f"{p95:.0f}", f"{each.cpu:.1f}")
    return shown


def flows_table(flows: Sequence[Flow]) -> Table:
    shown = Table("audio over a socket", "kB/s in", "kB/s out", "server CPU ms/s")
    for form in dict.fromkeys(each.form for each in flows):
        rows = [(each.bytes_in, each.bytes_out, each.cpu) for each in flows if each.form == form]
        into, out, cpu = np.median(np.asarray(rows), axis=0)
        shown.add_row(form, f"{into / 1000:.1f}", f"{out / 1000:.1f}", f"{cpu:.1f}")
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    doors, flows = uvloop.run(measure(options.calls, options.seconds))
    console = Console()
    console.print(doors_table(doors))
    console.print(flows_table(flows))
    RESULTS.parent.mkdir(exist_ok=True)
    told = {"doors": [asdict(each) for each in doors], "flows": [asdict(each) for each in flows]}
    RESULTS.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
