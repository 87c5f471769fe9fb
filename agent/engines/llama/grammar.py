"""llama.cpp's grammars: of a model's likeliest tokens, the first that fits.

A grammar looks at whole tokens. Looking at a vocabulary of 150,000 of them takes tens of
milliseconds, so the likeliest one is looked at first, then a few, and all only if none of these
fits.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt

from agent.engines.llama.runtime import GrammarRefused

Logits = npt.NDArray[np.float32]
FEW = 64

_TOKEN = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
"""`llama_token_data`."""


class LlamaGrammar:
    """One reply's grammar (GBNF, its rule `root`). Raises GrammarRefused when it is none.

    `logits(answer)` gives what the last decode says of every token."""

    def __init__(self, vocab: Any, gbnf: str, logits: Callable[[int], Logits]) -> None:
        self._logits = logits
        self._sampler = llama_cpp.llama_sampler_init_grammar(vocab, gbnf.encode(), b"root")
        if not self._sampler:
            raise GrammarRefused("llama.cpp cannot read the grammar (see its log)")

    def choose(self, answer: int) -> int:
        logits = self._logits(answer)
        token = self._fitting(logits, np.array([logits.argmax()]))
        if token is None:
            few = min(FEW, len(logits))
            token = self._fitting(logits, np.argpartition(logits, -few)[-few:])
        if token is None:
            token = self._fitting(logits, np.arange(len(logits)))
        if token is None:
            raise GrammarRefused("no token of the model's fits the grammar")
        llama_cpp.llama_sampler_accept(self._sampler, token)
        return token

    def close(self) -> None:
        """Free it. Idempotent."""
        if self._sampler:
            llama_cpp.llama_sampler_free(self._sampler)
        self._sampler = None

    def _fitting(self, logits: Logits, tokens: npt.NDArray[np.intp]) -> int | None:
        """The likeliest of these tokens that fits."""
        candidates = np.zeros(len(tokens), _TOKEN)
        candidates["id"], candidates["logit"] = tokens, logits[tokens]
        data = candidates.ctypes.data_as(ctypes.POINTER(llama_cpp.llama_token_data))
        array = llama_cpp.llama_token_data_array(data, len(tokens), -1, False)
        llama_cpp.llama_sampler_apply(self._sampler, ctypes.byref(array))
        best = int(candidates["logit"].argmax())
        return int(candidates["id"][best]) if np.isfinite(candidates["logit"][best]) else None
