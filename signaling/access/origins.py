"""Which sites' pages may call: CORS, and what CORS leaves open.

A browser asks before it sends another site's request (preflight), and hides the answer of one it
did not ask for. It does neither for a WebSocket, nor does it keep simple requests from being sent,
so requests of other sites' pages are refused here, too. A name that a site had pointed at this
machine (DNS rebinding) makes its pages look like ours: while no key is asked for, the server
answers to its own names only.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from signaling.access.addresses import parse
from signaling.headers import RESUME_TOKEN, RESUME_WITHIN

METHODS = "GET, POST, PATCH, DELETE, OPTIONS"
REQUEST_HEADERS = "Authorization, Content-Type, X-OpenAI-Agents-SDK, If-Match, *"
"""Those that are needed, and any other: each of OpenAI's SDKs adds some of its own (X-Stainless-…,
OpenAI-Beta), and none means anything here. The star does not stand for Authorization."""
EXPOSED = f"Location, ETag, Link, Retry-After, {RESUME_TOKEN}, {RESUME_WITHIN}"
MAX_AGE = "600"
"""Seconds that a browser remembers a preflight."""


class Origins:
    """The sites that are let in beside the server's own page."""

    def __init__(self, listed: Sequence[str] = (), hosts: Sequence[str] = ()) -> None:
        self._listed = frozenset(listed)
        self._hosts = frozenset(hosts)

    def are_welcome(self, origin: str, host: str) -> bool:
        """Whether pages of `origin` may call the server that they know as `host`."""
        return self.is_listed(origin) or _netloc(origin) == host

    def is_listed(self, origin: str) -> bool:
        """Whether pages of this site may read the answers."""
        return bool(self._listed & {origin, "*"})

    def is_own(self, host: str) -> bool:
        """Whether `host` names this machine, and is no name that anybody may have given it."""
        if self._hosts & {host, "*"} or parse(host) is not None:
            return True
        name = host.lower().rpartition(":")[0] or host.lower()
        return name == "localhost" or name.endswith(".localhost") or name in self._hosts


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def is_preflight(request: web.BaseRequest) -> bool:
    """Whether a browser asks if it may send another site's request."""
    return (
        request.method == hdrs.METH_OPTIONS
        and hdrs.ORIGIN in request.headers
        and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
    )


def preflight() -> web.Response:
    """What a browser is told of the requests that it may send; `admit` names the site."""
    return web.Response(
        status=204,
        headers={
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: METHODS,
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: REQUEST_HEADERS,
            hdrs.ACCESS_CONTROL_MAX_AGE: MAX_AGE,
        },
    )


def admit(origin: str, response: web.StreamResponse) -> None:
    """Let the site's page read the response. No cookie is ever used, so none is allowed for."""
    response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
    response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = EXPOSED
    response.headers.add(hdrs.VARY, hdrs.ORIGIN)
