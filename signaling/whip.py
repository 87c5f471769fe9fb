"""WHIP (RFC 9725) on the Realtime calls' routes: what a call is posted to takes candidates, too.

`POST` and `DELETE` are the Realtime protocol's own; its answer brings `Location`, `ETag` and the
ICE servers as `Link`s. Here is the rest: `PATCH` with candidates that came after the offer, and
`OPTIONS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from aiohttp import hdrs, web

from signaling.errors import BadOffer, SignalingError
from signaling.trickle import MEDIA_TYPE, Fragment, parse

CALLS = "/v1/realtime/calls"
CALL = "/v1/realtime/calls/{call_id}"


class EtagNeeded(SignalingError):
    """A fragment that does not say for which connection it is."""

    status = 428

    def __init__(self) -> None:
        super().__init__("no_etag", "send If-Match with the ETag that the answer brought")


class Switchboard(Protocol):
    """What holds the calls. Raises SignalingError."""

    async def trickle(self, call_id: str, fragment: Fragment, etag: str) -> None: ...


class WhipDoors:
    """The routes, over what holds the calls."""

    def __init__(self, calls: Switchboard) -> None:
        self._calls = calls

    def routes(self) -> list[web.AbstractRouteDef]:
        """For `Application.add_routes`."""
        return [
            web.options(CALLS, self.options),
            web.options(CALL, self.options_of_call),
            web.patch(CALL, self.patch),
        ]

    async def options(self, request: web.Request) -> web.Response:
        """204, and what a call is posted as."""
        return web.Response(status=204, headers={"Accept-Post": "application/sdp"})

    async def options_of_call(self, request: web.Request) -> web.Response:
        """204, and what a call is patched with."""
        return web.Response(status=204, headers={"Accept-Patch": MEDIA_TYPE})

    async def patch(self, request: web.Request) -> web.Response:
        """Candidates for the connection that `If-Match` names; 204 when they are tried.

        412 for another connection's, 422 for an ICE restart: the client posts anew."""
        if request.content_type != MEDIA_TYPE:
            raise web.HTTPUnsupportedMediaType(
                text=f"send {MEDIA_TYPE}, not {request.content_type}",
                headers={"Accept-Patch": MEDIA_TYPE},
            )
        etag = request.headers.get(hdrs.IF_MATCH, "").strip()
        if not etag:
            raise EtagNeeded
        try:
            text = await request.text()
        except (UnicodeDecodeError, LookupError) as error:
            raise BadOffer("bad_fragment", f"the fragment is no text: {error}") from error
        await self._calls.trickle(request.match_info["call_id"], parse(text), etag)
        return web.Response(status=204)


def links(servers: Sequence[Mapping[str, Any]]) -> list[str]:
    """ICE servers, as browsers write them, as values of `Link` headers (RFC 9725, 4.6)."""
    return [_link(url, server) for server in servers for url in server["urls"]]


def _link(url: str, server: Mapping[str, Any]) -> str:
    link = f'<{url}>; rel="ice-server"'
    if server.get("username"):
        link += f'; username="{_quoted(server["username"])}"'
        link += f'; credential="{_quoted(server["credential"])}"; credential-type="password"'
    return link


def _quoted(text: str) -> str:
    """What may stand between quotes (RFC 9110, 5.6.4)."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
