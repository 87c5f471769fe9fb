"""The live calls: let in up to a limit, served one task each, hung up, said goodbye to.

This is where tasks begin and where bugs end: whatever a call raises is logged with its traceback
and ends that call alone. However a call ends, `CallEnded` is observed once, with the reason.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent import events
from agent.events import CallEnded, CallerAway, CallerBack, EncodingChanged, Event, KeyPressed
from agent.load import Rung
from agent.persona import Persona
from media.clips import Clips
from media.line import LineSettings
from media.microphone import Mark, Microphone
from media.pacer import Pacer
from media.speaker import Speaker, SpeakerSettings
from server.admission import Admission
from server.attendance import Attendance, close_whole
from server.conversation import Begin, CallObserver, Conversation, Dismissal, Seat, who_speaks
from server.live import Live
from server.logs import of_call
from server.settings import ServerSettings
from signaling import control
from signaling.errors import BadOffer, CallUnknown, ResumeRefused
from signaling.gathering import Gatherer
from signaling.ice import IceSettings
from signaling.peer import Peer
from signaling.realtime.commands import Point
from signaling.realtime.config import SessionConfig
from signaling.realtime.obedience import obey
from signaling.realtime.session import Session
from signaling.routes import Answer
from signaling.tongues import Plain, Realtime, Said, Tongue, Undecided, plainly
from signaling.trickle import Fragment

log = logging.getLogger(__name__)

PENDING_COMMANDS = 32
"""A client's messages that may wait to be obeyed; more are answered by an error."""
LAST_WORDS = 2.0
"""Seconds at most for the control channel to open, and to bring its last message."""


