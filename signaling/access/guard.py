"""The middleware that every request passes: a request in, its `Grant` or a refusal out.

Closed unless opened: a route asks for a key unless it is named here, and one with a `call_id` in
its path is open to that call's caller alone. So a new route is guarded before anyone thinks of it.

    nothing                        the page and its files, whether the server is up
    the door decides               POST /offer: a call that is gone on with has a token of its own
    any key or client secret       calls, /info, /ice
    an API key                     client secrets, /metrics
    the call's own key, client
    secret or resume token         whatever has the call's id in its path
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from signaling.access import origins
from signaling.access.addresses import Proxies
from signaling.access.keys import Keys
from signaling.access.origins import Origins
from signaling.access.roster import Grant, Place, Roster
from signaling.access.settings import AccessSettings, LimitSettings
from signaling.errors import Forbidden, SignalingError, Unauthorized
from signaling.realtime.secrets import PREFIX as SECRET
from signaling.realtime.secrets import ClientSecrets, digest

log = logging.getLogger(__name__)

KEY_PROTOCOL = "openai-insecure-api-key."
"""A browser can't set headers on a socket: its key comes as the name of a subprotocol."""

PUBLIC = frozenset({"/", "/static/{name}", "/healthz", "/readyz", "/openapi.json"})
"""Routes that are told to anyone."""
DOOR_DECIDES = frozenset({"/offer"})
"""Routes whose handler asks for the grant itself, by `Guard.starting`."""
WHOLE_KEY = frozenset({"/metrics", "/v1/realtime/client_secrets", "/v1/realtime/sessions"})
"""Routes that a client secret does not open."""

GRANT = web.RequestKey("grant", Grant)
DENIED = web.RequestKey("denied", SignalingError)


