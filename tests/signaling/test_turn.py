"""Credentials for coturn, against coturn."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiortc import RTCConfiguration, RTCPeerConnection
from pydantic import ValidationError

from server.app import create_app
from signaling.gathering import Gatherer
from signaling.ice import IceSettings, TurnServerSettings, turn_credential
from tests.server.house import settings, stages
from tests.signaling.coturn import SECRET, coturn
from tests.signaling.phone import phone
from tests.signaling.test_routes import real_offer


def relay(port: int, **changes: object) -> dict[str, object]:
    return {"urls": [f"turn:127.0.0.1:{port}?transport=udp"], "secret": SECRET, **changes}


def relaying(port: int, **changes: object) -> IceSettings:
    """Of a server that goes by TURN itself."""
    turn = relay(port, own=True, **changes)
    return IceSettings.model_validate({"bind": ["127.0.0.1"], "turn": turn})


def test_a_credential_is_what_coturn_computes() -> None:
    turn = TurnServerSettings.model_validate(relay(3478, ttl=600))
    username, credential = turn_credential(turn, "phone", 1_700_000_000.9)
    assert username == "1700000600:phone"
    expected = hmac.new(SECRET.encode(), b"1700000600:phone", hashlib.sha1).digest()
    assert base64.b64decode(credential) == expected


@pytest.mark.parametrize("written", [{"urls": ["turn:host:3478"]}, {"secret": SECRET}])
def test_an_address_without_a_secret_is_refused(written: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="or neither"):
        TurnServerSettings.model_validate(written)


async def relayed(ice: IceSettings) -> int:
    """How many relayed addresses a connection gets."""
    pc = RTCPeerConnection(RTCConfiguration(iceServers=ice.rtc_servers()))
    try:
        pc.createDataChannel("control")
        Gatherer(ice).prepare(pc)
        await pc.setLocalDescription(await pc.createOffer())
        return pc.localDescription.sdp.count(" typ relay")
    finally:
        await pc.close()


async def test_coturn_takes_a_credential_until_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with coturn(tmp_path) as port:
        ice = relaying(port, ttl=60)
        assert await relayed(ice) == 1
        a_minute_ago = time.time() - 61
        monkeypatch.setattr(time, "time", lambda: a_minute_ago)
        assert await relayed(ice) == 0


async def test_coturn_refuses_another_secret(tmp_path: Path) -> None:
    async with coturn(tmp_path) as port:
        assert await relayed(relaying(port, secret="another-secret")) == 0


async def test_callers_are_told_of_turn_each_with_a_credential_of_their_own(
    tmp_path: Path,
) -> None:
    key = "a-key-from-the-settings"
    configured = settings(
        server={"port": 0, "state": str(tmp_path)},
        ice={"bind": ["127.0.0.1"], "servers": [{"urls": ["stun:127.0.0.1:3478"]}],
             "turn": relay(3478)},
        access={"required": True, "keys": {"phone": key}},
    )  # fmt: skip
    async with stages("x") as standing:
        async with TestClient(TestServer(create_app(configured, standing))) as client:
            assert (await client.get("/ice")).status == 401
            headers = {"Authorization": f"Bearer {key}"}
            told = await (await client.get("/ice", headers=headers)).json()
            info = await (await client.get("/info", headers=headers)).json()
    stun, turn = told["ice_servers"]
    assert stun == {"urls": ["stun:127.0.0.1:3478"]}
    assert turn["urls"] == ["turn:127.0.0.1:3478?transport=udp"]
    end, user = turn["username"].split(":")
    assert user == "phone" and 0 <= int(end) - time.time() <= told["expires_in"] == 7200
    assert SECRET not in str(told)
    assert [server["urls"] for server in info["ice_servers"]] == [stun["urls"], turn["urls"]]


async def test_an_answer_brings_the_servers_and_the_servers_own_relay(tmp_path: Path) -> None:
    async with coturn(tmp_path) as port, phone(ice=relaying(port)) as line:
        body = {"sdp": await real_offer(), "type": "offer"}
        async with aiohttp.ClientSession() as http, http.post(f"{line.url}/offer", json=body) as it:
            answer = await it.json()
    assert " typ relay" in answer["sdp"]
    assert answer["ice_servers"][0]["username"].endswith(":caller")
