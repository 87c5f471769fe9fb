"""libpocketsphinx, called without holding Python's lock.

The package's own binding keeps the global interpreter lock for as long as it decodes, which would
stop the audio of every call. The same library, inside its extension module, is called here through
ctypes, which lets go of the lock. https://cmusphinx.github.io/pocketsphinx/ has the C API.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from agent.errors import EngineFailed, EngineMissing
from media.audio import Samples

_POINTER = ctypes.c_void_p
_FUNCTIONS: dict[str, tuple[object, list[object]]] = {
    "err_set_loglevel_str": (ctypes.c_char_p, [ctypes.c_char_p]),
    "ps_config_init": (_POINTER, [_POINTER]),
    "ps_config_set_str": (_POINTER, [_POINTER, ctypes.c_char_p, ctypes.c_char_p]),
    "ps_config_free": (ctypes.c_int, [_POINTER]),
    "ps_init": (_POINTER, [_POINTER]),
    "ps_free": (ctypes.c_int, [_POINTER]),
    "ps_start_utt": (ctypes.c_int, [_POINTER]),
    "ps_process_raw": (
        ctypes.c_int,
        [_POINTER, _POINTER, ctypes.c_size_t, ctypes.c_int, ctypes.c_int],
    ),
    "ps_end_utt": (ctypes.c_int, [_POINTER]),
    "ps_get_hyp": (ctypes.c_char_p, [_POINTER, _POINTER]),
    "ps_get_prob": (ctypes.c_int32, [_POINTER]),
    "ps_get_logmath": (_POINTER, [_POINTER]),
    "logmath_exp": (ctypes.c_double, [_POINTER, ctypes.c_int]),
}


class SphinxDecoder:
    """One decoder: one utterance at a time, in one thread at a time. About 90 MB."""

    def __init__(self, options: Mapping[str, str]) -> None:
        """`options`: PocketSphinx's own, as text. Raises EngineMissing."""
        self._decoder = None
        self._library, model = _load()
        self._library.err_set_loglevel_str(b"FATAL")
        files = {
            "hmm": str(model / "en-us"),
            "lm": str(model / "en-us.lm.bin"),
            "dict": str(model / "cmudict-en-us.dict"),
        }
        config = self._library.ps_config_init(None)
        for name, value in (files | dict(options)).items():
            if not self._library.ps_config_set_str(config, name.encode(), value.encode()):
                raise EngineMissing("stt", f"PocketSphinx refused the option {name}={value}")
        self._decoder = self._library.ps_init(config)
        self._library.ps_config_free(config)
        if not self._decoder:
            raise EngineMissing("stt", f"PocketSphinx does not start with its model in {model}")

    def decode(self, samples: Samples) -> None:
        """Hear an utterance of 16 kHz samples, normalised by all of it.

        The library can also listen along, but not both: a decoder that did one and then the other
        read outside its buffers (5.1.1), and what it understands while listening along is poor.
        """
        samples = np.ascontiguousarray(samples)
        self._check(self._library.ps_start_utt(self._decoder), "start_utt")
        heard = self._library.ps_process_raw(
            self._decoder, samples.ctypes.data, len(samples), 0, int(True)
        )
        self._check(heard, "process_raw")
        self._check(self._library.ps_end_utt(self._decoder), "end_utt")

    def text(self) -> str:
        """The best hypothesis, in lower case, without its markers for silence and variants."""
        words = self._library.ps_get_hyp(self._decoder, None)
        return (words or b"").decode()

    def confidence(self) -> float:
        """Posterior probability of the text, 0..1, once the utterance has ended."""
        log = self._library.ps_get_prob(self._decoder)
        probability = self._library.logmath_exp(self._library.ps_get_logmath(self._decoder), log)
        return min(probability, 1.0) if math.isfinite(probability) else 0.0

    def close(self) -> None:
        """Free its memory; idempotent."""
        if self._decoder:
            self._library.ps_free(self._decoder)
        self._decoder = None

    def _check(self, status: int, name: str) -> None:
        if status < 0:
            raise EngineFailed("stt", f"PocketSphinx failed in ps_{name}: {status}")


def _load() -> tuple[ctypes.CDLL, Path]:
    try:
        import pocketsphinx
        from pocketsphinx import _pocketsphinx
    except ImportError as error:
        raise EngineMissing(
            "stt", f"PocketSphinx is not installed ({error}); run pip install -r requirements.txt"
        ) from error
    library = ctypes.CDLL(_pocketsphinx.__file__)
    try:
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except AttributeError as error:
        raise EngineMissing(
            "stt", f"this PocketSphinx cannot be called from here: {error}"
        ) from error
    return library, Path(pocketsphinx.get_model_path()) / "en-us"
