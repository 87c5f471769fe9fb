"""The Realtime protocol's HTTP surface: sockets, calls over WebRTC, client secrets.

Who may come in is decided before (signaling/access); a client secret brings the configuration that
its session begins with.
"""

from __future__ import annotations

import re
import time
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Literal, Protocol, TypeVar

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict
from pydantic import BaseModel, Field, ValidationError

from signaling.access.guard import Guard, credential
from signaling.access.roster import Place, RateLimits
from signaling.binary.mux import PROTOCOL as BINARY
from signaling.binary.mux import BinaryPort, Mux
from signaling.errors import BadOffer, CallUnknown, SignalingError
from signaling.headers import RESUME_TOKEN, RESUME_WITHIN
from signaling.ice import IceSettings
from signaling.realtime.client import MAX_MESSAGE
from signaling.realtime.config import SessionConfig, default_config
from signaling.realtime.port import JsonPort, Port
from signaling.realtime.refusal import Refused, invalid
from signaling.realtime.session import House, Session
from signaling.realtime.strict_json import read
from signaling.routes import Answer, ice_servers
from signaling.whip import links

PROTOCOL = "realtime"
OPUS = {"type": "audio/opus", "rate": 48_000}
SIP = ("accept", "refer", "reject")
"""What the protocol has for calls that come by telephone."""
HEARTBEAT = 20.0
"""Seconds between two pings; a socket that answers none is dead."""


class NoTelephone(SignalingError):
    """Something is asked of a call that only a telephone's can be asked."""

    status = 409

    def __init__(self, verb: str) -> None:
        super().__init__(
            "not_a_telephone_call",
            f"this call is answered already, and no telephone's: there is nothing to {verb};"
            " to end it, POST to its /hangup",
        )


class SocketBoard(Protocol):
    """What holds calls over sockets. `place` raises SignalingError."""

    @property
    def house(self) -> House: ...
    def hang_up(self, call_id: str) -> bool: ...
    def knows(self, call_id: str) -> bool: ...
    def place(self) -> AbstractContextManager[str]: ...
    async def converse(self, call_id: str, port: Port, session: Session) -> None: ...


class Switchboard(Protocol):
    """What holds calls over WebRTC. All raise SignalingError."""

    def __contains__(self, call_id: object) -> bool: ...

    async def answer(
        self, sdp: str, language: str | None, session: Session | None = None
    ) -> Answer: ...
    async def resume(self, sdp: str, call_id: str, token: str, received: int | None) -> Answer: ...
    async def hang_up(self, call_id: str) -> None: ...


class _ExpiresAfter(BaseModel, frozen=True):
    anchor: Literal["created_at"] = "created_at"
    seconds: int = Field(default=600, ge=10, le=7200)


class _SecretRequest(BaseModel, frozen=True):
    session: dict[str, Any] = {}
    expires_after: _ExpiresAfter = _ExpiresAfter()


class _LegacySession(BaseModel, frozen=True, extra="ignore"):
    model: str | None = None
    voice: str | None = None
    instructions: str | None = None


Body = TypeVar("Body", bound=BaseModel)


