"""RTP on the wire (RFC 3550, section 5.1): the header read and written, and its wrapping numbers.

Only what the short path needs: extensions and contributing sources are stepped over.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_HEADER = struct.Struct("!BBHII")
_VERSION = 0x80
_EXTENDED = 0x10


class BadRtp(ValueError):
    """What arrived is no RTP packet."""


@dataclass(slots=True)
class RtpPacket:
    """One RTP packet. The names of the numbers are those that aiortc's statistics read."""

    payload_type: int
    marker: bool
    sequence_number: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse(data: bytes) -> RtpPacket:
    """Read a packet. Raises BadRtp."""
    if len(data) < _HEADER.size:
        raise BadRtp(f"an RTP packet has at least {_HEADER.size} bytes, got {len(data)}")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first >> 6 != 2:
        raise BadRtp(f"RTP is version 2, got {first >> 6}")
    begin = _HEADER.size + 4 * (first & 0x0F)
    end = len(data)
    if first & _EXTENDED:
        if end < begin + 4:
            raise BadRtp("an RTP header extension is cut off")
        begin += 4 + 4 * int.from_bytes(data[begin + 2 : begin + 4])
    if first & 0x20 and end > begin:
        padding = data[-1]
        if not padding:
            raise BadRtp("an RTP packet is padded by 0 bytes")
        end -= padding
    if begin > end:
        raise BadRtp("an RTP packet is shorter than its header says")
    return RtpPacket(second & 0x7F, bool(second & 0x80), sequence, timestamp, ssrc, data[begin:end])


def header(
    *, payload_type: int, marker: bool, sequence: int, timestamp: int, ssrc: int, extension: bytes
) -> bytes:
    """A packet's header; `extension`: the whole extension block (profile, length, elements)."""
    first = _VERSION | (_EXTENDED if extension else 0)
    second = payload_type | (0x80 if marker else 0)
    return _HEADER.pack(first, second, sequence, timestamp, ssrc) + extension


def ahead(number: int, reference: int, bits: int) -> int:
    """How far a wrapping number is ahead of another; negative: behind."""
    half = 1 << (bits - 1)
    return ((number - reference + half) & ((1 << bits) - 1)) - half
