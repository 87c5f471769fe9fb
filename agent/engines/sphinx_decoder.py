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
import numpy.typing as npt

from agent.errors import EngineFailed, EngineMissing
from media.audio import Samples

Cepstra = npt.NDArray[np.float32]

USUAL_MEAN = np.array(
    [45.8, 22.7, -17.6, 23.9, -5.6, -7.9, 3.8, -4.2, -1.2, -1.1, -9.1, -0.7, -2.1], np.float32
)
"""What the mean is before much was heard: that of recordings by microphone and telephone."""
USUAL_FRAMES = 30
"""For how many frames of 10 ms of an utterance that counts."""
_MEAN_OVER = 10 * 16_000
"""Samples of an utterance that its mean is taken over; later ones change it no more."""
_SHIFT = 160

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
    "ps_get_config": (_POINTER, [_POINTER]),
    "ps_set_cmn": (ctypes.c_int, [_POINTER, ctypes.c_char_p]),
    "fe_init_auto_r": (_POINTER, [_POINTER]),
    "fe_free": (ctypes.c_int, [_POINTER]),
    "fe_start_utt": (ctypes.c_int, [_POINTER]),
    "fe_get_output_size": (ctypes.c_int, [_POINTER]),
    "fe_process_frames": (ctypes.c_int, [_POINTER] * 5),
    "logmath_exp": (ctypes.c_double, [_POINTER, ctypes.c_int]),
}


class SphinxDecoder:
    """One decoder: one utterance at a time, in one thread at a time. About 90 MB."""

    def __init__(self, options: Mapping[str, str]) -> None:
        """`options`: PocketSphinx's own, as text. Raises EngineMissing."""
        self._decoder = self._front_end = None
        self._is_open = False
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

        self._front_end = self._library.fe_init_auto_r(self._library.ps_get_config(self._decoder))
        if not self._front_end:
            raise EngineMissing("stt", "PocketSphinx does not start its front end")

    def decode(self, samples: Samples) -> None:
        """Hear an utterance of 16 kHz samples, all of it."""
        self.begin()
        self.hear(samples, self.mean(samples))
        self.end()

    def begin(self) -> None:
        """An utterance begins; one that was left in its middle is forgotten."""
        if self._is_open:
            self.end()
        self._check(self._library.ps_start_utt(self._decoder), "start_utt")
        self._is_open = True

    def hear(self, samples: Samples, mean: Cepstra) -> None:
        """Hear more of the utterance. `mean`: of all of it that is known, as `mean` gives it."""
        told = ",".join(f"{value:.3f}" for value in mean)
        self._check(self._library.ps_set_cmn(self._decoder, told.encode()), "set_cmn")
        samples = np.ascontiguousarray(samples)
        heard = self._library.ps_process_raw(
            self._decoder, samples.ctypes.data, len(samples), 0, int(False)
        )
        self._check(heard, "process_raw")

    def end(self) -> None:
        """The utterance is over: text and confidence are final."""
        self._is_open = False
        self._check(self._library.ps_end_utt(self._decoder), "end_utt")

    def mean(self, samples: Samples) -> Cepstra:
        """The mean cepstrum of an utterance as far as it is known, leaning on what is usual."""
        cepstra = self._cepstra(samples[:_MEAN_OVER])
        total = cepstra.sum(axis=0)
        if len(total) != len(USUAL_MEAN):  # another acoustic model: nothing is known of its mean
            mean: Cepstra = total / max(len(cepstra), 1)
        else:
            mean = (total + USUAL_FRAMES * USUAL_MEAN) / (len(cepstra) + USUAL_FRAMES)
        return mean

    def _cepstra(self, samples: Samples) -> Cepstra:
        library, front_end = self._library, self._front_end
        samples = np.ascontiguousarray(samples)
        size = library.fe_get_output_size(front_end)
        cepstra = np.zeros((len(samples) // _SHIFT + 2, size), np.float32)
        rows = (_POINTER * len(cepstra))(
            *(cepstra.ctypes.data + row * cepstra.strides[0] for row in range(len(cepstra)))
        )
        begin, left = _POINTER(samples.ctypes.data), ctypes.c_size_t(len(samples))
        made = ctypes.c_int32(len(cepstra))
        self._check(library.fe_start_utt(front_end), "fe_start_utt")
        references = (ctypes.byref(each) for each in (begin, left, made))
        samples_at, samples_left, frames = references
        status = library.fe_process_frames(front_end, samples_at, samples_left, rows, frames)
        self._check(status, "fe_process_frames")
        return cepstra[: made.value]

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
        if self._front_end:
            self._library.fe_free(self._front_end)
        if self._decoder:
            self._library.ps_free(self._decoder)
        self._decoder = self._front_end = None

    def _check(self, status: int, name: str) -> None:
        if status < 0:
            raise EngineFailed("stt", f"PocketSphinx failed in {name}: {status}")


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
