"""The Realtime protocol's HTTP surface: sockets, calls over WebRTC, client secrets.

A browser's request from another site's page is refused: these routes need no key by default, and
no page that happens to be open may make calls on its reader's machine.
"""

from __future__ import annotations

import json
import re
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Literal, Protocol, TypeVar
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from pydantic import BaseModel, Field, ValidationError

from signaling.errors import BadOffer, SignalingError
from signaling.realtime.client import MAX_MESSAGE
from signaling.realtime.config import SessionConfig
from signaling.realtime.refusal import Refused, invalid
from signaling.realtime.secrets import PREFIX, ClientSecrets
from signaling.realtime.session import House, Session, default_config
from signaling.routes import Answer

RESUME_TOKEN = "Chuimsae-Resume-Token"
RESUME_WITHIN = "Chuimsae-Resume-Within"
"""What an answer brings for the day on which the caller's network changes: the key to the call, and
for how many seconds it is kept."""
READABLE = ", ".join((hdrs.LOCATION, hdrs.RETRY_AFTER, RESUME_TOKEN, RESUME_WITHIN))
"""Headers that a page of another site may read."""

PROTOCOL = "realtime"
KEY_PROTOCOL = "openai-insecure-api-key."
"""A browser can't set headers on a socket: its key comes as the name of a subprotocol."""
HEARTBEAT = 20.0
"""Seconds between two pings; a socket that answers none is dead."""


class Unauthorized(SignalingError):
    """The key is not good."""

    status = 401


class Forbidden(SignalingError):
    """Another site's page asks."""

    status = 403


class SocketBoard(Protocol):
    """What holds calls over sockets. `place` raises SignalingError."""

    @property
    def house(self) -> House: ...
    def hang_up(self, call_id: str) -> bool: ...
    def place(self) -> AbstractContextManager[str]: ...
    async def converse(
        self, call_id: str, socket: web.WebSocketResponse, session: Session
    ) -> None: ...


