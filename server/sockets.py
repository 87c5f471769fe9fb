"""Calls over WebSockets: the same conversations, carried by the request that opened the socket.

A call lives as long as its request: what it raises ends it alone, and is logged by aiohttp as any
request's. Counted with the calls over WebRTC against one limit.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from agent.events import CallEnded, Event
from media.microphone import Microphone
from media.pacer import Pacer
from media.speaker import Speaker
from server.calls import Calls
from server.config import Settings
from server.conversation import Begin, CallObserver, Conversation, Dismissal, Seat
from server.logs import of_call
from signaling.realtime.obedience import obey
from signaling.realtime.port import Port
from signaling.realtime.refusal import Refused
from signaling.realtime.session import House, Session
from signaling.realtime.wire import Wire

log = logging.getLogger(__name__)

LAST_WORDS = 2.0
"""Seconds at most for the client to take its last events."""


class Sockets:
    """All calls over sockets, by id."""

    def __init__(
        self,
        calls: Calls,
        settings: Settings,
        *,
        begin: Begin,
        pacer: Pacer,
        stages: Sequence[Mapping[str, Any]] = (),
        observers: Sequence[CallObserver] = (),
    ) -> None:
        """`calls`: those over WebRTC, which share the places and the end of the server; `stages`:
        what serves each."""
        self._calls = calls
        calls.admission.counts.append(self.__len__)
        self._begin = begin
        self._settings = settings.server
        self._speaker = settings.speaker
        self._pacer = pacer
        self._observers = tuple(observers)
        self._held: dict[str, _Call | None] = {}
        self.house = House(
            personas=settings.personas,
            language=settings.language,
            turn=settings.turn,
            transport="websocket",
            stages=stages,
        )

    def __len__(self) -> int:
        return len(self._held)

    @contextmanager
    def place(self) -> Iterator[str]:
        """A place for a call while the block runs: its id. Raises CallRefused."""
        self._calls.admission.check()
        call_id = secrets.token_urlsafe(12)
        self._held[call_id] = None
        try:
            yield call_id
        finally:
            del self._held[call_id]

    async def converse(self, call_id: str, port: Port, session: Session) -> None:
        """Hold the call over an open port, until one of both ends it."""
        call = _Call(call_id, port, session, pacer=self._pacer, speaker=Speaker(self._speaker))
        self._held[call_id] = call
        with of_call(call_id):
            try:
                await call.hold(self._begin, self._observe)
            finally:
                self._observe(call_id, CallEnded(at=call.now(), reason=call.reason))
                await call.close()

    def _observe(self, call_id: str, event: Event) -> None:
        for observe in self._observers:
            observe(call_id, event)

    def knows(self, call_id: str) -> bool:
        """Whether there is a call of this id."""
        return self._held.get(call_id) is not None

    def hang_up(self, call_id: str) -> bool:
        """End a call at once; False when there is none of this id."""
        call = self._held.get(call_id)
        if call is not None:
            call.end("hangup")
        return call is not None

    async def dismiss(self, call_id: str, end: Dismissal) -> None:
        """End a call that has had its time, if there is one of this id: say why, and goodbye."""
        if call := self._held.get(call_id):
            try:
                async with asyncio.timeout(self._settings.shutdown_grace):
                    await call.part(end.reason, Refused(end.code, end.why))
            except TimeoutError:
                log.info("A goodbye took too long")
            finally:
                call.end(end.reason)

    async def drain(self) -> None:
        """Say goodbye to everybody within the grace."""
        calls = [call for call in self._held.values() if call is not None]
        try:
            async with asyncio.timeout(self._settings.shutdown_grace):
                goodbyes = (call.part() for call in calls)
                for outcome in await asyncio.gather(*goodbyes, return_exceptions=True):
                    if isinstance(outcome, Exception):
                        log.error("A bug cut a goodbye", exc_info=outcome)
        except TimeoutError:
            log.info("A goodbye took too long")

    def stop(self) -> None:
        """End every call at once."""
        for call in self._held.values():
            if call is not None:
                call.end("shutdown")


class _Call:
    """One call over a socket. `reason`: why it ended, or is to end."""

    def __init__(
        self,
        call_id: str,
        port: Port,
        session: Session,
        *,
        pacer: Pacer,
        speaker: Speaker,
    ) -> None:
        self.reason = ""
        self._call_id = call_id
        self._session = session
        self._microphone = Microphone()
        self._speaker = speaker
        self._conversation: Conversation | None = None
        self._over = asyncio.Event()
        self._parting = "hangup"
        self._wire = Wire(port, session, microphone=self._microphone, speaker=speaker, pacer=pacer)

    @staticmethod
    def now() -> float:
        return asyncio.get_running_loop().time()

    async def hold(self, begin: Begin, observe: CallObserver) -> None:
        """Converse until it is over."""
        seat = Seat(
            call_id=self._call_id,
            persona=self._session.persona,
            microphone=self._microphone,
            speaker=self._speaker,
            emit=lambda event: self._emit(event, observe),
        )
        conversation = self._conversation = begin(seat)
        try:
            await self._talk(conversation)
        except Exception:
            self.reason = "failed"
            raise
        finally:
            self.reason = self.reason or self._parting

    async def _talk(self, conversation: Conversation) -> None:
        async with asyncio.TaskGroup() as tasks:
            over = tasks.create_task(self._over.wait())
            talking = tasks.create_task(conversation.run())
            carrying = tasks.create_task(self._wire.run())
            obeying = tasks.create_task(self._obey(conversation))
            ends = {over, carrying, talking}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if carrying.done() and not carrying.cancelled() and not carrying.exception():
                self.reason = self.reason or carrying.result()
            for task in (*ends, obeying):
                task.cancel()

    async def _obey(self, conversation: Conversation) -> None:
        while True:
            await obey(await self._wire.commands.get(), conversation)

    def _emit(self, event: Event, observe: CallObserver) -> None:
        self._wire.tell(event)
        if isinstance(event, CallEnded):
            # Why it really ended may only be known out here: observed when it is over.
            self._parting = event.reason
        else:
            observe(self._call_id, event)

    def end(self, reason: str) -> None:
        """End it at once."""
        self.reason = self.reason or reason
        self._over.set()

    async def part(self, reason: str = "shutdown", why: Refused | None = None) -> None:
        """Say goodbye, and before it `why`, if that is told."""
        if self._conversation is not None:
            self.reason = self.reason or reason
            if why is not None:
                self._wire.refuse(why)
            await self._conversation.farewell(reason)

    async def close(self) -> None:
        """Free what it held, and let the client take its last events."""
        self._microphone.close()
        self._speaker.close()
        await self._wire.close(LAST_WORDS)
