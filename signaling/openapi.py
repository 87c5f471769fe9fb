"""What the HTTP doors take and give, as an OpenAPI document: `GET /openapi.json`.

WebSockets and data channels have no place in OpenAPI: docs/realtime.md tells what is said there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from signaling.headers import RESUME_TOKEN, RESUME_WITHIN
from signaling.realtime.routes import SIP
from signaling.routes import Offer
from signaling.trickle import MEDIA_TYPE
from signaling.whip import CALL, CALLS

Json = dict[str, Any]

SDP = "application/sdp"
JSON = "application/json"

_TEXT: Json = {"type": "string"}
_REFUSALS = {
    400: "What was sent cannot be used; the message names what is wrong.",
    401: "No key, or one that is not good.",
    403: "Whoever asks may not have this: another one's call, another site's page.",
    404: "No live call has this id.",
    408: "The body did not come in time.",
    409: "Nothing that this call can be asked.",
    412: "If-Match names another connection than the call has now.",
    413: "More than is read.",
    415: "Not the content type that is taken here.",
    422: "ICE is not restarted here: post a new offer, or resume.",
    428: "If-Match is missing.",
    429: "More calls than this caller may have.",
    503: "All lines are busy, or the server is stopping.",
}
_BUSY = (429, 503)
_RETRY: Json = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}


def document(version: str, servers: tuple[str, ...] = ("/",)) -> Json:
    """The whole document (OpenAPI 3.1)."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Chuimsae",
            "version": version,
            "description": "A self-hosted, real-time voice agent server.",
        },
        "servers": [{"url": url} for url in servers],
        "security": [{"key": []}],
        "paths": {**_calls(), **_realtime(), **_about()},
        "components": {
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, a client secret (ek_…), which brings its session's "
                    "configuration, or a call's resume token; on loopback none is asked for.",
                }
            },
            "schemas": {"Error": _ERROR, "Offer": Offer.model_json_schema(), "Answer": _ANSWER},
        },
    }


class OpenApi:
    """`/openapi.json`."""

    def __init__(self, version: str) -> None:
        self._document = document(version)

    def routes(self) -> list[web.AbstractRouteDef]:
        """For `Application.add_routes`."""
        return [web.get("/openapi.json", self.tell)]

    async def tell(self, request: web.Request) -> web.Response:
        """The document."""
        return web.json_response(self._document)


_ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": ["string", "null"]},
                "message": _TEXT,
                "param": {"type": ["string", "null"]},
            },
        }
    },
}
_ANSWER: Json = {
    "type": "object",
    "required": ["type", "sdp", "call_id", "resume_token", "resume_within"],
    "properties": {
        "type": {"const": "answer"},
        "sdp": _TEXT,
        "call_id": _TEXT,
        "resume_token": _TEXT,
        "resume_within": {"type": "number", "description": "Seconds."},
    },
}
_SECRET: Json = {
    "type": "object",
    "required": ["value", "expires_at", "session"],
    "properties": {
        "value": _TEXT,
        "expires_at": {"type": "integer"},
        "session": {"type": "object"},
    },
}
_CALL_ID: Json = {"name": "call_id", "in": "path", "required": True, "schema": _TEXT}


def _calls() -> Json:
    """This server's own, simple way in."""
    return {
        "/offer": {
            "post": _operation(
                "Begin a call by WebRTC, or go on in one",
                {200: _json({"$ref": "#/components/schemas/Answer"})},
                refusals=(400, 401, 403, 404, 413, 415, *_BUSY),
                body={JSON: {"$ref": "#/components/schemas/Offer"}},
            )
        },
        "/calls/{call_id}": {
            "delete": _operation(
                "Hang up", {204: "It is over."}, refusals=(401, 403, 404), parameters=[_CALL_ID]
            )
        },
    }


def _realtime() -> Json:
    """OpenAI's Realtime protocol, and WHIP on the same resources."""
    form: Json = {
        "type": "object",
        "required": ["sdp"],
        "properties": {"sdp": _TEXT, "session": {**_TEXT, "description": "JSON."}},
    }
    model: Json = {"name": "model", "in": "query", "required": False, "schema": _TEXT}
    call = {
        "post": _operation(
            "Begin a call by WebRTC; WHIP's endpoint",
            {201: _answered(_WHIP_HEADERS)},
            refusals=(400, 401, 403, 413, 415, *_BUSY),
            parameters=[model],
            body={SDP: _TEXT, "multipart/form-data": form},
        )
    }
    options = _operation("What is taken here", {204: "In the headers."}, refusals=(401, 403))
    return {
        "/v1/realtime": {**call, "get": _socket(model)},
        CALLS: {**call, "options": options},
        CALL: {"delete": _hang_up(200), "patch": _patch(), "options": _of_call(options)},
        f"{CALL}/hangup": {"post": _hang_up(200)},
        f"{CALL}/resume": {"post": _resume()},
        **{f"{CALL}/{verb}": {"post": _telephony()} for verb in SIP},
        "/v1/realtime/client_secrets": {"post": _secret("A short-lived key for one client")},
        "/v1/realtime/sessions": {"post": _secret("The same, as older clients ask for it")},
    }


