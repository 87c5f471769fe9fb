"""llama.cpp as we use it. The one file that knows its API, with `batch.py`, `grammar.py` and
`adapters.py` beside it.

Imported when a model is to be loaded and no sooner: the library takes its time, and on a processor
that it was not built for it cannot be loaded at all.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt

from agent.engines.llama.adapters import Adapters
from agent.engines.llama.batch import Batch, room_of
from agent.engines.llama.grammar import LlamaGrammar
from agent.engines.llama.parts import AT_ONCE, parts
from agent.engines.llama.prefixes import Prefixes, mark_of
from agent.engines.llama.runtime import (
    SYSTEM_PROMPTS,
    Bound,
    Entry,
)
from agent.engines.llama.settings import LlamaSettings, spare_cores
from agent.errors import EngineMissing, WrongSetting

log = logging.getLogger(__name__)

_SPLIT_BYTES = 640 << 20
"""Memory that a cache split by sequence may take when nobody has chosen a layout."""
_BYTES = {"f16": 2.0, "q8_0": 34 / 32}
_FLASH_HEAD = 32
"""On a CPU plain attention is sooner done than flash attention: by a third of a prompt's time after
800 tokens where each sequence has memory of its own, and always for heads of fewer numbers."""


class LlamaCpp:
    """A GGUF file in llama.cpp. Raises EngineMissing where it can't be loaded."""

    batch: int
    """Tokens of one call of `decode` at most."""

    def __init__(
        self, path: Path, settings: LlamaSettings, *, prefixes: Path | None = None
    ) -> None:
        self.layers = _gpu_layers(settings)
        """Layers on the GPU; -1: all."""
        self._path = path
        llama_cpp.llama_backend_init()
        llama_cpp.llama_log_set(_LOG_LINE, ctypes.c_void_p(0))
        self._model = _load_model(path, settings, self.layers)
        self._adapters = _load_adapters(self._model, settings)
        self.adapters: Collection[str] = self._adapters.names
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        trained: int = llama_cpp.llama_model_n_ctx_train(self._model)
        self.context = min(settings.context, trained)
        # Besides the conversations': one sequence for each of a few system prompts.
        self.sequences = settings.conversations + SYSTEM_PROMPTS
        self._split = _is_split(self, self._model, settings)
        self.cells = _cells(self, settings, split=self._split)
        self.batch = max(
            settings.batch_tokens or (512 if self.layers else 64 if self._split else 60),
            settings.conversations + (settings.prefill_share or AT_ONCE),
        )
        self.rewinds = not (
            llama_cpp.llama_model_is_recurrent(self._model)
            or llama_cpp.llama_model_is_hybrid(self._model)
        )
        self._context = _make_context(self, self._model, settings, split=self._split)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = Batch(
            self._context, most=self.batch, sequences=self.sequences, split=self._split
        )
        if self.rewinds and not self.layers:
            self._batch.fill_where_it_pays()
        self._vocab_size: int = llama_cpp.llama_vocab_n_tokens(self._vocab)
        self._logits = _Logits(self._vocab_size)
        self._prefixes = _prefixes(path, settings, prefixes)
        self._known: dict[int, tuple[bytes, bool]] = {}
        self._bos = self._special(llama_cpp.llama_vocab_bos(self._vocab))
        self._rows: list[npt.NDArray[np.float32]] = []
        """How likely each token is after each answer of the last decode."""
        self._adds_bos: bool = llama_cpp.llama_vocab_get_add_bos(self._vocab)

    @property
    def template(self) -> str | None:
        """The chat template that the file carries."""
        text = llama_cpp.llama_model_chat_template(self._model, None)
        return text.decode("utf-8", "replace") if text else None

    @property
    def bos(self) -> str:
        """The text of the token that begins every prompt; empty without one."""
        return self._bos

    @property
    def eos(self) -> str:
        return self._special(llama_cpp.llama_vocab_eos(self._vocab))

    @property
    def name(self) -> str:
        """Architecture, size and quantisation, in llama.cpp's words."""
        buffer = ctypes.create_string_buffer(256)
        llama_cpp.llama_model_desc(self._model, buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace")

    def tokenize(self, text: str) -> list[int]:
        """Tokens of a prompt, markers included; begins with the token that the model expects."""
        data = text.encode("utf-8", "replace")
        add_bos = self._adds_bos and not (self._bos and text.startswith(self._bos))
        room = len(data) + 8
        while True:
            tokens = (llama_cpp.llama_token * room)()
            count = llama_cpp.llama_tokenize(
                self._vocab, data, len(data), tokens, room, add_bos, True
            )
            if count >= 0:
                return list(tokens[:count])
            room = -count  # more tokens than bytes: some models spell a space in three

    def piece(self, token: int) -> bytes:
        """The bytes that a token writes; none for a marker."""
        return self._known_of(token)[0]

    def ends(self, token: int) -> bool:
        return self._known_of(token)[1]

    def decode(self, batch: Sequence[Entry], adapter: str) -> list[int]:
        self._adapters.use(self._context, adapter)
        calls = parts(batch, split=self._split)
        known: dict[int, npt.NDArray[np.float32]] = {}
        for part in calls:
            self._batch.decode(part.entries)
            if part.answers:
                logits = llama_cpp.llama_get_logits(self._context)
                rows = self._logits.of(logits, len(part.answers))
                if part is not calls[-1]:
                    rows = rows.copy()  # the next call writes over them
                known.update(zip(part.answers, rows, strict=True))
        self._rows = [known[answer] for answer in range(len(known))]
        return [int(row.argmax()) for row in self._rows]

    def likeliest(self, answer: int, refused: Collection[int]) -> int:
        logits = self._rows[answer].copy()
        logits[list(refused)] = -np.inf
        return int(logits.argmax())

    def marker(self, token: int) -> bytes:
        return self._piece(token, special=True)

    def bound(self, gbnf: str) -> Bound:
        return LlamaGrammar(self._vocab, gbnf, lambda answer: self._rows[answer])

    def copy(self, source: int, target: int, length: int) -> None:
        if self._split:  # llama.cpp copies a sequence's memory as a whole, before the next step
            llama_cpp.llama_memory_seq_cp(self._memory, source, target, -1, -1)
            llama_cpp.llama_memory_seq_rm(self._memory, target, length, -1)
        else:
            llama_cpp.llama_memory_seq_cp(self._memory, source, target, 0, length)

    def cut(self, sequence: int, length: int) -> None:
        llama_cpp.llama_memory_seq_rm(self._memory, sequence, length, -1)

    def keep(self, sequence: int, tokens: Sequence[int], adapter: str) -> None:
        if self._prefixes is None:
            return
        size = llama_cpp.llama_state_seq_get_size(self._context, sequence)
        state = (ctypes.c_uint8 * size)()
        written = llama_cpp.llama_state_seq_get_data(self._context, state, size, sequence)
        if written:
            self._prefixes.keep(tokens, bytes(state)[:written], self._adapters.mark(adapter))

    def restore(self, sequence: int, tokens: Sequence[int], adapter: str) -> bool:
        if self._prefixes is None:
            return False
        mark = self._adapters.mark(adapter)
        state = self._prefixes.find(tokens, mark)
        if state is None:
            return False
        data = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        read = llama_cpp.llama_state_seq_set_data(self._context, data, len(state), sequence)
        last = llama_cpp.llama_memory_seq_pos_max(self._memory, sequence)
        if read and last == len(tokens) - 1:
            return True
        llama_cpp.llama_memory_seq_rm(self._memory, sequence, -1, -1)
        self._prefixes.drop(tokens, mark)
        return False

    def clear(self) -> None:
        llama_cpp.llama_memory_clear(self._memory, True)

    def close(self) -> None:
        """Free it all; nothing may be called afterwards."""
        self._batch.close()
        llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self._model)

    def _known_of(self, token: int) -> tuple[bytes, bool]:
        """What a token writes, and whether it ends a reply; asked of the library once."""
        known = self._known.get(token)
        if known is None:
            ends = bool(llama_cpp.llama_vocab_is_eog(self._vocab, token))
            known = self._known[token] = (self._piece(token, special=False), ends)
        return known

    def _special(self, token: int) -> str:
        return self._piece(token, special=True).decode("utf-8", "replace") if token >= 0 else ""

    def _piece(self, token: int, *, special: bool) -> bytes:
        buffer = ctypes.create_string_buffer(64)
        size = llama_cpp.llama_token_to_piece(self._vocab, token, buffer, 64, 0, special)
        if size < 0:
            buffer = ctypes.create_string_buffer(-size)
            size = llama_cpp.llama_token_to_piece(self._vocab, token, buffer, -size, 0, special)
        return buffer.raw[: max(size, 0)]