class Calls:
    """All calls of the server, by id."""

    def __init__(
        self,
        *,
        begin: Begin,
        personas: Mapping[str, Persona],
        language: str,
        server: ServerSettings | None = None,
        ice: IceSettings | None = None,
        speaker: SpeakerSettings | None = None,
        line: LineSettings | None = None,
        pacer: Pacer | None = None,
        stages: Sequence[Mapping[str, Any]] = (),
        observers: Sequence[CallObserver] = (),
        admission: Admission | None = None,
    ) -> None:
        """`begin` makes a conversation; `language` is that of a call that asks for none."""
        self._begin = begin
        self._personas = personas
        self._language = language
        self._settings = server or ServerSettings()
        self._ice = ice or IceSettings()
        self._speaker = speaker or SpeakerSettings()
        self._clips = Clips(self._speaker.opus)
        self._line = line
        self._pacer = pacer or Pacer()
        self._stages = tuple(stages)
        self._observers = tuple(observers)
        self._gatherer = Gatherer(self._ice)
        self._live: dict[str, Live] = {}
        self.new_session: Callable[[str, SessionConfig | None], Session] | None = None
        """Makes a session of the Realtime protocol, in a language, for an offer without one."""
        self.admission = admission or Admission(self._settings)
        self.admission.counts.append(self.__len__)

    def __len__(self) -> int:
        return len(self._live)

    def __contains__(self, call_id: object) -> bool:
        return call_id in self._live

    async def answer(
        self,
        sdp: str,
        language: str | None,
        session: Session | None = None,
        *,
        config: SessionConfig | None = None,
    ) -> Answer:
        """Let a caller in. Raises SignalingError; the caller is then not in.

        With a `session` the data channel speaks the Realtime protocol, and it says who answers.
        Without one `config` is what a client secret brings, for whatever the channel speaks."""
        wanted = language or self._language
        persona = session.persona if session else who_speaks(wanted, self._personas)
        guest = self._guest(persona, config) if session is None else None
        opening = plainly(guest) if guest and config else None
        persona = opening.persona if opening else persona
        call_id = secrets.token_urlsafe(12)
        tongue = Realtime(session) if session else self._tongue(call_id, persona, guest)
        live, peer = self._admit(call_id, persona, tongue)
        self._say(live, Said([], [opening] if opening else []))
        try:
            answer = await peer.answer(sdp)
        except BaseException:
            await self._close(live)
            raise
        live.task = asyncio.create_task(self._serve(live), name=f"call {live.seat.call_id}")
        return self._answer(live, answer)

    async def resume(self, sdp: str, call_id: str, token: str, received: int | None) -> Answer:
        """Go on in a call by another connection. Raises SignalingError; the call stays as it was.

        `received`: how many control messages the caller has; they are sent those after."""
        live = self._live.get(call_id)
        if live is None or live.conversation is None or live.over.is_set():
            raise CallUnknown(call_id)
        if not secrets.compare_digest(live.token.encode(), token.encode()):
            raise ResumeRefused
        peer = self._peer(live)
        with live.attendance.expecting():
            try:
                answer = await peer.answer(sdp)
                if live.over.is_set() or live.is_closed:
                    raise CallUnknown(call_id)
            except BaseException:
                await close_whole(peer)
                raise
            await live.attendance.succeed(peer, received)
        return self._answer(live, answer)

    async def trickle(self, call_id: str, fragment: Fragment, etag: str) -> None:
        """More candidates for the connection that `etag` names. Raises SignalingError."""
        live = self._live.get(call_id)
        if live is None or live.is_closed:
            raise CallUnknown(call_id)
        await live.attendance.peer.trickle(fragment, etag)

    async def hang_up(self, call_id: str) -> None:
        """End a call at once; returns when it is over. Raises CallUnknown."""
        live = self._live.get(call_id)
        if live is None or live.task is None:
            raise CallUnknown(call_id)
        live.end("hangup")
        await asyncio.wait({live.task})

    async def dismiss(self, call_id: str, end: Dismissal) -> None:
        """End a call that has had its time, if there is one of this id: say why, and goodbye."""
        if live := self._live.get(call_id):
            self._say(live, live.tongue.refuse(end.code, end.why))
            await self._part(live, end.reason)
            live.end(end.reason)

    async def drain(self) -> None:
        """Let nobody in, say goodbye to everybody within the grace, end what is left."""
        self.admission.is_draining = True
        lives = list(self._live.values())
        await asyncio.gather(*(self._part(live) for live in lives))
        await self.stop()

    async def stop(self) -> None:
        """End every call at once; returns when all are over."""
        self.admission.is_draining = True
        for live in self._live.values():
            live.end("shutdown")
        if tasks := {live.task for live in self._live.values() if live.task is not None}:
            await asyncio.wait(tasks)

    # -- letting in -----------------------------------------------------------------------------

    def _guest(self, persona: Persona, config: SessionConfig | None) -> Session | None:
        return self.new_session(persona.language, config) if self.new_session else None

    def _admit(self, call_id: str, persona: Persona, tongue: Tongue) -> tuple[Live, Peer]:
        """Take a place, before anything is awaited: two offers never share the last one."""
        self.admission.check()
        live, peer = self._open(call_id, persona, tongue)
        self._live[call_id] = live
        return live, peer

    def _open(self, call_id: str, persona: Persona, tongue: Tongue) -> tuple[Live, Peer]:
        seat = Seat(
            call_id=call_id,
            persona=persona,
            microphone=Microphone(),
            speaker=Speaker(self._speaker, self._clips),
            emit=lambda event: self._observe(live, event),
        )
        live = Live(
            seat=seat,
            token=secrets.token_urlsafe(24),
            tongue=tongue,
            commands=asyncio.Queue(PENDING_COMMANDS),
        )
        peer = self._peer(live)
        live.attendance = Attendance(
            peer,
            within=self._settings.resume_within,
            on_away=lambda: self._hold(live),
            on_back=lambda away: self._release(live, away),
        )
        self._say(live, live.tongue.hello())
        return live, peer

    def _tongue(self, call_id: str, persona: Persona, guest: Session | None) -> Tongue:
        """What a call speaks whose offer does not say it: the label of its channel will."""
        plain = Plain(control.About(call_id, _now(), persona.name, self._stages), _now)
        return plain if guest is None else Undecided(plain, Realtime(guest))

    def _peer(self, live: Live) -> Peer:
        return Peer(
            settings=self._ice,
            gatherer=self._gatherer,
            microphone=live.seat.microphone,
            speaker=live.seat.speaker,
            pacer=self._pacer,
            on_message=lambda message: self._take(live, message),
            on_channel=lambda label: self._say(live, live.tongue.choose(label)),
            on_quiet=lambda is_quiet: live.attendance.listen(is_quiet=is_quiet),
            line=self._line,
            on_choice=lambda choice: self._observe(
                live,
                EncodingChanged(
                    at=_now(), bitrate=choice.bitrate, fec=choice.fec, loss=choice.loss
                ),
            ),
            on_key=lambda key: self._observe(
                live, KeyPressed(at=_now(), key=key.key, seconds=key.seconds)
            ),
        )

    def _answer(self, live: Live, sdp: str) -> Answer:
        return Answer(
            sdp=sdp,
            call_id=live.seat.call_id,
            resume_token=live.token,
            resume_within=self._settings.resume_within,
            etag=live.attendance.peer.etag,
        )

    # -- serving --------------------------------------------------------------------------------

    async def _serve(self, live: Live) -> None:
        """One call, from the answered offer to the freed seat: the crash boundary."""
        with of_call(live.seat.call_id):
            try:
                await self._until_over(live)
            except Exception:
                log.exception("A bug ended the call")
                live.reason = "failed"
                self._say(live, live.tongue.fail())
            finally:
                try:
                    self._announce(live, CallEnded(at=_now(), reason=live.reason or live.parting))
                    await live.attendance.peer.flush(LAST_WORDS)
                finally:
                    await self._close(live)

    async def _until_over(self, live: Live) -> None:
        async with asyncio.TaskGroup() as tasks:
            over = tasks.create_task(live.over.wait())
            talk = tasks.create_task(self._talk(live))
            await asyncio.wait({over, talk}, return_when=asyncio.FIRST_COMPLETED)
            over.cancel()
            talk.cancel()

    async def _talk(self, live: Live) -> None:
        if gone := await live.attendance.peer.connected():
            log.info("The caller never got through", extra={"reason": gone})
            live.reason = live.reason or gone
            return
        conversation = live.conversation = self._begin(live.seat)
        async with asyncio.TaskGroup() as tasks:
            # It begins before it is asked for anything.
            talking = tasks.create_task(conversation.run())
            obeying = tasks.create_task(self._obey(live, conversation))
            carrying = tasks.create_task(live.attendance.carry())
            await asyncio.wait({carrying, talking}, return_when=asyncio.FIRST_COMPLETED)
            if carrying.done() and not carrying.cancelled() and not carrying.exception():
                live.reason = live.reason or carrying.result()
            for task in (obeying, carrying, talking):
                task.cancel()

    async def _obey(self, live: Live, conversation: Conversation) -> None:
        while True:
            match await live.commands.get():
                case control.Speak(language):
                    self._speak(live, conversation, language)
                case control.Interrupt():
                    await conversation.interrupt()
                case control.HangUp():
                    live.end("hangup")
                case control.Ping():
                    pass  # Answered by its tongue.
                case command:
                    await obey(command, conversation)

    def _speak(self, live: Live, conversation: Conversation, language: str) -> None:
        try:
            conversation.speak_language(who_speaks(language, self._personas))
        except BadOffer as refusal:
            self._say(live, live.tongue.refuse(refusal.code, str(refusal)))

    def _take(self, live: Live, message: str | bytes) -> None:
        """A message of the client's, in the moment it comes."""
        self._say(live, live.tongue.take(message))

    def _say(self, live: Live, said: Said) -> None:
        for message in said.messages:
            live.attendance.send(self._fitting(live, message))
        for command in said.commands:
            if isinstance(command, Point):
                command = Mark(command.kind)
                live.seat.microphone.mark(command)
            if not live.commands.full():
                live.commands.put_nowait(command)
            else:
                self._say(live, live.tongue.refuse("too_many_messages", "messages come too fast"))

    def _fitting(self, live: Live, message: str) -> str:
        """What the caller's channel takes: of a message that is too long for it, word of that."""
        size, longest = len(message.encode()), live.attendance.peer.longest_message
        if not 0 < longest < size:
            return message
        why = f"an event of {size} bytes is not sent: the connection takes {longest}"
        return live.tongue.refuse("event_too_large", why).messages[0]

    # -- away and back --------------------------------------------------------------------------

    def _hold(self, live: Live) -> None:
        """Nobody listens: the agent keeps its words, and the caller's silence is not theirs."""
        live.seat.speaker.hold()
        if live.conversation is not None:
            live.conversation.hold()
        self._announce(live, CallerAway(at=_now()))

    def _release(self, live: Live, away: float) -> None:
        self._announce(live, CallerBack(at=_now(), away=away))
        if live.conversation is not None:
            live.conversation.release()
        live.seat.speaker.release()

    # -- telling --------------------------------------------------------------------------------

    def _observe(self, live: Live, event: Event) -> None:
        if isinstance(event, CallEnded):
            # Why it really ended may only be known out here: told when it is over.
            live.parting = event.reason
            return
        if isinstance(event, events.LoadChanged):
            live.seat.speaker.spare(is_spared=event.rung >= Rung.BRIEF)
        self._announce(live, event)

    def _announce(self, live: Live, event: Event) -> None:
        self._say(live, live.tongue.tell(event))
        for observe in self._observers:
            observe(live.seat.call_id, event)

    # -- ending ---------------------------------------------------------------------------------

    async def _part(self, live: Live, reason: str = "shutdown") -> None:
        """Say goodbye, if there is somebody to say it to and it does not take too long."""
        if live.conversation is None or live.task is None or live.attendance.is_away:
            return
        try:
            async with asyncio.timeout(self._settings.shutdown_grace):
                await live.conversation.farewell(reason)
                await asyncio.wait({live.task})
        except TimeoutError:
            return
        except Exception:
            # Of this call's, too: the others' goodbyes go on.
            log.exception("A bug cut the goodbye", extra={"call": live.seat.call_id})

    async def _close(self, live: Live) -> None:
        """Free the seat and everything it held, even when cancelled meanwhile."""
        live.seat.microphone.close()
        live.seat.speaker.close()
        live.is_closed = True
        try:
            await close_whole(live.attendance)
        finally:
            self._live.pop(live.seat.call_id, None)


def _now() -> float:
    return asyncio.get_running_loop().time()
