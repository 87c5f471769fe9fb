"""How many calls one caller may have, and how many may begin within a minute."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import hdrs
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request

from agent.events import CallEnded
from server.app import create_app
from signaling.access.addresses import Proxies, household
from signaling.access.roster import Grant, Roster
from signaling.access.settings import LimitSettings
from signaling.errors import TooManyCalls
from tests.server.house import settings, stages

PHONE = Grant(key="phone", address="203.0.113.1")


class Wall:
    """The wall's clock, which the limits per minute go by."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wall]:
    clock = Wall()
    monkeypatch.setattr(time, "time", clock)
    yield clock


def roster(**limits: int) -> Roster:
    return Roster(LimitSettings.model_validate(limits))


def begin(calls: Roster, call_id: str, grant: Grant = PHONE) -> None:
    with calls.starting(grant) as place:
        calls.begin(place, call_id)


@pytest.mark.parametrize(
    ("limit", "other"),
    [
        ("calls_per_key", Grant(key="other", address=PHONE.address)),
        ("calls_per_address", Grant(key=PHONE.key, address="203.0.113.2")),
    ],
)
def test_one_caller_has_so_many_calls_at_the_same_time(limit: str, other: Grant) -> None:
    calls = roster(**{limit: 2})
    begin(calls, "a")
    begin(calls, "b")
    with pytest.raises(TooManyCalls) as refusal:
        begin(calls, "c")
    assert (refusal.value.status, refusal.value.code) == (429, "too_many_calls")
    assert limit in str(refusal.value) and int(refusal.value.headers["Retry-After"]) > 0
    begin(calls, "c", other)
    calls.observe("a", CallEnded(at=0.0, reason="hangup"))
    begin(calls, "d")


def test_calls_that_are_being_answered_count() -> None:
    calls = roster(calls_per_key=2)
    with ExitStack() as offers:
        offers.enter_context(calls.starting(PHONE))
        offers.enter_context(calls.starting(PHONE))
        with pytest.raises(TooManyCalls):
            offers.enter_context(calls.starting(PHONE))
    # None of the offers became a call: their places are free again.
    begin(calls, "a")
    begin(calls, "b")


def test_a_call_ends_once() -> None:
    calls = roster(calls_per_key=1)
    begin(calls, "a")
    calls.end("a")
    calls.end("a")
    begin(calls, "b")
    with pytest.raises(TooManyCalls):
        begin(calls, "c")


@pytest.mark.parametrize(
    ("limit", "other"),
    [
        ("new_calls_per_key", Grant(key="other", address=PHONE.address)),
        ("new_calls_per_address", Grant(key=PHONE.key, address="203.0.113.2")),
    ],
)
def test_so_many_calls_begin_within_a_minute(wall: Wall, limit: str, other: Grant) -> None:
    calls = roster(**{limit: 3})
    for number in range(3):
        begin(calls, str(number))
        calls.end(str(number))
        wall.now += 10
    with pytest.raises(TooManyCalls) as refusal:
        begin(calls, "4")
    assert refusal.value.code == "rate_limited"
    assert refusal.value.retry_after == 30
    begin(calls, "other", other)
    wall.now += 29
    with pytest.raises(TooManyCalls):
        begin(calls, "4")
    wall.now += 2
    begin(calls, "4")
    with pytest.raises(TooManyCalls):
        begin(calls, "5")


def test_a_call_that_is_refused_by_one_limit_is_not_counted_by_the_other(wall: Wall) -> None:
    calls = roster(new_calls_per_key=5, new_calls_per_address=1)
    begin(calls, "a")
    for _ in range(4):
        with pytest.raises(TooManyCalls):
            begin(calls, "b")
    for number in range(4):
        begin(calls, f"c{number}", Grant(key="phone", address=f"203.0.113.{number + 10}"))


def test_what_is_left_is_told(wall: Wall) -> None:
    calls = roster(new_calls_per_key=3, new_calls_per_address=5)
    assert [(each.limit, each.remaining) for each in calls.left(PHONE)] == [(3, 3), (5, 5)]
    begin(calls, "a")
    wall.now += 20
    first, second = calls.left(PHONE)
    assert (first.name, first.limit, first.remaining) == ("requests", 3, 2)
    assert first.reset_seconds == pytest.approx(40, abs=1)
    assert (second.limit, second.remaining) == (5, 4)
    assert Roster().left(PHONE) == ()