def load(path: Path, settings: LlamaSettings, *, prefixes: Path | None = None) -> LlamaCpp:
    """Where `auto` finds a GPU that cannot take the model, on the CPU. Raises EngineMissing."""
    try:
        return LlamaCpp(path, settings, prefixes=prefixes)
    except WrongSetting:
        raise
    except EngineMissing as error:
        if settings.device != "auto" or not _gpu_layers(settings):
            raise
        log.warning("The language model goes on without the GPU", extra={"cause": str(error)})
    on_cpu = settings.model_copy(update={"device": "cpu"})
    return LlamaCpp(path, on_cpu, prefixes=prefixes)


class _Logits:
    """llama.cpp's scores as arrays: views of its own memory, made anew only when that moves."""

    def __init__(self, vocabulary: int) -> None:
        self._vocabulary = vocabulary
        self._views: dict[int, npt.NDArray[np.float32]] = {}
        self._address = 0

    def of(self, logits: Any, answers: int) -> npt.NDArray[np.float32]:
        """`answers` rows of one score a token. Good until the next decode."""
        address = ctypes.cast(logits, ctypes.c_void_p).value or 0
        if address != self._address:
            self._address, self._views = address, {}
        view = self._views.get(answers)
        if view is None:
            shape = (answers, self._vocabulary)
            view = self._views[answers] = np.ctypeslib.as_array(logits, shape=shape)
        return view


