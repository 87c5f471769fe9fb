"""Frames of the binary subprotocol, as chuimsae.fbs has them. Pure."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import flatbuffers

from signaling.binary.generated.wire import Audio as audio_table
from signaling.binary.generated.wire import Close as close_table
from signaling.binary.generated.wire import Event as event_table
from signaling.binary.generated.wire import Frame as frame_table
from signaling.binary.generated.wire import Open as open_table
from signaling.binary.generated.wire import Opened as opened_table
from signaling.binary.generated.wire.Body import Body as Kind
from signaling.binary.generated.wire.Packing import Packing

IDENTIFIER = b"CHUI"
LARGEST_EVENT = 4 << 20
"""Bytes of an event once it is unpacked."""
WORTH_PACKING = 128
"""Bytes of an event from which on deflating is tried."""
SAVES = 0.9
"""What deflating must leave at most for it to be sent deflated."""

_MALFORMED = (struct.error, IndexError, ValueError, TypeError, OverflowError, AttributeError)
"""What reading tables raises where a buffer says something that isn't so: flatbuffers' Python
runtime has no verifier."""


class BadFrame(ValueError):
    """What came is no frame of this protocol."""


@dataclass(frozen=True, slots=True)
class Open:
    """Begin a call. `session`: JSON of its first configuration, empty for none."""

    session: bytes = b""


@dataclass(frozen=True, slots=True)
class Opened:
    """The call has begun."""

    call_id: str


@dataclass(frozen=True, slots=True)
class Audio:
    """One Opus packet. `item_id`: of the item that begins with it, else empty."""

    packet: bytes
    item_id: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the Realtime protocol, as JSON."""

    json: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """The call is over, or did not begin; from a client: hang up."""

    code: str
    message: str = ""


Body = Open | Opened | Audio | Event | Close


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. `call`: the number that the client gave the call."""

    call: int
    body: Body


def write(frame: Frame) -> bytes:
    """A frame as it is sent."""
    builder = flatbuffers.Builder(256)
    kind, body = _write_body(builder, frame.body)
    frame_table.FrameStart(builder)
    frame_table.FrameAddCall(builder, frame.call)
    frame_table.FrameAddBodyType(builder, kind)
    frame_table.FrameAddBody(builder, body)
    builder.Finish(frame_table.FrameEnd(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def read(message: bytes) -> Frame:
    """The frame that a message is. Raises BadFrame."""
    if message[4:8] != IDENTIFIER:
        raise BadFrame("a message is a FlatBuffers frame with the identifier CHUI")
    try:
        frame = frame_table.Frame.GetRootAs(message, 0)
        kind, table = frame.BodyType(), frame.Body()
        reader = _READERS.get(kind)
        if reader is None or table is None:
            raise BadFrame(f"there is no body of type {kind}")
        return Frame(frame.Call(), reader(table))
    except BadFrame:
        raise
    except _MALFORMED as error:
        raise BadFrame(f"the frame's tables cannot be read: {error}") from error


def _write_body(builder: flatbuffers.Builder, body: Body) -> tuple[int, int]:
    match body:
        case Open(session):
            data = builder.CreateByteVector(session)
            open_table.OpenStart(builder)
            open_table.OpenAddSession(builder, data)
            return Kind.Open, open_table.OpenEnd(builder)
        case Opened(call_id):
            text = builder.CreateString(call_id)
            opened_table.OpenedStart(builder)
            opened_table.OpenedAddCallId(builder, text)
            return Kind.Opened, opened_table.OpenedEnd(builder)
        case Audio(packet, item_id):
            data = builder.CreateByteVector(packet)
            item = builder.CreateString(item_id) if item_id else 0
            audio_table.AudioStart(builder)
            audio_table.AudioAddPacket(builder, data)
            if item:
                audio_table.AudioAddItemId(builder, item)
            return Kind.Audio, audio_table.AudioEnd(builder)
        case Event(json):
            packing, packed = _packed(json)
            data = builder.CreateByteVector(packed)
            event_table.EventStart(builder)
            event_table.EventAddJson(builder, data)
            event_table.EventAddPacking(builder, packing)
            return Kind.Event, event_table.EventEnd(builder)
        case Close(code, message):
            codes, why = builder.CreateString(code), builder.CreateString(message)
            close_table.CloseStart(builder)
            close_table.CloseAddCode(builder, codes)
            close_table.CloseAddMessage(builder, why)
            return Kind.Close, close_table.CloseEnd(builder)


def _packed(json: bytes) -> tuple[int, bytes]:
    """An event's bytes, deflated where that saves something."""
    if len(json) >= WORTH_PACKING:
        deflating = zlib.compressobj(level=1, wbits=-15)
        deflated = deflating.compress(json) + deflating.flush()
        if len(deflated) <= SAVES * len(json):
            return Packing.Deflate, deflated
    return Packing.None_, json


def _unpacked(packing: int, data: bytes) -> bytes:
    if packing != Packing.Deflate:
        return data
    inflating = zlib.decompressobj(wbits=-15)
    try:
        json = inflating.decompress(data, LARGEST_EVENT)
    except zlib.error as error:
        raise BadFrame(f"the event cannot be inflated: {error}") from error
    if inflating.unconsumed_tail or not inflating.eof:
        raise BadFrame(f"an event has at most {LARGEST_EVENT} bytes, and an end")
    return json


def _bytes(table: Any, slot: int) -> bytes:
    """The byte vector in a field's slot; empty where there is none."""
    offset = table.Offset(slot)
    if not offset:
        return b""
    start, length = table.Vector(offset), table.VectorLen(offset)
    if start + length > len(table.Bytes):
        raise BadFrame("a vector ends after the frame")
    return bytes(table.Bytes[start : start + length])


def _text(table: Any, slot: int) -> str:
    return _bytes(table, slot).decode()


_READERS: dict[int, Callable[[Any], Body]] = {
    Kind.Open: lambda table: Open(_bytes(table, 4)),
    Kind.Opened: lambda table: Opened(_text(table, 4)),
    Kind.Audio: lambda table: Audio(_bytes(table, 4), _text(table, 6)),
    Kind.Event: lambda table: Event(_unpacked(_number(table, 6), _bytes(table, 4))),
    Kind.Close: lambda table: Close(_text(table, 4), _text(table, 6)),
}


def _number(table: Any, slot: int) -> int:
    offset = table.Offset(slot)
    return int(table.Bytes[table.Pos + offset]) if offset else 0
