"""Every route, and everyone who may stand before it."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from agent.events import CallEnded
from server.access import key_file
from server.app import GUARD, create_app
from signaling.access.guard import Guard
from signaling.access.keys import Keys
from signaling.access.roster import Grant
from signaling.binary.frames import Close, Frame, Open, Opened, read, write
from signaling.binary.mux import PROTOCOL as BINARY
from signaling.realtime.config import SessionConfig
from signaling.realtime.secrets import ClientSecrets
from tests.server.house import settings, stages

CALL = "a-live-call"
TOKEN = "the-token-of-the-call"


@dataclass
class House:
    """A server that asks for keys, with one live call that a client secret has made."""

    client: TestClient[web.Request, web.Application]
    guard: Guard
    credentials: dict[str, str]

    async def ask(self, method: str, path: str, who: str) -> tuple[int, Mapping[str, str], str]:
        """Status, headers and error code of an answer."""
        key = self.credentials[who]
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with self.client.request(method, path, headers=headers) as response:
            is_error = response.status >= 400 and response.content_type == "application/json"
            code = (await response.json())["error"]["code"] if is_error else ""
            return response.status, response.headers, code


@asynccontextmanager
async def house(tmp_path: Path, **access: Any) -> AsyncGenerator[House, None]:
    configured = settings(
        server={"port": 0, "state": str(tmp_path)}, access={"required": True, **access}
    )
    file = key_file(configured)
    key, other = file.add("phone"), file.add("other")
    now = [1_700_000_000.0]
    async with stages("x") as standing:
        app = create_app(configured, standing)
        guard = app[GUARD]
        guard.secrets = ClientSecrets(lambda: now[0])
        stale, stale_secret = guard.secrets.mint(SessionConfig(), 10, key="phone")
        now[0] += 11
        mine, secret = guard.secrets.mint(SessionConfig(), 600, key="phone")
        theirs, _ = guard.secrets.mint(SessionConfig(), 600, key="phone")
        for call_id, made_with in ((CALL, secret), ("an-old-call", stale_secret)):
            with guard.roster.starting(Grant(key="phone", secret=made_with)) as place:
                guard.roster.begin(place, call_id, TOKEN if call_id == CALL else "")
        credentials = {
            "nobody": "",
            "wrong key": "chuimsae_wrong-wrong-wrong",
            "key": key,
            "other key": other,
            "its ek_": mine,
            "other's ek_": theirs,
            "expired ek_": stale,
            "unknown ek_": "ek_nothing",
            "its token": TOKEN,
        }
        async with TestClient(TestServer(app)) as client:
            yield House(client, guard, credentials)


WHO = ("nobody", "wrong key", "key", "other key", "its ek_", "other's ek_", "expired ek_",
       "unknown ek_", "its token")  # fmt: skip
IN = "in"
#            nobody    wrong key  key  other key  its ek_  other's ek_  expired ek_  unknown  token
PUBLIC = (IN, IN, IN, IN, IN, IN, IN, IN, IN)
ANYONE = ("no_key", "bad_key", IN, IN, IN, IN, "bad_secret", "bad_secret", "bad_key")
WHOLE = (
    "no_key", "bad_key", IN, IN, "needs_key", "needs_key", "bad_secret", "bad_secret", "bad_key",
)  # fmt: skip
OWN = (
    "no_key", "bad_key", IN, "not_your_call", IN, "not_your_call", "bad_secret", "bad_secret", IN,
)  # fmt: skip
ROUTES = [
    ("GET", "/", PUBLIC),
    ("GET", "/static/app.js", PUBLIC),
    ("GET", "/healthz", PUBLIC),
    ("GET", "/readyz", PUBLIC),
    ("GET", "/openapi.json", PUBLIC),
    ("GET", "/info", ANYONE),
    ("GET", "/ice", ANYONE),
    ("GET", "/metrics", WHOLE),
    ("POST", "/offer", ANYONE),
    ("DELETE", f"/calls/{CALL}", OWN),
    ("GET", "/v1/realtime", ANYONE),
    ("POST", "/v1/realtime", ANYONE),
    ("POST", "/v1/realtime/calls", ANYONE),
    ("POST", f"/v1/realtime/calls/{CALL}/resume", OWN),
    ("POST", f"/v1/realtime/calls/{CALL}/hangup", OWN),
    *(("POST", f"/v1/realtime/calls/{CALL}/{what}", OWN) for what in ("accept", "refer", "reject")),
    ("DELETE", f"/v1/realtime/calls/{CALL}", OWN),
    ("POST", f"/v1/realtime/calls/{CALL}/accept", OWN),
    ("POST", f"/v1/realtime/calls/{CALL}/refer", OWN),
    ("POST", f"/v1/realtime/calls/{CALL}/reject", OWN),
    ("PATCH", f"/v1/realtime/calls/{CALL}", OWN),
    ("OPTIONS", f"/v1/realtime/calls/{CALL}", OWN),
    ("OPTIONS", "/v1/realtime/calls", ANYONE),
    ("POST", "/v1/realtime/sessions", WHOLE),
    ("POST", "/v1/realtime/client_secrets", WHOLE),
    ("GET", "/nowhere", ANYONE),
]
REFUSALS = {
    "no_key": 401,
    "bad_key": 401,
    "bad_secret": 401,
    "needs_key": 403,
    "not_your_call": 403,
}


@pytest.mark.parametrize(("method", "path", "expected"), ROUTES)
async def test_every_route_lets_in_whom_it_should(
    tmp_path: Path, method: str, path: str, expected: tuple[str, ...]
) -> None:
    async with house(tmp_path) as it:
        for who, wanted in zip(WHO, expected, strict=True):
            status, headers, code = await it.ask(method, path, who)
            if path == "/offer" and wanted != IN:
                # Who asks matters once it is known what for: a body that is none comes first.
                wanted = "unsupported_media_type"
            if wanted in REFUSALS:
                assert (status, code) == (REFUSALS[wanted], wanted), who
                assert ("WWW-Authenticate" in headers) == (status == 401)
            else:
                assert status not in (401, 403), who


async def test_no_route_is_forgotten_here(tmp_path: Path) -> None:
    async with house(tmp_path) as it:
        app = it.client.server.app  # type: ignore[attr-defined]
        served = {
            (route.method, route.resource.canonical.replace("{call_id}", CALL))
            for route in app.router.routes()
            if route.method != "HEAD"
        }
    tested = {(method, path.replace("app.js", "{name}")) for method, path, _ in ROUTES}
    assert served == tested - {("GET", "/nowhere")}


@pytest.mark.parametrize(
    ("who", "code"),
    [("nobody", "no_key"), ("wrong key", "bad_key"), ("expired ek_", "bad_secret"),
     ("key", "bad_sdp"), ("its ek_", "bad_sdp")],
)  # fmt: skip
async def test_an_offer_needs_a_key(tmp_path: Path, who: str, code: str) -> None:
    async with house(tmp_path) as it:
        headers = {"Authorization": f"Bearer {it.credentials[who]}"}
        headers = headers if it.credentials[who] else {}
        async with it.client.post("/offer", json={"sdp": "x"}, headers=headers) as response:
            assert (await response.json())["error"]["code"] == code
            assert response.status == (400 if code == "bad_sdp" else 401)


async def test_a_resume_needs_the_calls_token_alone(tmp_path: Path) -> None:
    async with house(tmp_path) as it:
        body = {"sdp": "x", "call_id": "gone", "resume_token": "t"}
        async with it.client.post("/offer", json=body) as response:
            assert (await response.json())["error"]["code"] == "unknown_call"


async def test_a_socket_takes_the_key_as_a_subprotocol(tmp_path: Path) -> None:
    async with house(tmp_path) as it:
        key = f"openai-insecure-api-key.{it.credentials['its ek_']}"
        async with it.client.ws_connect("/v1/realtime", protocols=("realtime", key)) as socket:
            assert socket.protocol == "realtime"
            assert (await socket.receive_json(timeout=10))["type"] == "session.created"


async def test_an_expired_secret_still_reaches_the_call_it_made(tmp_path: Path) -> None:
    async with house(tmp_path) as it:
        status, _, code = await it.ask("DELETE", "/calls/an-old-call", "expired ek_")
        assert (status, code) == (404, "unknown_call")
        it.guard.roster.observe("an-old-call", CallEnded(at=0.0, reason="hangup"))
        status, _, code = await it.ask("DELETE", "/calls/an-old-call", "expired ek_")
        assert (status, code) == (401, "bad_secret")


async def test_a_key_that_is_removed_takes_its_secrets_with_it(tmp_path: Path) -> None:
    async with house(tmp_path) as it:
        assert (await it.ask("GET", "/info", "its ek_"))[0] == 200
        key_file(settings(server={"state": str(tmp_path)})).remove("phone")
        assert (await it.ask("GET", "/info", "its ek_"))[2] == "bad_secret"
        assert (await it.ask("GET", "/info", "key"))[2] == "bad_key"
        assert (await it.ask("GET", "/info", "other key"))[0] == 200


async def test_a_bad_key_is_told_so_in_the_header(tmp_path: Path) -> None:
    async with house(tmp_path) as it:
        _, headers, _ = await it.ask("GET", "/info", "wrong key")
        assert headers["WWW-Authenticate"] == 'Bearer realm="chuimsae", error="invalid_token"'
        _, headers, _ = await it.ask("GET", "/info", "nobody")
        assert headers["WWW-Authenticate"] == 'Bearer realm="chuimsae"'


def test_a_key_is_compared_with_every_key_in_constant_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = key_file(settings(server={"state": str(tmp_path)}))
    made = [file.add(name) for name in ("one", "two", "three")]
    compared: list[tuple[Any, Any]] = []
    genuine = hmac.compare_digest

    def compare(known: Any, presented: Any) -> bool:
        compared.append((known, presented))
        return genuine(known, presented)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    keys = Keys({}, file)
    assert [keys.find(key) for key in (*made, "none of them")] == ["one", "two", "three", None]
    assert len(compared) == 4 * 3
    assert not {key for pair in compared for key in pair} & {*made, "none of them"}


def test_a_secret_is_good_until_its_time_is_over() -> None:
    now = [1_700_000_000.0]
    secrets = ClientSecrets(lambda: now[0])
    value, secret = secrets.mint(SessionConfig(), 10, key="phone")
    assert secret.expires_at == 1_700_000_010
    now[0] += 9.9
    assert secrets.find(value) == secret
    now[0] += 0.1
    assert secrets.find(value) is None


async def test_refusals_at_the_doors_are_counted(tmp_path: Path) -> None:
    async with house(tmp_path) as it:
        for path in ("/offer", "/v1/realtime/calls"):
            await it.client.post(path, json={"sdp": "x"})
        await it.client.get("/info")
        headers = {"Authorization": f"Bearer {it.credentials['key']}"}
        async with it.client.get("/metrics", headers=headers) as response:
            assert 'chuimsae_offers_refused_total{code="no_key"} 2.0' in await response.text()


async def test_a_connection_that_outlives_its_key_begins_no_more_calls(tmp_path: Path) -> None:
    async with house(tmp_path) as it:
        headers = {"Authorization": f"Bearer {it.credentials['its ek_']}"}
        async with it.client.ws_connect(
            "/v1/realtime", protocols=(BINARY,), headers=headers
        ) as socket:
            await socket.send_bytes(write(Frame(1, Open())))
            assert isinstance(read(await socket.receive_bytes(timeout=10)).body, Opened)
            key_file(settings(server={"state": str(tmp_path)})).remove("phone")
            await socket.send_bytes(write(Frame(2, Open())))
            while (frame := read(await socket.receive_bytes(timeout=10))).call != 2:
                pass
            assert isinstance(frame.body, Close) and frame.body.code == "bad_secret"


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", ""), ("PATCH", ""), ("POST", "/hangup"), ("POST", "/resume")],
)
async def test_a_bearer_that_is_no_text_is_a_bad_key(
    tmp_path: Path, method: str, path: str
) -> None:
    async with house(tmp_path) as it:
        assert it.client.port is not None
        reader, writer = await asyncio.open_connection(it.client.host, it.client.port)
        head = f"{method} /v1/realtime/calls/{CALL}{path} HTTP/1.1\r\nHost: localhost\r\n"
        writer.write(head.encode() + b"Authorization: Bearer \xff\xfe\r\n\r\n")
        async with asyncio.timeout(10):
            assert b" 401 " in await reader.readline()
        writer.close()
        await writer.wait_closed()
