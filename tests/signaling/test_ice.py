"""Addresses, ports and candidates."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from pydantic import ValidationError

from signaling.errors import BadOffer, CallRefused, OfferTooLarge
from signaling.gathering import Gatherer, usable_addresses
from signaling.ice import IceServer, IceSettings, is_candidate_allowed, screen
from tests.signaling.offered import candidates

HERE = IceSettings(bind=("127.0.0.1",))
ANYWHERE = IceSettings()


def offer(*hosts: str) -> str:
    lines = ["v=0", "m=audio 9 UDP/TLS/RTP/SAVPF 111"]
    lines += [f"a=candidate:1 1 udp 2122260223 {host} 50000 typ host" for host in hosts]
    return "\r\n".join(lines) + "\r\n"


async def gathered(settings: IceSettings) -> list[tuple[str, int]]:
    """Addresses and ports that a connection offers."""
    return [(host, port) for host, port, _ in await candidates(settings)]


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("192.168.1.7", True),
        ("203.0.113.9", True),
        ("fd00::2", True),
        ("2001:db8::1", True),
        ("0b6e1d1c-5a0c-4f6b-9a3e-3f0f4f0f4f0f.local", False),
        ("169.254.169.254", False),
        ("169.254.7.7", False),
        ("fe80::1", False),
        ("fd00:ec2::254", False),
        ("100.100.100.200", False),
        ("168.63.129.16", False),
        ("::ffff:169.254.169.254", False),
        ("224.0.0.251", False),
        ("255.255.255.255", False),
        ("0.0.0.0", False),
        ("127.0.0.1", False),
        ("::1", False),
        ("metadata.google.internal", False),
    ],
)
def test_only_addresses_that_a_caller_can_have_are_tried(host: str, allowed: bool) -> None:
    assert is_candidate_allowed(host, ANYWHERE) is allowed


def test_loopback_is_tried_by_a_server_that_is_bound_to_it() -> None:
    assert is_candidate_allowed("127.0.0.1", HERE)
    assert not is_candidate_allowed("169.254.169.254", HERE)


def test_refused_candidates_leave_the_offer_and_the_others_stay() -> None:
    kept = screen(offer("169.254.169.254", "192.168.1.7"), ANYWHERE)
    assert "192.168.1.7" in kept
    assert "169.254.169.254" not in kept
    assert kept.startswith("v=0\r\n")


def test_an_offer_with_too_many_candidates_is_refused() -> None:
    with pytest.raises(BadOffer, match="200 candidates; at most 32") as refusal:
        screen(offer(*["192.168.1.7"] * 200), ANYWHERE)
    assert refusal.value.code == "too_many_candidates"
    assert screen(offer(*["192.168.1.7"] * 32), ANYWHERE)


def test_an_offer_that_is_too_long_is_refused() -> None:
    with pytest.raises(OfferTooLarge, match="at most 65536"):
        screen("v=0\r\n" + "a=x\r\n" * 20_000, ANYWHERE)


async def test_a_server_bound_to_loopback_offers_loopback_alone() -> None:
    assert [host for host, _ in await gathered(HERE)] == ["127.0.0.1"]


async def test_the_advertised_address_takes_the_place_of_the_bound_one() -> None:
    settings = IceSettings(bind=("127.0.0.1",), advertised="203.0.113.9")
    assert [host for host, _ in await gathered(settings)] == ["203.0.113.9"]


async def test_ports_come_from_the_range() -> None:
    settings = IceSettings(bind=("127.0.0.1",), port_min=46_100, port_max=46_120)
    [(_, port)] = await gathered(settings)
    assert 46_100 <= port <= 46_120


async def test_a_range_of_one_port_is_used_to_its_end() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = IceSettings(bind=("127.0.0.1",), port_min=port, port_max=port)
    assert await gathered(settings) == [("127.0.0.1", port)]


async def test_a_server_that_is_bound_to_nothing_offers_the_addresses_of_the_machine() -> None:
    hosts = [host for host, _ in await gathered(ANYWHERE)]
    assert hosts
    assert not any(ipaddress.ip_address(host).is_link_local for host in hosts)


async def test_an_advertised_address_stands_for_those_of_its_own_kind_alone() -> None:
    if not socket.has_ipv6 or not can_bind("::1"):
        pytest.skip("this machine has no IPv6")
    settings = IceSettings(bind=("127.0.0.1", "::1"), advertised="203.0.113.9")
    assert [host for host, _ in await gathered(settings)] == ["203.0.113.9", "::1"]


def can_bind(host: str) -> bool:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as tried:
        try:
            tried.bind((host, 0))
        except OSError:
            return False
    return True


async def test_a_range_without_a_free_port_refuses_the_call() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        settings = IceSettings(bind=("127.0.0.1",), port_min=port, port_max=port)
        with pytest.raises(CallRefused) as refusal:
            await gathered(settings)
    assert refusal.value.status == 503


async def test_a_stun_server_that_never_answers_costs_its_timeout_and_no_more() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        settings = IceSettings(
            bind=("127.0.0.1",),
            servers=(IceServer(urls=(f"stun:127.0.0.1:{deaf.getsockname()[1]}",)),),
            gather_timeout=0.2,
        )
        pc = RTCPeerConnection(RTCConfiguration(iceServers=settings.rtc_servers()))
        try:
            pc.createDataChannel("control")
            Gatherer(settings).prepare(pc)
            await pc.setLocalDescription(await pc.createOffer())
            assert "typ host" in pc.localDescription.sdp
            assert "typ srflx" not in pc.localDescription.sdp
            assert deaf.recv(2048)
        finally:
            await pc.close()


def test_loopback_is_used_when_there_is_no_other_address() -> None:
    assert usable_addresses(["fe80::1", "10.0.0.2"]) == ["10.0.0.2"]
    assert usable_addresses(["169.254.1.1"]) == ["127.0.0.1"]
    assert usable_addresses([]) == ["127.0.0.1"]


def test_no_server_is_asked_unless_configured() -> None:
    assert ANYWHERE.rtc_servers() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"bind": ["localhost"]},
        {"advertised": "example.org"},
        {"port_min": 5000},
        {"port_min": 5010, "port_max": 5000},
        {"silent_timeout": 0},
        {"unknown": 1},
        {"servers": [{"urls": ["http://stun.example.org"]}]},
        {"servers": [{"urls": ["stun:example.org?transport=tcp"]}]},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        IceSettings.model_validate(wrong)


def test_an_unknown_aioice_is_left_alone_unless_a_setting_needs_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("signaling.gathering._aioice_is_as_expected", lambda: False)
    Gatherer(IceSettings()).prepare(None)  # type: ignore[arg-type]  # must not be touched
    with pytest.raises(RuntimeError, match="unset ice.bind"):
        Gatherer(HERE)


@pytest.mark.parametrize(
    ("hosts", "is_kept"),
    [
        (["192.168.1.7"], True),
        (["192.168.1.7", "9f1b.local"], True),
        (["9f1b.local"], False),
        (["169.254.7.7"], False),
        ([], False),
    ],
)
def test_an_offer_without_a_candidate_to_try_promises_no_end_of_them(
    hosts: list[str], is_kept: bool
) -> None:
    screened = screen(offer(*hosts) + "a=end-of-candidates\r\n", ANYWHERE)
    assert ("a=end-of-candidates" in screened) is is_kept
    assert ".local" not in screened
