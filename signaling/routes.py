"""The HTTP surface: an offer in, an answer out; a call hung up; what the server is; the page.

Everything that goes wrong is answered as `{"error": {"code", "message"}}` with its status; `param`
is there, too, where one field is wrong.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from json import JSONDecodeError
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from aiohttp import StreamReader, web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, Field, ValidationError, model_validator

from signaling.access.guard import Guard
from signaling.access.roster import Grant
from signaling.errors import BadOffer, SignalingError
from signaling.ice import IceSettings
from signaling.realtime.config import SessionConfig

BODY_SECONDS = 30.0
"""For the whole body of a request: an offer by a slow mobile network takes a few."""
PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "media-src 'self' blob:",
        "connect-src 'self' http: https:",
        "worker-src 'self' blob:",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""The page loads nothing but from this server, and calls the servers that its user names."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The SDP that answers an offer, and the call's id.

    With `resume_token` the call can be gone on with by another offer, for `resume_within` seconds
    after its connection broke."""

    sdp: str
    call_id: str
    resume_token: str
    resume_within: float
    etag: str
    """Names the connection, for candidates that come later (WHIP)."""


class Switchboard(Protocol):
    """What lets calls in, goes on with them and ends them. All raise SignalingError."""

    async def answer(
        self, sdp: str, language: str | None, *, config: SessionConfig | None = None
    ) -> Answer: ...
    async def resume(self, sdp: str, call_id: str, token: str, received: int | None) -> Answer: ...
    async def hang_up(self, call_id: str) -> None: ...


class Offer(BaseModel, frozen=True):
    """The body of `POST /offer`. Fields not known here are left for newer servers."""

    sdp: Annotated[str, Field(min_length=1)]
    type: Literal["offer"] = "offer"
    language: str | None = None
    call_id: str | None = None
    """The call to go on with."""
    resume_token: str | None = None
    """What that call's answer brought."""
    received: Annotated[int, Field(ge=0)] | None = None
    """How many of that call's control messages have come; those after them are sent again."""

    @model_validator(mode="after")
    def _resume_whole(self) -> Offer:
        if (self.call_id is None) != (self.resume_token is None):
            raise ValueError("to go on in a call, send `call_id` and `resume_token`")
        return self


class Doors:
    """The routes, over a switchboard."""

    def __init__(
        self,
        switchboard: Switchboard,
        *,
        info: Callable[[], Mapping[str, Any]],
        static: Path,
        guard: Guard | None = None,
        ice: IceSettings | None = None,
    ) -> None:
        """`info`: what `GET /info` tells beside ICE servers; `static`: the folder of the page."""
        self._ice = ice or IceSettings()
        self._switchboard = switchboard
        self._guard = guard or Guard()
        self._info = info
        self._static = static

    def routes(self) -> list[web.AbstractRouteDef]:
        """For `Application.add_routes`."""
        return [
            web.post("/offer", self.offer),
            web.delete("/calls/{call_id}", self.hang_up),
            web.get("/info", self.info),
            web.get("/ice", self.ice),
            web.get("/", self.page),
            web.get("/static/{name:.+}", self.file),
        ]

    async def offer(self, request: web.Request) -> web.Response:
        """`{sdp, type: "offer", language?}` → `{sdp, type: "answer", call_id, resume_token,
        resume_within}`; with `call_id`, `resume_token` and `received?` it goes on in that call."""
        offer = await _read_offer(request)
        if offer.call_id is not None and offer.resume_token is not None:
            answer = await self._switchboard.resume(
                offer.sdp, offer.call_id, offer.resume_token, offer.received
            )
        else:
            secret = self._guard.grant(request).secret
            config = None if secret is None else secret.config
            with self._guard.starting(request) as place:
                answer = await self._switchboard.answer(offer.sdp, offer.language, config=config)
                self._guard.roster.begin(place, answer.call_id, answer.resume_token)
        # Who goes on in a call shows no key: what it needs of TURN is fresh all the same.
        servers = ice_servers(self._ice, Grant(), time.time())
        return web.json_response({"type": "answer", **asdict(answer), "ice_servers": servers})

    async def hang_up(self, request: web.Request) -> web.Response:
        """Ends the call; 204 when it is over."""
        await self._switchboard.hang_up(request.match_info["call_id"])
        return web.Response(status=204)

    async def info(self, request: web.Request) -> web.Response:
        """What a client wants to know before it calls."""
        servers = ice_servers(self._ice, self._guard.grant(request), time.time())
        return web.json_response({**self._info(), "ice_servers": servers})

    async def ice(self, request: web.Request) -> web.Response:
        """STUN and TURN servers, as `RTCPeerConnection` takes them, with credentials for a time:
        `{ice_servers, expires_in}`, the latter in seconds, null when none of them ends."""
        servers = ice_servers(self._ice, self._guard.grant(request), time.time())
        ttl = self._ice.turn.ttl if self._ice.turn.urls else None
        return web.json_response({"ice_servers": servers, "expires_in": ttl})

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The call page."""
        page = self._static / "index.html"
        if not page.is_file():
            raise web.HTTPNotFound(text="the page is not installed")
        return web.FileResponse(page)

    async def file(self, request: web.Request) -> web.StreamResponse:
        """A file of the page. aiohttp's own route answers a missing one without a word."""
        name = request.match_info["name"]
        try:
            path = (self._static / name).resolve()
            is_ours = path.is_relative_to(self._static.resolve()) and path.is_file()
        except (ValueError, OSError):  # A null byte, a name that is too long.
            is_ours = False
        if not is_ours:
            raise web.HTTPNotFound(text=f"there is no file {name[:128]!r} here")
        return web.FileResponse(path)


