"""Other sites' pages: asked before (preflight), read after (CORS); sockets, which are neither."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from server.app import create_app
from signaling.access.origins import Origins
from tests.server.house import settings, stages

LISTED, FOREIGN = "https://app.example.org", "https://evil.example"
Client = TestClient[web.Request, web.Application]


@asynccontextmanager
async def client(tmp_path: Path, **access: Any) -> AsyncGenerator[Client, None]:
    configured = settings(
        server={"port": 0, "state": str(tmp_path)}, access={"origins": [LISTED], **access}
    )
    async with stages("x") as standing:
        async with TestClient(TestServer(create_app(configured, standing))) as made:
            yield made


PREFLIGHTS = [
    ("/v1/realtime", "GET"), ("/v1/realtime/calls", "POST"), ("/v1/realtime/calls/x", "PATCH"),
    ("/v1/realtime/calls/x", "DELETE"), ("/v1/realtime/calls/x/hangup", "POST"),
    ("/v1/realtime/client_secrets", "POST"), ("/offer", "POST"), ("/calls/x", "DELETE"),
    ("/info", "GET"), ("/nowhere", "GET"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "method"), PREFLIGHTS)
@pytest.mark.parametrize("required", [True, False])
async def test_a_listed_site_may_send_any_request(
    tmp_path: Path, path: str, method: str, required: bool
) -> None:
    async with client(tmp_path, required=required) as it:
        asked = {
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization,content-type,x-openai-agents-sdk",
        }
        async with it.options(path, headers={"Origin": LISTED, **asked}) as response:
            assert response.status == 204
            assert response.headers["Access-Control-Allow-Origin"] == LISTED
            assert method in response.headers["Access-Control-Allow-Methods"].split(", ")
            allowed = response.headers["Access-Control-Allow-Headers"].split(", ")
            assert {"Authorization", "Content-Type", "X-OpenAI-Agents-SDK", "If-Match"} < {*allowed}
            assert "*" in allowed, "other SDKs' own headers"
            assert "Origin" in response.headers["Vary"]
        async with it.options(path, headers={"Origin": FOREIGN, **asked}) as response:
            assert response.status == 403
            assert "Access-Control-Allow-Origin" not in response.headers


async def test_a_listed_site_reads_answers_and_errors(tmp_path: Path) -> None:
    async with client(tmp_path) as it:
        for path, status in (("/info", 200), ("/nowhere", 404)):
            async with it.get(path, headers={"Origin": LISTED}) as response:
                assert response.status == status
                assert response.headers["Access-Control-Allow-Origin"] == LISTED
                exposed = response.headers["Access-Control-Expose-Headers"].split(", ")
                assert exposed[:4] == ["Location", "ETag", "Link", "Retry-After"]
                assert exposed[4:] == ["Chuimsae-Resume-Token", "Chuimsae-Resume-Within"]
                assert "Access-Control-Allow-Credentials" not in response.headers


async def test_a_refusal_for_want_of_a_key_can_be_read_by_a_listed_site(tmp_path: Path) -> None:
    async with client(tmp_path, required=True) as it:
        async with it.get("/info", headers={"Origin": LISTED}) as response:
            assert response.status == 401
            assert response.headers["Access-Control-Allow-Origin"] == LISTED


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/offer"), ("POST", "/v1/realtime/calls"), ("DELETE", "/calls/x"), ("GET", "/info"),
     ("GET", "/metrics")],
)  # fmt: skip
async def test_another_site_drives_no_server_on_loopback(
    tmp_path: Path, method: str, path: str
) -> None:
    async with client(tmp_path) as it:
        async with it.request(method, path, headers={"Origin": FOREIGN}) as response:
            assert response.status == 403
            assert (await response.json())["error"]["code"] == "foreign_origin"


@pytest.mark.parametrize(
    ("origin", "is_let_in"), [(LISTED, True), (FOREIGN, False), ("null", False)]
)
async def test_a_socket_of_another_site_is_not_opened(
    tmp_path: Path, origin: str, is_let_in: bool
) -> None:
    async with client(tmp_path) as it:
        try:
            async with it.ws_connect("/v1/realtime", headers={"Origin": origin}):
                assert is_let_in
        except aiohttp.WSServerHandshakeError as refusal:
            assert refusal.status == 403 and not is_let_in


@pytest.mark.parametrize(
    ("host", "is_own"),
    [("localhost:8080", True), ("127.0.0.1:8080", True), ("[::1]:8080", True), ("[::1]", True),
     ("LOCALHOST", True), ("voice.localhost:1", True), ("192.168.1.5", True),
     ("evil.example:8080", False), ("localhost.evil.example", False), ("", False),
     ("voice.home", True), ("voice.home:8080", True)],
)  # fmt: skip
def test_a_name_that_anybody_may_have_given_is_none_of_ours(host: str, is_own: bool) -> None:
    assert Origins((), ("voice.home",)).is_own(host) is is_own


async def test_a_name_pointed_at_loopback_gets_nothing(tmp_path: Path) -> None:
    async with client(tmp_path) as it:
        headers = {"Host": "evil.example:8080", "Origin": "http://evil.example:8080"}
        async with it.get("/info", headers=headers) as response:
            assert (await response.json())["error"]["code"] == "unknown_host"


async def test_what_came_through_a_proxy_is_not_taken_for_loopback(tmp_path: Path) -> None:
    async with client(tmp_path) as it:
        async with it.get("/info", headers={"X-Forwarded-For": "203.0.113.9"}) as response:
            assert (await response.json())["error"]["code"] == "behind_a_proxy"
    async with client(tmp_path, required=False) as it:
        async with it.get("/info", headers={"X-Forwarded-For": "203.0.113.9"}) as response:
            assert response.status == 200


async def test_nonsense_for_an_origin_is_refused_and_nothing_breaks(tmp_path: Path) -> None:
    async with client(tmp_path) as it:
        for origin in ("http://[", "://", "x" * 5000):
            async with it.get("/info", headers={"Origin": origin}) as response:
                assert response.status == 403
