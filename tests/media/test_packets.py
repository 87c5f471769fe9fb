from __future__ import annotations

import pytest
from aiortc.rtp import RtpPacket as Stock
from hypothesis import given
from hypothesis import strategies as st

from media.packets import BadRtp, ahead, header, parse


@pytest.mark.parametrize("extension", [b"", b"\xbe\xde\x00\x01\x10\x30\x00\x00"])
def test_a_packet_is_written_as_aiortc_writes_it(extension: bytes) -> None:
    written = header(
        payload_type=96, marker=True, sequence=65_535, timestamp=4_000_000_000, ssrc=7,
        extension=extension,
    ) + b"sound"  # fmt: skip
    stock = Stock.parse(written)
    assert (stock.payload_type, stock.marker, stock.sequence_number) == (96, 1, 65_535)
    assert (stock.timestamp, stock.ssrc, stock.payload) == (4_000_000_000, 7, b"sound")
    assert stock.csrc == []
    ours = parse(written)
    assert (ours.payload_type, ours.marker, ours.sequence_number) == (96, True, 65_535)
    assert (ours.timestamp, ours.ssrc, ours.payload) == (4_000_000_000, 7, b"sound")


def test_sources_extension_and_padding_are_stepped_over() -> None:
    head = b"\xb2\x60\x00\x01" + bytes(8) + b"\x00" * 8  # X, P, two contributing sources
    packet = parse(head + b"\xbe\xde\x00\x01abcd" + b"sound" + b"\x00\x00\x03")
    assert packet.payload == b"sound"


@pytest.mark.parametrize("sources", range(16))
def test_any_number_of_sources_is_stepped_over(sources: int) -> None:
    packet = parse(bytes([0x80 | sources, 0x60]) + bytes(10 + 4 * sources) + b"sound")
    assert packet.payload == b"sound"


@pytest.mark.parametrize("block", [b"\xbe\xde\x00\x00", b"\xbe\xde\x00\x01abcd"])
def test_a_packet_may_end_with_its_extension_or_its_header(block: bytes) -> None:
    assert parse(b"\x90\x60" + bytes(10) + block).payload == b""
    assert parse(b"\x80\x60" + bytes(10)).payload == b""


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x60",
        b"\x40" + bytes(11),  # version 1
        b"\x8f" + bytes(15),  # fifteen sources, none there
        b"\x90" + bytes(11),  # an extension, none there
        b"\x90" + bytes(11) + b"\xbe\xde\x00\x09abcd",
        b"\xa0" + bytes(11) + b"ab\x00",  # padded by 0
        b"\xa0" + bytes(11) + b"ab\x09",  # padded by more than there is
    ],
)
def test_what_is_no_rtp_is_refused(data: bytes) -> None:
    with pytest.raises(BadRtp):
        parse(data)


@given(st.binary(max_size=80))
def test_nothing_but_bad_rtp_is_raised_by_garbage(data: bytes) -> None:
    try:
        assert len(parse(data).payload) <= len(data)
    except BadRtp:
        pass


@pytest.mark.parametrize(
    ("number", "reference", "distance"),
    [(5, 3, 2), (3, 5, -2), (1, 65_535, 2), (65_535, 1, -2), (0, 0, 0)],
)
def test_wrapping_numbers_know_who_is_ahead(number: int, reference: int, distance: int) -> None:
    assert ahead(number, reference, 16) == distance
