"""A session over a port: a WebSocket, or a call's part of one.

The agent's audio leaves as it would leave by RTP, 20 ms every 20 ms: what has been heard is what
has left, so an interruption cuts exact to the word, and a client that plays what comes has nothing
to throw away. One task reads, one writes; the common pacer beats.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Literal

from agent.events import Event
from media.microphone import Intake, Mark
from media.pacer import Pacer
from media.speaker import Speaker
from signaling.realtime.commands import Command, Fields, Hear, Point, Step
from signaling.realtime.incoming import CODECS, Incoming
from signaling.realtime.port import Port, Sound
from signaling.realtime.refusal import Refused
from signaling.realtime.session import Session

log = logging.getLogger(__name__)

UNSENT = 512
"""Events that wait for a client that does not read; with more it is hung up on: none is dropped."""
UNDONE = 64
"""A client's commands that may wait to be carried out."""

Gone = Literal["left", "flooded", "failed"]


class Wire:
    """One socket's session. `commands` are for the call to carry out, in order."""

    def __init__(
        self,
        port: Port,
        session: Session,
        *,
        microphone: Intake,
        speaker: Speaker,
        pacer: Pacer,
    ) -> None:
        self.commands: asyncio.Queue[Command] = asyncio.Queue(UNDONE)
        self._port = port
        self._session = session
        self._microphone = microphone
        self._speaker = speaker
        self._pacer = pacer
        self._incoming = Incoming(session.config.audio.input.format)
        self._unsent: asyncio.Queue[Fields] = asyncio.Queue(UNSENT)
        self._sent = asyncio.Event()
        self._gone: asyncio.Future[Gone] = asyncio.get_running_loop().create_future()
        self._failure: Exception | None = None
        session.count_written(self._incoming.written)
        self._adopt_formats()

    async def run(self) -> Gone:
        """Carry the session until the client is gone; say why. What a step raises is raised."""
        self._follow(self._session.hello())
        leave = self._pacer.join(lambda tick, due: self._beat(), self._fail)
        try:
            async with asyncio.TaskGroup() as tasks:
                carriers = [tasks.create_task(self._read()), tasks.create_task(self._write())]
                gone = await self._gone
                for carrier in carriers:
                    carrier.cancel()
        finally:
            leave()
        if self._failure is not None:
            raise self._failure
        return gone

    def tell(self, event: Event) -> None:
        """A fact of the call's, for the client."""
        self._follow(self._session.tell(event))

    def refuse(self, refused: Refused) -> None:
        """Something is not done, or not gone on with: an `error` for the client."""
        self._follow(self._session.refuse(refused))

    async def close(self, seconds: float) -> None:
        """Send what waits and close the socket, within about `seconds`. Idempotent."""
        try:
            async with asyncio.timeout(seconds):
                while not self._unsent.empty() and not self._port.closed:
                    await self._port.send(self._unsent.get_nowait())
                await self._port.close()
        except (TimeoutError, ConnectionError):
            log.debug("The client did not take its last messages")

    # -- both ways ------------------------------------------------------------------------------

    async def _read(self) -> None:
        try:
            async for message in self._port:
                self._take(message)
                await self._room()
        except ConnectionError:
            return self._end("failed")
        self._end("left")

    async def _write(self) -> None:
        try:
            while True:
                await self._port.send(await self._unsent.get())
                self._sent.set()
        except ConnectionError:
            self._end("left")

    async def _room(self) -> None:
        """Read no more while much waits to be sent: a burst of a client's is not held against it,
        as long as it reads too."""
        while self._unsent.qsize() > UNSENT // 2:
            self._sent.clear()
            await self._sent.wait()

    def _take(self, message: str | bytes | Sound) -> None:
        if isinstance(message, Sound):
            step = self._session.hear(message.payload)
        else:
            step = self._session.take(message)
        try:
            self._follow(step)
        except Refused as refused:
            self._follow(self._session.refuse(refused))
        self._adopt_formats()

    def _follow(self, step: Step) -> None:
        """Send a step's events and pass its commands on. Raises Refused when there is no room."""
        for event in step.events:
            if self._unsent.full():
                return self._end("flooded")
            self._unsent.put_nowait(event)
        for command in step.commands:
            if isinstance(command, Point):
                command = Mark(command.kind)
                self._incoming.mark(command)
            if isinstance(command, Hear):
                self._incoming.take(command.payload)
            elif self.commands.full():
                raise Refused("too_many_events", "events come faster than they can be obeyed")
            else:
                self.commands.put_nowait(command)

    def _adopt_formats(self) -> None:
        audio = self._session.config.audio
        self._incoming.speak(audio.input.format)
        self._incoming.is_paced = audio.input.turn_detection is not None
        if self._spoken != audio.output.format.type:
            self._spoken = audio.output.format.type
            self._speaker.speak_codec(CODECS[self._spoken])

    _spoken = ""
    """The format in which the agent's audio leaves."""

    # -- every 20 ms ----------------------------------------------------------------------------

    def _beat(self) -> None:
        for each in self._incoming.step():
            if isinstance(each, Mark):
                self._microphone.mark(each)
            else:
                self._microphone.put(each)
        before = self._speaker.played
        packet = self._speaker.leave()
        if packet is not None and self._speaker.level is not None:
            fresh = self._speaker.played > before
            self._follow(self._session.sound(packet.payload, fresh=fresh))

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self._end("failed")

    def _end(self, why: Gone) -> None:
        if not self._gone.done():
            self._gone.set_result(why)
