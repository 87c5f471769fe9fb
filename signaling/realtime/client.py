"""A client's events, parsed at the border into frozen facts. Pure.

Fields that a newer client may add are ignored; a missing or wrong one is refused with its path.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from signaling.realtime.refusal import Refused, invalid
from signaling.realtime.strict_json import read

MAX_MESSAGE = 4 << 20
"""Bytes of an event that are read: a minute of PCM in base64."""


NAME = r"^[A-Za-z0-9_-]{1,64}$"
"""What a tool can be called."""


class _ClientEvent(BaseModel, frozen=True, extra="ignore"):
    event_id: str | None = Field(default=None, max_length=512)


class SessionUpdate(_ClientEvent, frozen=True):
    type: Literal["session.update"]
    session: dict[str, Any]


class Append(_ClientEvent, frozen=True):
    type: Literal["input_audio_buffer.append"]
    audio: str


class Commit(_ClientEvent, frozen=True):
    type: Literal["input_audio_buffer.commit"]


class Clear(_ClientEvent, frozen=True):
    type: Literal["input_audio_buffer.clear"]


class Part(BaseModel, frozen=True, extra="ignore"):
    """A piece of a message's content."""

    type: Literal["input_text", "output_text", "input_audio", "output_audio", "input_image", "text"]
    text: str | None = Field(default=None, max_length=20_000)
    audio: str | None = None
    """In base64."""


class NewItem(BaseModel, frozen=True, extra="ignore"):
    """What the client puts into the conversation: a message, a call of a tool, or its result."""

    type: Literal["message", "function_call", "function_call_output"]
    id: str | None = Field(default=None, min_length=1, max_length=64)
    role: Literal["user", "assistant", "system"] | None = None
    content: list[Part] = Field(default=[], max_length=64)
    call_id: str | None = Field(default=None, min_length=1, max_length=64)
    name: str | None = Field(default=None, pattern=NAME)
    arguments: str | None = Field(default=None, max_length=100_000)
    output: str | None = Field(default=None, max_length=100_000)


class CreateItem(_ClientEvent, frozen=True):
    type: Literal["conversation.item.create"]
    item: NewItem
    previous_item_id: str | None = None


class RetrieveItem(_ClientEvent, frozen=True):
    type: Literal["conversation.item.retrieve"]
    item_id: str


class TruncateItem(_ClientEvent, frozen=True):
    type: Literal["conversation.item.truncate"]
    item_id: str
    content_index: int = Field(ge=0)
    audio_end_ms: int = Field(ge=0, le=86_400_000)


class DeleteItem(_ClientEvent, frozen=True):
    type: Literal["conversation.item.delete"]
    item_id: str


class ItemReference(BaseModel, frozen=True, extra="ignore"):
    """An item of the conversation, by its id."""

    type: Literal["item_reference"]
    id: str


GivenItem = Annotated[NewItem | ItemReference, Field(discriminator="type")]

Metadata = dict[
    Annotated[str, Field(max_length=64)],
    Annotated[str, Field(max_length=512)],
]


class ResponseParameters(BaseModel, frozen=True, extra="ignore"):
    """What one response is to be like."""

    conversation: Literal["auto", "none"] | None = None
    input: list[GivenItem] | None = Field(default=None, max_length=256)
    instructions: str | None = Field(default=None, max_length=20_000)
    metadata: Metadata | None = Field(default=None, max_length=16)
    output_modalities: list[Literal["text", "audio"]] | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=4096)] | Literal["inf"] | None = None
    audio: dict[str, Any] | None = None
    tools: list[Any] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    prompt: Any = None
    """Refused: see `SessionConfig.prompt`."""


class CreateResponse(_ClientEvent, frozen=True):
    type: Literal["response.create"]
    response: ResponseParameters | None = None


class CancelResponse(_ClientEvent, frozen=True):
    type: Literal["response.cancel"]
    response_id: str | None = None


class ClearOutput(_ClientEvent, frozen=True):
    type: Literal["output_audio_buffer.clear"]


ClientEvent = Annotated[
    SessionUpdate
    | Append
    | Commit
    | Clear
    | CreateItem
    | RetrieveItem
    | TruncateItem
    | DeleteItem
    | CreateResponse
    | CancelResponse
    | ClearOutput,
    Field(discriminator="type"),
]

_CLIENT_EVENT: TypeAdapter[ClientEvent] = TypeAdapter(ClientEvent)


def parse(message: str | bytes) -> ClientEvent:
    """The client's event. Raises Refused, with the event's id where there is one."""
    if len(message) > MAX_MESSAGE:
        raise Refused("event_too_large", f"an event has {MAX_MESSAGE} bytes at most")
    fields = read(message, "the event")
    if not isinstance(fields, dict):
        raise Refused("invalid_event", "an event is a JSON object")
    try:
        return _CLIENT_EVENT.validate_python(fields)
    except ValidationError as error:
        raise _about(error, fields) from error


def _about(error: ValidationError, fields: dict[str, Any]) -> Refused:
    kind, first = fields.get("type"), error.errors()[0]
    if not isinstance(kind, str):
        refused = Refused("missing_required_parameter", "an event needs a type", param="type")
    elif first["type"] == "union_tag_invalid" and not first["loc"]:
        refused = Refused("invalid_value", f"there is no event {kind[:64]!r}", param="type")
    else:
        refused = invalid(error, fields)
    if isinstance(given := fields.get("event_id"), str):
        refused.event_id = given[:512]
    return refused
