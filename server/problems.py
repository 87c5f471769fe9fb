"""What is wrong with written settings, said so that the writer can mend it.

Every problem at once, each with its dotted path, what was written and where, what is allowed, and
the nearest name that exists.
"""

from __future__ import annotations

import difflib
import types
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from server.sources import ConfigurationError, Keys, Layers, Source

SettingsModel = TypeVar("SettingsModel", bound=BaseModel)
# What a value that looks like a number or a date, but was meant as text, is refused with.
_WANTED_TEXT = frozenset({"string_type", "path_type", "literal_error", "secret_type"})


def validated(model: type[SettingsModel], layers: Layers) -> SettingsModel:
    """The written values as `model`. Raises ConfigurationError."""
    try:
        return model.model_validate(layers.tree)
    except ValidationError as error:
        first = error
    if not _take_as_text(layers, first):
        raise ConfigurationError(_list(model, layers, first.errors()))
    try:
        return model.model_validate(layers.tree)
    except ValidationError as error:
        raise ConfigurationError(_list(model, layers, _left(layers, first, error))) from None


def is_secret(field: FieldInfo) -> bool:
    """Whether a setting is one that nobody should read over a shoulder."""
    return not field.repr or _holds_secret(field.annotation)


def _holds_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(_holds_secret(part) for part in get_args(annotation))


def _take_as_text(layers: Layers, error: ValidationError) -> bool:
    """Put back what `--set` or a variable said literally where text is wanted (`api_key=1234`)."""
    taken = False
    for detail in error.errors():
        keys = _keys(layers, detail)
        source = layers.source(keys)
        if detail["type"] in _WANTED_TEXT and source and source.text is not None:
            if layers.value(keys) != source.text:
                layers.put(keys, source.text, source)
                taken = True
    return taken


def _left(layers: Layers, first: ValidationError, then: ValidationError) -> list[ErrorDetails]:
    """The complaints that reading values as text has not settled, about the values as written."""
    still = {_keys(layers, detail) for detail in then.errors()}
    before = [detail for detail in first.errors() if _keys(layers, detail) in still]
    known = {_keys(layers, detail) for detail in before}
    return [*before, *(d for d in then.errors() if _keys(layers, d) not in known)]


def _list(model: type[BaseModel], layers: Layers, details: list[ErrorDetails]) -> str:
    lines: dict[str, dict[str, None]] = {}
    for detail in details:  # a union complains once for each of its members
        head, complaint = _line(model, layers, detail)
        lines.setdefault(head, {})[complaint] = None
    return "\n".join(f"{head}: {', or '.join(complaints)}" for head, complaints in lines.items())


def _line(model: type[BaseModel], layers: Layers, detail: ErrorDetails) -> tuple[str, str]:
    """Which setting, and what is wrong with it."""
    keys = _keys(layers, detail)
    source = layers.source(keys)
    origin = f" ({source.name})" if source else ""
    name = ".".join(keys) or "the configuration"
    if detail["type"] == "extra_forbidden":
        return f"{name}{origin}", f"there is no such setting{_nearest_setting(model, keys)}"
    written = f" = {_shown(model, keys, detail, source)}" if _is_value(detail) else ""
    hint = _nearest_choice(model, keys, detail.get("input"))
    return f"{name}{written}{origin}", f"{_sentence(detail['msg'])}{hint}"


def _keys(layers: Layers, detail: ErrorDetails) -> Keys:
    """The path of what was written, without the names that a union's members go by."""
    keys = tuple(str(part) for part in detail["loc"])
    for end in range(1, len(keys)):
        if isinstance(layers.value(keys[:end]), str | int | float):
            return keys[:end]
    return keys


def _is_value(detail: ErrorDetails) -> bool:
    """Whether the complaint is about one value, and not about a table or about what is absent."""
    return detail["type"] != "missing" and not isinstance(detail["input"], dict | BaseModel)


def _shown(model: type[BaseModel], keys: Keys, detail: ErrorDetails, source: Source | None) -> str:
    for end in range(1, len(keys) + 1):  # a table of secrets hides what is in it
        table = _table_at(model, keys[: end - 1])
        field = table.model_fields.get(keys[end - 1]) if table else None
        if field is not None and is_secret(field):
            return "(hidden)"
    return repr(detail["input"]) if source is None or source.text is None else source.text


def _sentence(message: str) -> str:
    message = message.removeprefix("Value error, ")
    if message.startswith("Input should be a valid dictionary"):
        return "must be a table of settings"
    return message.replace("Input should be", "must be").replace("String should", "must")


def _nearest_setting(model: type[BaseModel], keys: Keys) -> str:
    table = _table_at(model, keys[:-1])
    names = list(table.model_fields) if table else []
    elsewhere = [path for path in _paths(model) if path[-1] == keys[-1]]
    if elsewhere:
        return f"; did you mean {' or '.join('.'.join(path) for path in elsewhere[:3])}?"
    close = difflib.get_close_matches(keys[-1], names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {'.'.join((*keys[:-1], close[0]))}?"
    where = ".".join(keys[:-1]) or "the configuration"
    return f"; {where} has {', '.join(sorted(names))}" if names else ""


def _nearest_choice(model: type[BaseModel], keys: Keys, written: object) -> str:
    table = _table_at(model, keys[:-1])
    field = table.model_fields.get(keys[-1]) if table and keys else None
    if field is None or get_origin(field.annotation) is not Literal:
        return ""
    choices = [str(choice) for choice in get_args(field.annotation)]
    close = difflib.get_close_matches(str(written), choices, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""


def _table_at(model: type[BaseModel], keys: Keys) -> type[BaseModel] | None:
    """The settings class at a path; the keys of a table of tables count as one step each."""
    found: Any = model
    for key in keys:
        if get_origin(found) is dict:
            found = get_args(found)[1]
        elif isinstance(found, type) and issubclass(found, BaseModel):
            field = found.model_fields.get(key)
            found = field.annotation if field else None
        else:
            return None
        found = _member(found)
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def _member(annotation: Any) -> Any:
    """The settings class among a union's members, or the annotation itself."""
    if get_origin(annotation) in (Union, types.UnionType):
        members = [one for one in get_args(annotation) if one is not types.NoneType]
        return next((one for one in members if isinstance(one, type)), members[0])
    return annotation


def _paths(model: type[BaseModel], above: Keys = ()) -> list[Keys]:
    found: list[Keys] = []
    for name, field in model.model_fields.items():
        found.append((*above, name))
        inner = _member(field.annotation)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found.extend(_paths(inner, (*above, name)))
    return found