def ice_servers(ice: IceSettings, grant: Grant, now: float) -> list[dict[str, Any]]:
    """What a caller is told to use, in the browsers' form. `now`: seconds since 1970."""
    return [
        server.model_dump(exclude_defaults=True)
        for server in ice.servers_for(grant.key or "caller", now)
    ]


async def _read_offer(request: web.Request) -> Offer:
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(
            text=f"send application/json, not {request.content_type}"
        )
    try:
        body = await request.json()
    except (JSONDecodeError, UnicodeDecodeError, LookupError, RecursionError) as error:
        raise BadOffer("bad_json", f"the body is not JSON: {error}") from error
    try:
        return Offer.model_validate(body)
    except ValidationError as error:
        raise _bad_offer(error) from error


def _bad_offer(error: ValidationError) -> BadOffer:
    """The first thing that is wrong, in words."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if where == "sdp":
        return BadOffer("no_sdp", "the body needs `sdp`, the offer's text")
    if where == "type":
        return BadOffer("bad_type", '`type` must be "offer"')
    return BadOffer("bad_offer", f"{where or 'the body'}: {first['msg']}")


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers every expected failure in one form, and a body that does not come in time by 408."""
    late = asyncio.get_running_loop().call_later(BODY_SECONDS, _give_up, request.content)
    try:
        return await handler(request)
    except SignalingError as error:
        return _error(error.status, error.code, str(error), error.headers, error.param)
    except web.HTTPError as error:
        code = error.reason.lower().replace(" ", "_")
        told = {key: value for key, value in error.headers.items() if key in _TOLD}
        return _error(error.status, code, error.text or error.reason, told)
    except _BodyLate as error:
        return _unread(request, 408, "body_late", str(error))
    except web.RequestPayloadError as error:
        return _unread(request, 400, "bad_body", f"the body cannot be read: {error}")
    finally:
        late.cancel()


class _BodyLate(Exception):
    """The rest of a body is not waited for."""


def _give_up(body: StreamReader) -> None:
    if not body.is_eof():
        body.set_exception(_BodyLate(f"the body did not come within {BODY_SECONDS:g} seconds"))


def _unread(request: web.Request, status: int, code: str, message: str) -> web.Response:
    """For a body whose end never comes: aiohttp would wait for it."""
    request.content.feed_eof()
    answer = _error(status, code, message, {})
    answer.force_close()
    return answer


_TOLD = ("Allow", "Accept-Patch")
"""Headers of a refusal that say what would be taken."""


def _error(
    status: int, code: str, message: str, headers: Mapping[str, str], param: str | None = None
) -> web.Response:
    wrong = {"code": code, "message": message}
    body = {"error": wrong if param is None else {**wrong, "param": param}}
    return web.json_response(body, status=status, headers=headers)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Caching and policy of the page and its files; no answer is kept. For on_response_prepare."""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    if request.path == "/" or request.path.startswith("/static/"):
        # Asked about each time, answered 304: the page is never older than the server.
        response.headers.setdefault("Cache-Control", "no-cache")
        response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        response.headers.setdefault("Permissions-Policy", "microphone=(self), camera=()")
    else:
        response.headers.setdefault("Cache-Control", "no-store")