class RealtimeDoors:
    """The routes, over what holds the calls."""

    def __init__(
        self,
        sockets: SocketBoard,
        calls: Switchboard,
        *,
        guard: Guard | None = None,
        ice: IceSettings | None = None,
        max_message: int = MAX_MESSAGE,
    ) -> None:
        """`max_message`: bytes of a message over a socket."""
        self._sockets = sockets
        self._calls = calls
        self._house = replace(sockets.house, transport="webrtc")
        self._guard = guard or Guard()
        self._ice = ice or IceSettings()
        self._max_message = max_message

    def routes(self) -> list[web.AbstractRouteDef]:
        """For `Application.add_routes`."""
        return [
            web.get("/v1/realtime", self.socket),
            web.post("/v1/realtime", self.call),
            web.post("/v1/realtime/calls", self.call),
            web.post("/v1/realtime/calls/{call_id}/resume", self.resume),
            web.post("/v1/realtime/calls/{call_id}/hangup", self.hang_up),
            web.delete("/v1/realtime/calls/{call_id}", self.hang_up),
            *(web.post(f"/v1/realtime/calls/{{call_id}}/{verb}", self.telephony) for verb in SIP),
            web.post("/v1/realtime/sessions", self.legacy_session),
            web.post("/v1/realtime/client_secrets", self.client_secret),
        ]

    async def socket(self, request: web.Request) -> web.StreamResponse:
        """`GET /v1/realtime?model=`: a call over a WebSocket; several by the subprotocol BINARY."""
        is_binary = BINARY in request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "")
        socket = web.WebSocketResponse(
            protocols=(BINARY if is_binary else PROTOCOL,),
            heartbeat=HEARTBEAT,
            max_msg_size=self._max_message,
            compress=not is_binary,  # there each message is packed where that saves something
        )
        if is_binary:
            await socket.prepare(request)
            await Mux(socket, lambda port, wanted: self._join(request, port, wanted)).run()
            return socket
        session = Session(self._sockets.house, self._configuration(request), self._limits(request))
        with self._guard.starting(request) as place, self._sockets.place() as call_id:
            await socket.prepare(request)
            await self._converse(place, call_id, JsonPort(socket), session)
        return socket

    async def _join(self, request: web.Request, port: BinaryPort, wanted: dict[str, Any]) -> None:
        """One of several calls over a connection. Raises SignalingError, Refused."""
        audio = {"input": {"format": OPUS}, "output": {"format": OPUS}}
        config = self._configuration(request).updated({"audio": audio}).updated(wanted)
        session = Session(self._sockets.house, config, self._limits(request))
        with self._guard.starting(request) as place, self._sockets.place() as call_id:
            await port.opened(call_id)
            await self._converse(place, call_id, port, session)

    async def _converse(self, place: Place, call_id: str, port: Port, session: Session) -> None:
        self._guard.roster.begin(place, call_id)
        try:
            await self._sockets.converse(call_id, port, session)
        finally:
            self._guard.roster.end(call_id)

    async def call(self, request: web.Request) -> web.Response:
        """An offer, as SDP or as a form of `sdp` and `session` → 201, the answer, its Location."""
        config = self._configuration(request)
        sdp, changes = await _read_offer(request)
        config = config.updated(changes) if changes else config
        session = Session(self._house, config, self._limits(request))
        with self._guard.starting(request) as place:
            answer = await self._calls.answer(sdp, None, session)
            self._guard.roster.begin(place, answer.call_id, answer.resume_token)
        return _answered(answer, self._links(request), status=201)

    async def resume(self, request: web.Request) -> web.Response:
        """Goes on in a call by another offer → 200 and the answer. `Authorization: Bearer` is the
        resume token; `?received=` counts the events that have come: those after are sent again."""
        received = request.query.get("received")
        if received is not None and not _COUNT.fullmatch(received):
            raise Refused("invalid_value", "received is a count of events", param="received")
        sdp, _ = await _read_offer(request)
        count = None if received is None else int(received)
        call_id, token = request.match_info["call_id"], credential(request)
        answer = await self._calls.resume(sdp, call_id, token, count)
        return _answered(answer, self._links(request), status=200)

    async def hang_up(self, request: web.Request) -> web.Response:
        """Ends a call over WebRTC or a socket; 200 when it is over."""
        call_id = request.match_info["call_id"]
        if not self._sockets.hang_up(call_id):
            await self._calls.hang_up(call_id)
        return web.Response()

    async def telephony(self, request: web.Request) -> web.Response:
        """What is asked of a telephone call that rings: calls here are answered as they come."""
        call_id = request.match_info["call_id"]
        if not (self._sockets.knows(call_id) or call_id in self._calls):
            raise CallUnknown(call_id)
        verb = request.path.rsplit("/", 1)[-1]
        raise NoTelephone(verb)

    async def legacy_session(self, request: web.Request) -> web.Response:
        """What older clients ask for a secret: `{model?, voice?, instructions?}`."""
        wanted = await _read(request, _LegacySession)
        voice = {"audio": {"output": {"voice": wanted.voice}}} if wanted.voice else {}
        named = {"model": wanted.model, "instructions": wanted.instructions}
        config = self._default().updated({**named, **voice})
        session = Session(self._sockets.house, config)
        told = self._mint(request, config, _ExpiresAfter().seconds)
        return web.json_response({**session.render(), "client_secret": told})

    async def client_secret(self, request: web.Request) -> web.Response:
        """`{session?, expires_after?}` → `{value, expires_at, session}`."""
        wanted = await _read(request, _SecretRequest)
        config = self._default().updated(wanted.session)
        session = Session(self._sockets.house, config)
        told = self._mint(request, config, wanted.expires_after.seconds)
        return web.json_response({**told, "session": session.render()})

    # -- who asks -------------------------------------------------------------------------------

    def _limits(self, request: web.Request) -> RateLimits:
        grant, roster = self._guard.grant(request), self._guard.roster
        return lambda: roster.left(grant)

    def _mint(self, request: web.Request, config: SessionConfig, seconds: int) -> dict[str, Any]:
        key = self._guard.grant(request).key
        value, secret = self._guard.secrets.mint(config, seconds, key=key)
        return {"value": value, "expires_at": secret.expires_at}

    def _links(self, request: web.Request) -> list[str]:
        return links(ice_servers(self._ice, self._guard.grant(request), time.time()))

    def _configuration(self, request: web.Request) -> SessionConfig:
        """The configuration that the client begins with."""
        secret = self._guard.grant(request).secret
        config = secret.config if secret is not None else self._default()
        model = request.query.get("model")
        return config.model_copy(update={"model": model[:128]}) if model else config

    def _default(self) -> SessionConfig:
        house = self._sockets.house
        return default_config(house.personas[house.language])