_ERROR = 4
"""ggml's level of what failed. (The wheel's own callback still has the numbers of an older release,
and prints every tensor of a model as if it were a warning.)"""


def _log_line(level: int, text: bytes, user: object) -> None:
    # Its warnings are for whoever writes the program: that the cache of all conversations is larger
    # than what the model was trained for, which no single one of them can be.
    ours = logging.WARNING if level == _ERROR else logging.DEBUG
    if log.isEnabledFor(ours):
        log.log(ours, "llama.cpp: %s", text.decode("utf-8", "replace").strip())


_LOG_LINE = llama_cpp.llama_log_callback(_log_line)


def _gpu_layers(settings: LlamaSettings) -> int:
    has_gpu = bool(llama_cpp.llama_supports_gpu_offload())
    if settings.device == "cpu" or (settings.device == "auto" and not has_gpu):
        return 0
    if not has_gpu:
        raise WrongSetting(
            "llm",
            "llm.llama.device is cuda, but llama.cpp finds no GPU: there is none, or "
            "llama-cpp-python was built without CUDA. Set it to auto, or build it again (make run "
            "CUDA=1)",
        )
    return settings.n_gpu_layers


def _load_model(path: Path, settings: LlamaSettings, layers: int) -> Any:
    if not path.is_file():
        raise EngineMissing("llm", f"no language model at {path}: no such file")
    params = llama_cpp.llama_model_default_params()
    params.n_gpu_layers = 9999 if layers < 0 else layers
    if not layers:  # llama.cpp would still take a GPU's memory, and send it each prompt's weights
        params.split_mode, params.main_gpu = llama_cpp.LLAMA_SPLIT_MODE_NONE, -1
    params.load_mode = (
        llama_cpp.LLAMA_LOAD_MODE_MMAP if settings.mmap else llama_cpp.LLAMA_LOAD_MODE_NONE
    )
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
    if not model:
        raise EngineMissing("llm", _unloadable(path, layers))
    return model