def test_nobody_known_is_under_no_limit_of_keys() -> None:
    calls = roster(calls_per_key=1, new_calls_per_key=1)
    for number in range(5):
        begin(calls, str(number), Grant())


def test_addresses_of_one_ipv6_network_are_one() -> None:
    assert household("2001:db8::1") == household("2001:db8::2:3:4:5")
    assert household("2001:db8::1") != household("2001:db8:0:1::1")
    assert household("203.0.113.1") != household("203.0.113.2")
    assert household("::ffff:203.0.113.1") == "::ffff:203.0.113.1"


FORWARDED = [
    # peer, X-Forwarded-For, trusted → the caller
    ("203.0.113.9", "", (), "203.0.113.9"),
    ("203.0.113.9", "198.51.100.1", (), "203.0.113.9"),
    ("127.0.0.1", "198.51.100.1", ("127.0.0.1",), "198.51.100.1"),
    ("127.0.0.1", "1.2.3.4, 198.51.100.1", ("127.0.0.1",), "198.51.100.1"),
    ("127.0.0.1", "1.2.3.4, 198.51.100.1, 10.0.0.7", ("127.0.0.1", "10.0.0.0/8"), "198.51.100.1"),
    ("127.0.0.1", "10.0.0.1, 10.0.0.2", ("127.0.0.1", "10.0.0.0/8"), "10.0.0.1"),
    ("127.0.0.1", "198.51.100.1, unknown", ("127.0.0.1",), "127.0.0.1"),
    ("127.0.0.1", "", ("127.0.0.1",), "127.0.0.1"),
    ("127.0.0.1", "198.51.100.1:4711", ("127.0.0.1",), "198.51.100.1"),
    ("::1", "[2001:db8::1]:4711", ("::1",), "2001:db8::1"),
    ("::ffff:127.0.0.1", "198.51.100.1", ("127.0.0.1",), "198.51.100.1"),
]


@pytest.mark.parametrize(("peer", "forwarded", "trusted", "caller"), FORWARDED)
def test_a_callers_word_for_their_address_is_not_taken(
    peer: str, forwarded: str, trusted: tuple[str, ...], caller: str
) -> None:
    headers = {hdrs.X_FORWARDED_FOR: forwarded} if forwarded else {}
    request = make_mocked_request("GET", "/", headers=headers).clone(remote=peer)
    assert Proxies(trusted).client(request) == caller


async def refusal(client: TestClient[Any, Any], key: str, address: str) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {key}", "X-Forwarded-For": f"6.6.6.6, {address}"}
    async with client.post("/offer", json={"sdp": "x"}, headers=headers) as response:
        return response.status, response.headers.get("Retry-After", "")


async def test_doors_refuse_with_429_and_a_time_to_try_again(tmp_path: Path) -> None:
    key = "a-key-from-the-settings"
    configured = settings(
        server={"port": 0, "state": str(tmp_path)},
        access={"keys": {"phone": key}, "trusted_proxies": ["127.0.0.1"]},
        limits={"new_calls_per_address": 2},
    )
    async with stages("x") as standing:
        async with TestClient(TestServer(create_app(configured, standing))) as client:
            # An offer that is none begins no call; it is an attempt at one all the same.
            assert await refusal(client, key, "203.0.113.1") == (400, "")
            assert await refusal(client, key, "203.0.113.1") == (400, "")
            status, retry = await refusal(client, key, "203.0.113.1")
            assert status == 429 and 0 < int(retry) <= 60
            assert (await refusal(client, key, "203.0.113.2"))[0] == 400
            headers = {"Authorization": f"Bearer {key}", "X-Forwarded-For": "203.0.113.1"}
            async with client.get("/v1/realtime", headers=headers) as response:
                assert response.status == 429 and response.headers["Retry-After"]


async def test_sizes_are_settings(tmp_path: Path) -> None:
    configured = settings(
        server={"port": 0, "state": str(tmp_path)},
        limits={"body_bytes": 16_384, "message_bytes": 16_384},
    )
    async with stages("x") as standing:
        async with TestClient(TestServer(create_app(configured, standing))) as client:
            async with client.post("/offer", json={"sdp": "v" * 17_000}) as response:
                assert response.status == 413
            async with client.ws_connect("/v1/realtime") as socket:
                for _ in ("session.created", "conversation.created"):
                    await socket.receive_json(timeout=10)
                await socket.send_str(" " * 17_000)
                message = await socket.receive(timeout=10)
                assert (message.data, socket.close_code) == (1009, 1009)
