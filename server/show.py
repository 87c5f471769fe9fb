"""The settings in effect, as a TOML file: what each means, and where it was set if it was.

The file can be used as a configuration again; what is secret is left out of it.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from tomlkit.items import AoT, Table

from server.problems import is_secret
from server.sources import Keys, Layers

WIDTH = 96


def as_toml(settings: BaseModel, layers: Layers) -> str:
    """The effective settings as TOML text."""
    document = tomlkit.document()
    document.update(_table(settings, layers, ()))
    return tomlkit.dumps(document)


def _table(settings: BaseModel, layers: Layers, keys: Keys) -> Table:
    table = tomlkit.table()
    # A table's own values come before the tables in it: that is TOML's order.
    fields = type(settings).model_fields.items()
    for nested in (False, True):
        for name, field in fields:
            value = getattr(settings, name)
            if _is_nested(value) == nested:
                _put(table, name, field, value, layers, (*keys, name))
    return table


def _is_nested(value: object) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(isinstance(inner, BaseModel) for inner in value.values())
    if isinstance(value, tuple | list):
        return bool(value) and isinstance(value[0], BaseModel)
    return isinstance(value, BaseModel)


def _put(table: Table, name: str, field: FieldInfo, value: Any, layers: Layers, keys: Keys) -> None:
    if isinstance(value, BaseModel):
        table.add(name, _table(value, layers, keys))
    elif _is_nested(value) and isinstance(value, dict):
        inner = tomlkit.table(is_super_table=True)
        for key, member in value.items():
            inner.add(key, _table(member, layers, (*keys, key)))
        table.add(name, inner)
    elif _is_nested(value):
        table.add(name, AoT([_table(member, layers, (*keys, "0")) for member in value]))
    else:
        _describe(table, field, layers, keys)
        if is_secret(field) or value is None:
            hidden = "(hidden)" if is_secret(field) and _is_set(value) else "(not set)"
            table.add(tomlkit.comment(f"{name} = {hidden}"))
        else:
            table.add(name, _plain(value))
        table.add(tomlkit.nl())


def _describe(table: Table, field: FieldInfo, layers: Layers, keys: Keys) -> None:
    text = " ".join((field.description or "").split())
    source = layers.source(keys)
    if source is not None:
        text = f"{text} [from {source.name}]".strip()
    for line in textwrap.wrap(text, WIDTH):
        table.add(tomlkit.comment(line))


def _is_set(value: object) -> bool:
    return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        table = tomlkit.inline_table()  # a whole table would swallow the values that come after it
        table.update({str(key): _plain(inner) for key, inner in value.items()})
        return table
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    return value
