"""Where settings are written: a TOML file, the environment, the command line, in this order.

The three are read into one tree of plain values; what each value came from is remembered, so that
a complaint can name it. What the values must be is the business of `server.config`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PREFIX = "CHUIMSAE_"
Keys = tuple[str, ...]


class ConfigurationError(Exception):
    """The settings cannot be used; the message lists every problem, one a line."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value was written; `text`: as it was written, when that was not TOML's own file."""

    name: str
    text: str | None = None


@dataclass(slots=True)
class Layers:
    """The merged tree, and the source of each of its leaves."""

    tree: dict[str, Any] = field(default_factory=dict)
    sources: dict[Keys, Source] = field(default_factory=dict)

    def put(self, keys: Keys, value: object, source: Source) -> None:
        """Set one value; a table is merged into what is there."""
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                self.put((*keys, key), inner, source)
            return
        table = self.tree
        for key in keys[:-1]:
            inner = table.setdefault(key, {})
            if not isinstance(inner, dict):
                inner = table[key] = {}
            table = inner
        table[keys[-1]] = value
        self.sources[keys] = source

    def source(self, keys: Keys) -> Source | None:
        """Where the value at `keys` came from, or the nearest part of it that was written."""
        for length in range(len(keys), 0, -1):
            if keys[:length] in self.sources:
                return self.sources[keys[:length]]
        return next((found for at, found in self.sources.items() if at[: len(keys)] == keys), None)

    def value(self, keys: Keys) -> object:
        """The value at `keys`; None where there is none."""
        found: object = self.tree
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found


def read(path: Path | None, env: Mapping[str, str], overrides: Sequence[str]) -> Layers:
    """All that is written, later sources over earlier ones. Raises ConfigurationError."""
    layers = Layers()
    if path is not None:
        for key, value in _table(path).items():
            layers.put((key,), value, Source(str(path)))
    for name in sorted(env):
        if name.startswith(PREFIX):
            keys = tuple(name.removeprefix(PREFIX).lower().split("__"))
            layers.put(keys, parse(env[name]), Source(name, env[name]))
    for override in overrides:
        name, equals, text = override.partition("=")
        if not equals or not all(name.strip().split(".")):
            raise ConfigurationError(f"--set {override}: write it as --set section.name=value")
        layers.put(tuple(name.strip().split(".")), parse(text), Source(f"--set {name}", text))
    return layers


def parse(text: str) -> object:
    """The text as a TOML value (`true`, `0.5`, `["a"]`, `"a"`), or as it stands."""
    try:
        return tomllib.loads(f"value = {text}")["value"] if "\n" not in text else text
    except tomllib.TOMLDecodeError:
        return text


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is no valid TOML: {error}") from error
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ConfigurationError(f"{path} cannot be read: {why}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is no text in UTF-8, as TOML must be: {error}") from error
