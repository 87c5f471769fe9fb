"""What Whisper would gain by understanding short utterances of several callers in one batch.

    python -m bench.stt_batch [--utterances 4] [--seconds 4] [--threads 2]

A model of Whisper tiny's shape with a script for words; the utterances are noise, trimmed as the
engine trims them. Serial: one worker of one thread each, as `agent/engines/whisper.py` has them.
Batched: all of them in one call, on as many threads. The contestants take turns in each round.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel

from bench.random_whisper import TINY_EN, write_scripted

FRAMES = 100
"""Of the spectrogram, a second."""
TOKENS = ("<|startoftranscript|>", "<|notimestamps|>")
LONGEST = 24


def main(options: argparse.Namespace) -> None:
    """Measure and print, in milliseconds for all utterances together."""
    count, frames = options.utterances, round(options.seconds * FRAMES)
    with tempfile.TemporaryDirectory() as folder:
        path = str(write_scripted(Path(folder), "what is the weather like", shape=TINY_EN))
        tokenizer = WhisperModel(path, device="cpu", compute_type="int8").hf_tokenizer
        prompt = [tokenizer.token_to_id(token) for token in TOKENS]
        serial, batched = _model(path, 1, options.threads), _model(path, options.threads, 1)
        with ThreadPoolExecutor(options.threads) as workers:

            def one_by_one() -> None:
                list(workers.map(lambda _: _understand(serial, 1, frames, prompt), range(count)))

            def together() -> None:
                _understand(batched, count, frames, prompt)

            rounds = [(_ms(one_by_one), _ms(together)) for _ in range(options.rounds + 1)][1:]
    alone, batch = (statistics.median(times) for times in zip(*rounds, strict=True))
    print(f"{count} utterances of {options.seconds:g} s on {options.threads} threads, median:")
    print(f"  one by one {alone:.0f} ms, in one batch {batch:.0f} ms: {alone / batch:.2f} times")


def _model(path: str, threads: int, workers: int) -> Any:
    return ctranslate2.models.Whisper(
        path, device="cpu", compute_type="int8", intra_threads=threads, inter_threads=workers
    )


def _understand(model: Any, count: int, frames: int, prompt: list[int]) -> None:
    noise = np.random.default_rng(1).standard_normal((count, 80, frames)).astype(np.float32)
    heard = model.encode(ctranslate2.StorageView.from_array(noise))
    model.generate(heard, [prompt] * count, beam_size=1, max_length=LONGEST)


def _ms(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begun)


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    grammar = argparse.ArgumentParser(prog="bench.stt_batch", description=__doc__)
    grammar.add_argument("--utterances", type=int, default=4)
    grammar.add_argument("--seconds", type=float, default=4.0)
    grammar.add_argument("--threads", type=int, default=2)
    grammar.add_argument("--rounds", type=int, default=9)
    return grammar


if __name__ == "__main__":
    main(parser().parse_args())
