"""A caller in Python: offers a call to a server's URL, speaks, listens, and notes when.

    async with Caller("http://localhost:8080") as caller:
        said = await caller.say(audio)
        turn = await caller.wait_for("turn.finished")
        heard_after = await caller.recording.next_voice(said.voice_end) - said.voice_end

A caller whose network changed goes on in the same call by `await caller.reconnect()`.

What `run.py talk`, the tests and the benchmarks call with. All times are the loop's clock.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from media.audio import AudioChunk
from signaling.gathering import Gatherer
from signaling.ice import IceSettings
from signaling.recording import Recording
from signaling.voice_track import Said, VoiceTrack

Message = dict[str, Any]


class CallFailed(Exception):
    """The server did not take the call, or it ended. `status` is HTTP's, 0 when there is none."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{message} ({code}, HTTP {status})" if status else f"{message} ({code})")
        self.status = status
        self.code = code


class Caller:
    """One call from the caller's side, as an async context manager."""

    def __init__(
        self, url: str, *, language: str | None = None, settings: IceSettings | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self.call_id = ""
        self.messages: list[Message] = []
        """Everything that came over the control channel; `received` is its loop time."""
        self.voice: VoiceTrack
        self.recording: Recording
        self.resume_token = ""
        """What lets this caller go on in the call by another connection."""
        self._connection: RTCPeerConnection | None = None
        self._listening: asyncio.Task[None] | None = None
        self._language = language
        self._settings = settings or IceSettings()
        self._seen: Counter[str] = Counter()
        self._changed = asyncio.Event()
        self.is_gone = False
        """The connection was there and is no more."""

    async def __aenter__(self) -> Self:
        """Call, and wait until connected. Raises CallFailed."""
        async with AsyncExitStack() as stack:
            self._http = await stack.enter_async_context(aiohttp.ClientSession())
            stack.push_async_callback(self._close)
            self.recording = Recording(asyncio.get_running_loop().time())
            await self._connect()
            self._tasks = await stack.enter_async_context(asyncio.TaskGroup())
            stack.callback(self._stop_listening)
            self._listen()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def reconnect(self) -> None:
        """Go on in the same call by a new connection; the old one is closed afterwards.

        What was being said over the old one ends there. Raises CallFailed."""
        former = self._connection
        try:
            await self._connect()
        finally:
            self._stop_listening()
            if former is not None:
                await former.close()
        self._listen()

    async def say(self, audio: AudioChunk) -> Said:
        """Say audio of any rate, in real time; when it was said. Raises CallFailed."""
        try:
            return await self.voice.say(audio)
        except MediaStreamError:
            raise self._ended("all was said") from None

    def send(self, message: Message | str | bytes) -> None:
        """Send a message on the control channel: an object as JSON, anything else as it is."""
        self._channel.send(json.dumps(message) if isinstance(message, dict) else message)

    def send_unchecked(self, message: str) -> None:
        """Send a message even if it is longer than the server says it takes."""
        # aiortc refuses to; a client that means harm would not.
        self._channel.transport._remote_max_message_size = 0
        self._channel.send(message)

    async def wait_for(self, kind: str, *, within: float = 30.0) -> Message:
        """The next message of this type that was not waited for before.

        Raises CallFailed when the call ends, or nothing comes within `within` seconds."""
        wanted = self._seen[kind]
        self._seen[kind] += 1
        try:
            async with asyncio.timeout(within):
                while True:
                    matching = [each for each in self.messages if each.get("type") == kind]
                    if len(matching) > wanted:
                        return matching[wanted]
                    if self.is_gone:
                        raise self._ended(f"any {kind!r}")
                    await self.changed()
        except TimeoutError:
            raise CallFailed(0, "timeout", f"no {kind!r} within {within} seconds") from None

    async def ended(self, *, within: float = 30.0) -> None:
        """Wait until the server's side is gone. Raises CallFailed after `within` seconds."""
        try:
            async with asyncio.timeout(within):
                while not self.is_gone:
                    await self.changed()
        except TimeoutError:
            raise CallFailed(0, "timeout", f"still connected after {within} seconds") from None

    async def changed(self) -> None:
        """Wait until something comes over the control channel, or the connection changes."""
        self._changed.clear()
        await self._changed.wait()

    async def hang_up(self) -> None:
        """End the call by HTTP, as a page does. Idempotent."""
        async with self._http.delete(f"{self.url}/calls/{self.call_id}") as response:
            if response.status not in (204, 404):
                raise await _failure(response)

    def _ended(self, before: str) -> CallFailed:
        told = next((each for each in self.messages if each.get("type") == "call.ended"), {})
        why = f" ({told['reason']})" if told else ""
        return CallFailed(0, "call_ended", f"the call ended{why} before {before}")

    def _listen(self) -> None:
        assert self._connection is not None
        track = self._connection.getReceivers()[0].track
        self._listening = self._tasks.create_task(self.recording.listen(track))

    def _stop_listening(self) -> None:
        if self._listening is not None:
            self._listening.cancel()

    async def _close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    # -- connecting -----------------------------------------------------------------------------

    async def _connect(self) -> None:
        pc = RTCPeerConnection(
            RTCConfiguration(
                iceServers=self._settings.rtc_servers(), bundlePolicy=RTCBundlePolicy.MAX_BUNDLE
            )
        )
        self._connection, self.is_gone = pc, False
        self.voice = VoiceTrack()
        pc.addTrack(self.voice)
        self._listen_to(pc.createDataChannel("control"))
        pc.on("connectionstatechange", lambda: self._note_state(pc))
        Gatherer(self._settings).prepare(pc)
        await pc.setLocalDescription(await pc.createOffer())
        answer = await self._offer(pc.localDescription.sdp)
        self.recording.tap(pc.getReceivers()[0])
        await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await self._until_connected(pc)

    async def _offer(self, sdp: str) -> str:
        body: Message = {"sdp": sdp, "type": "offer"}
        if self.call_id:
            body |= {"call_id": self.call_id, "resume_token": self.resume_token}
            body |= {"received": len(self.messages)}
        elif self._language is not None:
            body["language"] = self._language
        async with self._http.post(f"{self.url}/offer", json=body) as response:
            if response.status != 200:
                raise await _failure(response)
            answer = await response.json()
        self.call_id = answer["call_id"]
        self.resume_token = answer["resume_token"]
        return str(answer["sdp"])

    async def _until_connected(self, pc: RTCPeerConnection) -> None:
        try:
            async with asyncio.timeout(self._settings.connect_timeout):
                while pc.connectionState != "connected" or self._channel.readyState != "open":
                    if self.is_gone:
                        raise CallFailed(0, "not_connected", "the media could not be connected")
                    await self.changed()
        except TimeoutError:
            raise CallFailed(0, "not_connected", "the media could not be connected") from None

    def _note_state(self, pc: RTCPeerConnection) -> None:
        if pc is self._connection:
            self.is_gone = self.is_gone or pc.connectionState in ("closed", "failed")
            self._changed.set()

    def _listen_to(self, channel: RTCDataChannel) -> None:
        self._channel = channel
        clock = asyncio.get_running_loop().time

        def take(text: str | bytes) -> None:
            self.messages.append({**json.loads(text), "received": clock()})
            self._changed.set()

        channel.on("message", take)
        channel.on("open", self._changed.set)


async def _failure(response: aiohttp.ClientResponse) -> CallFailed:
    try:
        error = (await response.json())["error"]
        return CallFailed(response.status, error["code"], error["message"])
    except (aiohttp.ContentTypeError, ValueError, KeyError, TypeError):
        return CallFailed(response.status, "http", f"HTTP {response.status} from {response.url}")