def _unloadable(path: Path, layers: int) -> str:
    """Why there may be no model, and what to do: llama.cpp itself tells its log alone."""
    file = f"llama.cpp cannot load {path} ({path.stat().st_size} bytes)"
    damaged = (
        "it is damaged, no GGUF file, or of an architecture that this llama-cpp-python does not "
        "know. Pull it again, or upgrade llama-cpp-python"
    )
    if not layers:
        return f"{file}: {damaged}"
    there = "all" if layers < 0 else layers
    return (
        f"{file} with {there} of its layers on the GPU: its free memory (nvidia-smi) is too small "
        f"for them, set llm.llama.n_gpu_layers lower; or {damaged}"
    )


def _load_adapters(model: Any, settings: LlamaSettings) -> Adapters:
    try:
        return Adapters(model, settings.adapters)
    except EngineMissing:
        llama_cpp.llama_model_free(model)
        raise


def _prefixes(path: Path, settings: LlamaSettings, folder: Path | None) -> Prefixes | None:
    if folder is None or not settings.prefix_megabytes:
        return None
    cache = settings.model_dump_json(exclude={"adapters"})
    mark = f"{mark_of(path)} {llama_cpp.__version__} {cache}"
    return Prefixes(folder, mark=mark, most=settings.prefix_megabytes << 20)


def _is_split(runtime: LlamaCpp, model: Any, settings: LlamaSettings) -> bool:
    """Each sequence has memory of its own. Attention then passes over nobody else's tokens, which
    is what a CPU gains by; a GPU gains more by one large batch than by that."""
    if settings.cache_layout != "auto":
        return settings.cache_layout == "split"
    per_sequence = _up(runtime.context) * _bytes_per_token(model, settings)
    return not runtime.layers and per_sequence * runtime.sequences <= _SPLIT_BYTES


def _cells(runtime: LlamaCpp, settings: LlamaSettings, *, split: bool) -> int:
    if split:
        return _up(runtime.context) * runtime.sequences
    return _up(max(settings.cache_tokens, runtime.context))


def _up(tokens: int) -> int:
    """llama.cpp's caches grow in steps of 256 tokens."""
    return -(-tokens // 256) * 256


def _head_size(model: Any) -> int:
    heads: int = max(1, llama_cpp.llama_model_n_head(model))
    return int(llama_cpp.llama_model_n_embd(model)) // heads


def _bytes_per_token(model: Any, settings: LlamaSettings) -> int:
    """What one token takes in the cache: keys and values of all layers."""
    kept = int(llama_cpp.llama_model_n_head_kv(model)) * _head_size(model)
    return int(2 * kept * int(llama_cpp.llama_model_n_layer(model)) * _BYTES[settings.kv_type])


def _make_context(runtime: LlamaCpp, model: Any, settings: LlamaSettings, *, split: bool) -> Any:
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = runtime.cells
    params.n_seq_max = runtime.sequences
    params.kv_unified = not split
    params.swa_full = True  # a sliding window could not be rolled back
    params.n_batch = params.n_ubatch = room_of(runtime.batch)
    params.n_threads = params.n_threads_batch = settings.threads or spare_cores()
    kind = llama_cpp.GGML_TYPE_Q8_0 if settings.kv_type == "q8_0" else llama_cpp.GGML_TYPE_F16
    params.type_k = params.type_v = kind
    is_plain = split or _head_size(model) < _FLASH_HEAD
    if settings.kv_type == "f16" and not runtime.layers and is_plain:
        params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
    context = llama_cpp.llama_init_from_model(model, params)
    if not context:
        llama_cpp.llama_model_free(model)
        raise EngineMissing(
            "llm",
            f"llama.cpp cannot make a cache of {runtime.cells} tokens as {settings.kv_type}: set "
            "llm.llama.cache_tokens lower if memory is short, or llm.llama.kv_type to f16",
        )
    return context
