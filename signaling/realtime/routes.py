"""The Realtime protocol's HTTP surface: sockets, calls over WebRTC, client secrets.

A browser's request from another site's page is refused: these routes need no key by default, and
no page that happens to be open may make calls on its reader's machine.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from json import JSONDecodeError
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from pydantic import BaseModel, Field, ValidationError

from signaling.errors import SignalingError
from signaling.realtime.client import MAX_MESSAGE
from signaling.realtime.config import SessionConfig
from signaling.realtime.refusal import Refused, invalid
from signaling.realtime.secrets import PREFIX, ClientSecrets
from signaling.realtime.session import House, Session, default_config

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
    def place(self) -> AbstractContextManager[str]: ...
    async def converse(
        self, call_id: str, socket: web.WebSocketResponse, session: Session
    ) -> None: ...


class _ExpiresAfter(BaseModel, frozen=True):
    anchor: Literal["created_at"] = "created_at"
    seconds: int = Field(default=600, ge=10, le=7200)


class _SecretRequest(BaseModel, frozen=True):
    session: dict[str, Any] = {}
    expires_after: _ExpiresAfter = _ExpiresAfter()


class RealtimeDoors:
    """The routes, over what holds the calls."""

    def __init__(self, sockets: SocketBoard, *, secrets: ClientSecrets | None = None) -> None:
        self._sockets = sockets
        self._secrets = secrets or ClientSecrets()

    def routes(self) -> list[web.AbstractRouteDef]:
        """For `Application.add_routes`."""
        return [
            web.get("/v1/realtime", self.socket),
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

    async def client_secret(self, request: web.Request) -> web.Response:
        """`{session?, expires_after?}` → `{value, expires_at, session}`."""
        self._configuration(request)
        wanted = await _read(request)
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


async def _read(request: web.Request) -> _SecretRequest:
    try:
        body = await request.json() if request.can_read_body else {}
    except (JSONDecodeError, UnicodeDecodeError, LookupError, RecursionError) as error:
        raise Refused("invalid_json", f"the body is not JSON: {error}") from error
    try:
        return _SecretRequest.model_validate(body)
    except ValidationError as error:
        raise invalid(error) from error
