"""Candidates that come after the offer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.errors import BadOffer
from signaling.trickle import parse

HEAD = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
MEDIA = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
HOST = "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0\r\n"
RELAYED = "a=candidate:2 1 udp 1 198.51.100.1 5000 typ relay raddr 192.0.2.1 rport 61764\r\n"


def test_a_fragment_brings_candidates_of_its_media() -> None:
    fragment = parse(HEAD + MEDIA + HOST + RELAYED + "a=end-of-candidates\r\n")
    assert fragment.ufrag == "EsAw" and fragment.is_end
    first, second = fragment.candidates
    assert (first.ip, first.port, first.sdpMid, first.type) == ("192.0.2.1", 61764, "0", "host")
    assert (second.relatedAddress, second.relatedPort) == ("192.0.2.1", 61764)


def test_a_restart_brings_no_candidates_at_first() -> None:
    fragment = parse(HEAD)
    assert fragment.candidates == () and not fragment.is_end


def test_plain_line_ends_will_do() -> None:
    assert len(parse((HEAD + MEDIA + HOST).replace("\r\n", "\n")).candidates) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "needs a=ice-ufrag"),
        (MEDIA + HOST, "needs a=ice-ufrag"),
        (HEAD + HOST, "line 3 .* after the a=mid"),
        (HEAD + MEDIA + "a=candidate:nonsense\r\n", "line 5 .* no candidate"),
        (HEAD + MEDIA + "a=candidate:1 x udp 1 192.0.2.1 9 typ host\r\n", "line 5"),
        (HEAD + MEDIA + HOST.replace("61764", "99999"), "port is 1 to 65535, not 99999"),
        (HEAD + "a=ice-ufrag:Other\r\n", "line 3 .* one ICE user fragment"),
        (HEAD + " " * 20_000, "at most 16384 bytes"),
    ],
)
def test_what_is_none_is_refused_by_its_line(text: str, said: str) -> None:
    with pytest.raises(BadOffer, match=said):
        parse(text)


@given(st.text(alphabet="a=mid:candte-ufrgu 0123456789.\r\n", max_size=400))
def test_nothing_else_is_raised(text: str) -> None:
    try:
        parse(HEAD + MEDIA + text)
    except BadOffer as refused:
        assert "fragment" in str(refused)