def _socket(model: Json) -> Json:
    refused = (400, 401, 403, *_BUSY)
    return _operation(
        "A call over a WebSocket",
        {101: "The protocol is switched."},
        refusals=refused,
        parameters=[model],
    )


def _hang_up(status: int) -> Json:
    return _operation(
        "Hang up", {status: "It is over."}, refusals=(401, 403, 404), parameters=[_CALL_ID]
    )


def _telephony() -> Json:
    return _operation(
        "For calls from a SIP trunk, which are not taken here",
        {},
        refusals=(400, 401, 403, 404, 409),
        parameters=[_CALL_ID],
    )


def _patch() -> Json:
    etag: Json = {"name": "If-Match", "in": "header", "required": True, "schema": _TEXT}
    return _operation(
        "Candidates that came after the offer (trickle ICE)",
        {204: "They are tried."},
        refusals=(400, 401, 403, 404, 412, 413, 415, 422, 428),
        parameters=[_CALL_ID, etag],
        body={MEDIA_TYPE: _TEXT},
    )


def _resume() -> Json:
    received: Json = {
        "name": "received",
        "in": "query",
        "required": False,
        "schema": {"type": "integer", "minimum": 0, "maximum": 999_999_999},
        "description": "How many events have come; those after them are sent again.",
    }
    return _operation(
        "Go on in a call by another connection; the bearer is its resume token",
        {200: _answered(_WHIP_HEADERS)},
        refusals=(400, 401, 403, 404, 413, 415, 503),
        parameters=[_CALL_ID, received],
        body={SDP: _TEXT},
    )


def _secret(summary: str) -> Json:
    wanted: Json = {
        "type": "object",
        "properties": {
            "session": {"type": "object"},
            "expires_after": {
                "type": "object",
                "properties": {
                    "anchor": {"const": "created_at"},
                    "seconds": {"type": "integer", "minimum": 10, "maximum": 7200},
                },
            },
        },
    }
    told = _SECRET if "key" in summary else {"type": "object", "required": ["client_secret"]}
    refusals = (400, 401, 403, 413, 429)
    return _operation(summary, {200: _json(told)}, refusals=refusals, body={JSON: wanted})


def _of_call(operation: Json) -> Json:
    return {**operation, "parameters": [_CALL_ID]}


def _about() -> Json:
    """What is told of the server."""
    told: Json = {"type": "object"}
    up = _operation("Whether the process lives", {200: _json(told)}, is_public=True)
    ready: dict[int, Json | str] = {200: _json(told), 503: "The server is stopping."}
    servers: Json = {
        "type": "object",
        "required": ["ice_servers"],
        "properties": {"ice_servers": {"type": "array", "items": {"type": "object"}}},
    }
    figures = {200: {"description": "Prometheus' text.", "content": {"text/plain": {}}}}
    return {
        "/info": {"get": _operation("Languages, engines, lines", {200: _json(told)}, (401, 403))},
        "/ice": {"get": _operation("STUN and TURN servers", {200: _json(servers)}, (401, 403))},
        "/healthz": {"get": up},
        "/readyz": {"get": _operation("Whether calls are taken", ready, is_public=True)},
        "/metrics": {"get": _operation("Figures", figures, (401, 403))},
        "/openapi.json": {"get": _operation("This", {200: _json(told)}, is_public=True)},
    }


_WHIP_HEADERS: Json = {
    "Location": {"schema": _TEXT, "description": "The call's own address."},
    "ETag": {"schema": _TEXT, "description": "Names the connection, for PATCH."},
    "Link": {"schema": _TEXT, "description": "ICE servers (RFC 9725, 4.6)."},
    RESUME_TOKEN: {"schema": _TEXT, "description": "With it the call can be resumed."},
    RESUME_WITHIN: {"schema": _TEXT, "description": "Seconds that it is kept."},
}


def _operation(
    summary: str,
    good: Mapping[int, Json | str],
    refusals: tuple[int, ...] = (),
    *,
    parameters: list[Json] | None = None,
    body: Mapping[str, Json] | None = None,
    is_public: bool = False,
) -> Json:
    """`good`: answers by status; a text is the description of one without a body."""
    answers = {
        str(status): {"description": told} if isinstance(told, str) else told
        for status, told in good.items()
    }
    answers |= {str(status): _refusal(status) for status in refusals}
    operation: Json = {"summary": summary, "responses": answers}
    if parameters:
        operation["parameters"] = parameters
    if body:
        content = {kind: {"schema": schema} for kind, schema in body.items()}
        answers["408"] = _refusal(408)
        operation["requestBody"] = {"required": JSON not in body, "content": content}
    if is_public:
        operation["security"] = []
    return operation


def _json(schema: Json) -> Json:
    return {"description": "Done.", "content": {JSON: {"schema": schema}}}


def _answered(headers: Json) -> Json:
    answer = {"description": "The answer.", "headers": headers}
    return {**answer, "content": {SDP: {"schema": _TEXT}}}


def _refusal(status: int) -> Json:
    told: Json = {
        "description": _REFUSALS[status],
        "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    return {**told, "headers": _RETRY} if status in _BUSY else told