class Switchboard(Protocol):
    """What holds calls over WebRTC. All raise SignalingError."""

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
        self, sockets: SocketBoard, calls: Switchboard, *, secrets: ClientSecrets | None = None
    ) -> None:
        self._sockets = sockets
        self._calls = calls
        self._house = replace(sockets.house, transport="webrtc")
        self._secrets = secrets or ClientSecrets()

    def routes(self) -> list[web.AbstractRouteDef]:
        """For `Application.add_routes`."""
        return [
            web.get("/v1/realtime", self.socket),
            web.post("/v1/realtime", self.call),
            web.post("/v1/realtime/calls", self.call),
            web.post("/v1/realtime/calls/{call_id}/resume", self.resume),
            web.post("/v1/realtime/calls/{call_id}/hangup", self.hang_up),
            web.delete("/v1/realtime/calls/{call_id}", self.hang_up),
            web.post("/v1/realtime/sessions", self.legacy_session),
            web.post("/v1/realtime/client_secrets", self.client_secret),
        ]

    async def socket(self, request: web.Request) -> web.StreamResponse:
        """`GET /v1/realtime?model=`: a call over a WebSocket."""
        session = Session(self._sockets.house, self._configuration(request))
        with self._sockets.place() as call_id:
            socket = web.WebSocketResponse(
                protocols=(PROTOCOL,), heartbeat=HEARTBEAT, max_msg_size=MAX_MESSAGE
            )
            await socket.prepare(request)
            await self._sockets.converse(call_id, socket, session)
        return socket

    async def call(self, request: web.Request) -> web.Response:
        """An offer, as SDP or as a form of `sdp` and `session` → 201, the answer, its Location."""
        config = self._configuration(request)
        sdp, changes = await _read_offer(request)
        session = Session(self._house, config.updated(changes) if changes else config)
        return _answered(await self._calls.answer(sdp, None, session), status=201)

    async def resume(self, request: web.Request) -> web.Response:
        """Goes on in a call by another offer → 200 and the answer. `Authorization: Bearer` is the
        resume token; `?received=` counts the events that have come: those after are sent again."""
        _check_origin(request)
        received = request.query.get("received")
        if received is not None and not _COUNT.fullmatch(received):
            raise Refused("invalid_value", "received is a count of events", param="received")
        sdp, _ = await _read_offer(request)
        count = None if received is None else int(received)
        call_id = request.match_info["call_id"]
        return _answered(await self._calls.resume(sdp, call_id, _key(request), count), status=200)

    async def hang_up(self, request: web.Request) -> web.Response:
        """Ends a call over WebRTC or a socket; 200 when it is over."""
        self._configuration(request)
        call_id = request.match_info["call_id"]
        if not self._sockets.hang_up(call_id):
            await self._calls.hang_up(call_id)
        return web.Response()

    async def legacy_session(self, request: web.Request) -> web.Response:
        """What older clients ask for a secret: `{model?, voice?, instructions?}`."""
        self._configuration(request)
        wanted = await _read(request, _LegacySession)
        voice = {"audio": {"output": {"voice": wanted.voice}}} if wanted.voice else {}
        named = {"model": wanted.model, "instructions": wanted.instructions}
        config = self._default().updated({**named, **voice})
        session = Session(self._sockets.house, config)
        secret = self._secrets.mint(config, _ExpiresAfter().seconds)
        told = {"value": secret.value, "expires_at": secret.expires_at}
        return web.json_response({**session.render(), "client_secret": told})

    async def client_secret(self, request: web.Request) -> web.Response:
        """`{session?, expires_after?}` → `{value, expires_at, session}`."""
        self._configuration(request)
        wanted = await _read(request, _SecretRequest)
        config = self._default().updated(wanted.session)
        session = Session(self._sockets.house, config)
        secret = self._secrets.mint(config, wanted.expires_after.seconds)
        told = {"value": secret.value, "expires_at": secret.expires_at}
        return web.json_response({**told, "session": session.render()})

    # -- who asks -------------------------------------------------------------------------------

    def _configuration(self, request: web.Request) -> SessionConfig:
        """The configuration that the client begins with. Raises Unauthorized, Forbidden."""
        _check_origin(request)
        key = _key(request)
        config = self._default()
        if key.startswith(PREFIX):
            secret = self._secrets.find(key)
            if secret is None:
                raise Unauthorized("invalid_api_key", "the client secret is unknown or has expired")
            config = secret.config
        model = request.query.get("model")
        return config.model_copy(update={"model": model[:128]}) if model else config

    def _default(self) -> SessionConfig:
        house = self._sockets.house
        return default_config(house.personas[house.language])


_COUNT = re.compile("[0-9]{1,9}")


def _answered(answer: Answer, *, status: int) -> web.Response:
    headers = {
        hdrs.LOCATION: f"/v1/realtime/calls/{answer.call_id}",
        RESUME_TOKEN: answer.resume_token,
        RESUME_WITHIN: f"{answer.resume_within:g}",
        hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: READABLE,
    }
    return web.Response(
        status=status, text=answer.sdp, content_type="application/sdp", headers=headers
    )


def _check_origin(request: web.Request) -> None:
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise Forbidden("foreign_origin", f"pages of {origin[:128]!r} may not call this server")


def _key(request: web.Request) -> str:
    """The key that comes with a request; empty when none does."""
    kind, _, value = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    for name in request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(","):
        if name.strip().startswith(KEY_PROTOCOL):
            return name.strip().removeprefix(KEY_PROTOCOL)
    return ""


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
    except (ValueError, AssertionError, LookupError) as error:
        raise BadOffer("bad_form", f"the form cannot be read: {error}") from error
    sdp, session = _part(form.get("sdp")), _part(form.get("session"))
    if not sdp:
        raise BadOffer("no_sdp", "the form needs a part `sdp`, the offer's text")
    changes = _json(session) if session else {}
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
    body = _json(await _text(request)) if request.can_read_body else {}
    try:
        return shape.model_validate(body)
    except ValidationError as error:
        raise invalid(error) from error


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused("invalid_json", f"this is not JSON: {error}") from error