class Guard:
    """Knows every key, client secret and live call."""

    def __init__(
        self,
        access: AccessSettings | None = None,
        limits: LimitSettings | None = None,
        *,
        is_required: bool = False,
        keys: Keys | None = None,
        secrets: ClientSecrets | None = None,
    ) -> None:
        """`is_required`: whether a key is asked for, which `access.required` and where the server
        listens decide."""
        access = access or AccessSettings()
        self.is_required = is_required
        self.secrets = secrets or ClientSecrets()
        self.roster = Roster(limits)
        self._keys = keys or Keys()
        self._proxies = Proxies(access.trusted_proxies)
        self._origins = Origins(access.origins, access.hosts)
        self._is_open_by_itself = access.required == "auto" and not is_required

    # -- for the doors --------------------------------------------------------------------------

    def grant(self, request: web.Request) -> Grant:
        """Who asks. Raises Unauthorized where the door decides, and nobody is known."""
        denied = request.get(DENIED)
        if denied is not None:
            raise denied
        return request.get(GRANT) or Grant()

    @contextmanager
    def starting(self, request: web.Request) -> Iterator[Place]:
        """A place for a call that begins; see `Roster`. Raises Unauthorized, TooManyCalls."""
        grant = self.grant(request)
        self._holder(credential(request))  # Of several over a connection, a later one.
        with self.roster.starting(grant) as place:
            yield place

    # -- for the application --------------------------------------------------------------------

    def middleware(self) -> Middleware:
        """For `web.Application(middlewares=...)`, inside of what answers SignalingErrors."""

        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            if origins.is_preflight(request):
                return self._preflight(request)
            if _canonical(request) not in PUBLIC:
                self._judge(request)
            return await handler(request)

        return guarded

    async def admit(self, request: web.Request, response: web.StreamResponse) -> None:
        """Lets pages of listed sites read the answer, errors too. For `on_response_prepare`."""
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and self._origins.is_listed(origin):
            origins.admit(origin, response)

    # -- judging --------------------------------------------------------------------------------

    def _preflight(self, request: web.Request) -> web.Response:
        origin = request.headers[hdrs.ORIGIN]
        if not self._origins.are_welcome(origin, self._proxies.host(request)):
            raise _foreign(origin)
        return origins.preflight()

    def _judge(self, request: web.Request) -> None:
        """Note the request's grant. Raises Unauthorized, Forbidden."""
        try:
            grant = replace(self._identify(request), address=self._proxies.client(request))
        except Unauthorized as error:
            if _canonical(request) not in DOOR_DECIDES:
                log.info("Access refused", extra=_facts(request, self._proxies, error))
                raise
            request[DENIED] = error
            return
        if not grant.key and grant.secret is None:
            self._check_origin(request)
        if _canonical(request) in WHOLE_KEY and not grant.is_whole:
            raise Forbidden("needs_key", "a client secret is not good for this: send an API key")
        request[GRANT] = grant

    def _identify(self, request: web.Request) -> Grant:
        presented = credential(request)
        call_id = request.match_info.get("call_id")
        if call_id is not None:
            return self._of_call(call_id, presented)
        return self._holder(presented)

    def _holder(self, presented: str) -> Grant:
        """Who has this key or client secret. Raises Unauthorized."""
        if presented.startswith(SECRET):
            secret = self.secrets.find(presented)
            if secret is None or (secret.key and secret.key not in self._keys.names):
                raise Unauthorized("bad_secret", "the client secret is unknown or has expired")
            return Grant(key=secret.key, secret=secret)
        name = self._keys.find(presented) if presented else None
        if name is not None:
            return Grant(key=name)
        if not self.is_required:
            return Grant()
        if not presented:
            raise Unauthorized("no_key", "send a key: `Authorization: Bearer KEY`")
        raise Unauthorized("bad_key", "the key is not one of this server's")

    def _of_call(self, call_id: str, presented: str) -> Grant:
        """Who wants something of a call. Raises Unauthorized, Forbidden.

        A client secret whose time is over begins nothing, but the call that it began stays its."""
        theirs = self.roster.grant_of(call_id)
        if theirs is not None:
            if self.roster.is_token(call_id, presented):
                return theirs
            if theirs.secret is not None and theirs.secret.digest == digest(presented):
                return theirs
        grant = self._holder(presented)
        is_nobodys = not self.is_required and grant.is_whole
        is_payers = theirs is not None and grant.is_whole and grant.key == theirs.key
        if theirs is not None and not (is_nobodys or is_payers):
            raise Forbidden("not_your_call", "this call was made with another key")
        return grant

    def _check_origin(self, request: web.Request) -> None:
        """Raises Forbidden for what another site's page, or another site's name, brought.

        Not asked of who shows a key: no browser adds one by itself."""
        host = self._proxies.host(request)
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and not self._origins.are_welcome(origin, host):
            raise _foreign(origin)
        if not self._is_open_by_itself:
            return
        if self._proxies.is_forwarded(request):
            raise Forbidden(
                "behind_a_proxy",
                "this came through a proxy, and the server asks for no key: make one (run.py keys "
                "add) and set access.trusted_proxies, or set access.required = false",
            )
        if not self._origins.is_own(host):
            raise Forbidden(
                "unknown_host",
                f"{host[:128]!r} is not known as a name of this server: add it to access.hosts",
            )


def credential(request: web.BaseRequest) -> str:
    """The key that comes with a request; empty when none does. Bytes of it that are no text, of
    which aiohttp makes halves of surrogate pairs, are question marks: no key has any."""
    kind, _, value = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip().encode(errors="replace").decode()
    for name in request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(","):
        if name.strip().startswith(KEY_PROTOCOL):
            return name.strip().removeprefix(KEY_PROTOCOL)
    return ""


def _canonical(request: web.Request) -> str:
    """The route's path as it was declared; empty where there is no route, which is answered 404."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else ""


def _foreign(origin: str) -> Forbidden:
    return Forbidden(
        "foreign_origin",
        f"pages of {origin[:128]!r} may not call this server: add the site to access.origins",
    )


def _facts(request: web.Request, proxies: Proxies, error: SignalingError) -> dict[str, str]:
    return {"address": proxies.client(request), "path": request.path, "code": error.code}