_COUNT = re.compile("[0-9]{1,9}")


def _answered(answer: Answer, ice: list[str], *, status: int) -> web.Response:
    """`ice`: the servers to use, as values of `Link` headers."""
    headers = CIMultiDict(
        {
            hdrs.LOCATION: f"/v1/realtime/calls/{answer.call_id}",
            hdrs.ETAG: answer.etag,
            RESUME_TOKEN: answer.resume_token,
            RESUME_WITHIN: f"{answer.resume_within:g}",
        }
    )
    for link in ice:
        headers.add(hdrs.LINK, link)
    return web.Response(
        status=status, text=answer.sdp, content_type="application/sdp", headers=headers
    )


async def _read_offer(request: web.Request) -> tuple[str, dict[str, Any]]:
    """The SDP, and what a form says of the session besides."""
    if request.content_type == "application/sdp":
        return await _text(request), {}
    if request.content_type != "multipart/form-data":
        raise web.HTTPUnsupportedMediaType(
            text=f"send application/sdp or multipart/form-data, not {request.content_type}"
        )
    try:
        form = await request.post()
    except (ValueError, AssertionError, LookupError, HttpProcessingError) as error:
        raise BadOffer("bad_form", f"the form cannot be read: {error}") from error
    sdp, session = _part(form.get("sdp")), _part(form.get("session"))
    if not sdp:
        raise BadOffer("no_sdp", "the form needs a part `sdp`, the offer's text")
    changes = read(session) if session else {}
    if not isinstance(changes, dict):
        raise Refused("invalid_type", "session is an object", param="session")
    return sdp, changes


async def _text(request: web.Request) -> str:
    try:
        return await request.text()
    except (UnicodeDecodeError, LookupError) as error:
        raise BadOffer("bad_sdp", f"the SDP is no text: {error}") from error


def _part(part: object) -> str:
    """A part without a file name comes as text, or as bytes when it has a content type."""
    if isinstance(part, web.FileField):
        part = part.file.read()
    if isinstance(part, bytes | bytearray):
        return bytes(part).decode(errors="replace")
    return part if isinstance(part, str) else ""


async def _read(request: web.Request, shape: type[Body]) -> Body:
    body = read(await _text(request)) if request.can_read_body else {}
    try:
        return shape.model_validate(body)
    except ValidationError as error:
        raise invalid(error, body) from error
