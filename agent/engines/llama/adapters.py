"""LoRA adapters: small files of weights that are added to a model's own, for some of its calls.

llama.cpp adds them for all that a step reads and says, so that a step belongs to one adapter
(`alternation.py` says whose turn it is), and what was read with one is of no use to another.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp

from agent.engines.llama.runtime import NO_ADAPTER
from agent.engines.llama.settings import AdapterSettings
from agent.errors import WrongSetting


@dataclass(frozen=True, slots=True)
class _Loaded:
    pointer: Any
    scale: float
    mark: str


class Adapters:
    """The adapters of one model by name, of which its context uses one or none at a time.

    llama.cpp frees them with the model. Raises WrongSetting for one that can't be used."""

    def __init__(self, model: Any, named: Mapping[str, AdapterSettings]) -> None:
        self._loaded = {name: _load(model, name, adapter) for name, adapter in named.items()}
        self._used = NO_ADAPTER

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._loaded)

    def mark(self, name: str) -> str:
        """What tells one from all others: its file's checksum, and how strongly it is added."""
        return self._loaded[name].mark if name else ""

    def use(self, context: Any, name: str) -> None:
        """From the next step of the context on; costs a fraction of a step when it is another."""
        if name == self._used:
            return
        if name == NO_ADAPTER:
            llama_cpp.llama_set_adapters_lora(context, None, 0, None)
        else:
            one = self._loaded[name]
            pointers = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(one.pointer)
            scales = (ctypes.c_float * 1)(one.scale)
            llama_cpp.llama_set_adapters_lora(context, pointers, 1, scales)
        self._used = name


def _load(model: Any, name: str, settings: AdapterSettings) -> _Loaded:
    path = settings.path.expanduser()
    mend = f"set llm.llama.adapters.{name}.path to a LoRA adapter in GGUF for this model"
    if not path.is_file():
        raise WrongSetting("llm", f"no adapter {name} at {path}: no such file. {mend}")
    pointer = llama_cpp.llama_adapter_lora_init(model, str(path).encode())
    if not pointer:
        raise WrongSetting(
            "llm",
            f"llama.cpp cannot use the adapter {name} at {path}: it is damaged, no adapter, or was "
            f"made for another model (see the log). {mend}",
        )
    if llama_cpp.llama_adapter_get_alora_n_invocation_tokens(pointer):
        raise WrongSetting(
            "llm",
            f"the adapter {name} at {path} begins in the middle of a prompt (aLoRA), which is not "
            f"supported. {mend}",
        )
    return _Loaded(pointer, settings.scale, f"{_checksum(path)} {settings.scale}")


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
