"""What speech to text costs and understands: `python -m bench.stt [--recordings N] [--small]`.

The encoder's cost is measured on random weights of the true size, with the trimming that
`whisper_decoding.py` does and without it: random weights cost what real ones do. What trimming does
to the words only real weights can show: it is measured on the recordings beside the checkout, both
ways, with each Whisper found in models/whisper (or named by `--whisper FOLDER`), and said to be
missing where there is none. PocketSphinx, always there, is measured on the same recordings.
Prints tables and writes bench/results/stt.json.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from faster_whisper import WhisperModel

from agent.engines.jobs import Stop, Wanted
from agent.engines.pocketsphinx import DEFAULT_OPTIONS
from agent.engines.sphinx_decoder import SphinxDecoder
from agent.engines.whisper_decoding import WINDOW_SECONDS, Decoder, DecodingSettings, frames_for
from bench.random_whisper import SMALL, TINY_EN, Shape, write_random
from media.audio import CALLER_RATE, Samples

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results" / "stt.json"
TESTDATA = ROOT.parent / "shared" / "testdata"
LENGTHS = (1.0, 2.0, 5.0, 10.0)
WINDOW = 3000
TRIMMED = DecodingSettings()
PADDED = DecodingSettings(least=WINDOW_SECONDS)
Recordings = dict[str, list[tuple[Path, str]]]
"""By set: files, and what is said in them."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=int, default=30, help="of each set, at most")
    parser.add_argument("--small", action="store_true", help="measure the size of `small` as well")
    parser.add_argument("--whisper", type=Path, nargs="*", help="folders of real weights")
    arguments = parser.parse_args()
    shapes = {"tiny.en": TINY_EN} | ({"small": SMALL} if arguments.small else {})
    folders = found() if arguments.whisper is None else arguments.whisper
    recordings = sets(arguments.recordings)
    results: dict[str, Any] = {
        "encoder_random_weights": [row for s in shapes.items() for row in encoder(*s)],
        "whisper": [row for folder in folders for row in whisper_words(folder, recordings)],
        "pocketsphinx": words(recordings),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1))
    show("Whisper's encoder, RANDOM weights, int8, one thread", results["encoder_random_weights"])
    show("Whisper's words, the weights found here, trimmed and padded", results["whisper"])
    show("PocketSphinx on recordings", results["pocketsphinx"])
    if not folders:
        print(
            "\nNOT MEASURED: the words of Whisper, trimmed and padded. There are no real weights in"
            "\nmodels/whisper: `python run.py models pull whisper-tiny.en` fetches some."
        )
    print(f"\nwritten to {RESULTS.relative_to(ROOT)}")


def found() -> list[Path]:
    """Folders of Whispers whose weights are somebody's, not ours."""
    places = (ROOT / "models" / "whisper", TESTDATA / "models" / "whisper")
    return [each.parent for place in places for each in sorted(place.glob("*/model.bin"))]


def encoder(name: str, shape: Shape) -> list[dict[str, Any]]:
    """Milliseconds for the features and the encoder, trimmed and padded to 30 s."""
    with tempfile.TemporaryDirectory() as folder:
        write_random(Path(folder), shape)
        model = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=1)
        padded = median_ms(lambda: encode(model, WINDOW))
        rows = []
        for seconds in LENGTHS:
            frames = frames_for(seconds, TRIMMED)
            trimmed = median_ms(lambda frames=frames: encode(model, frames))  # type: ignore[misc]  # mypy infers no lambda with a default
            ratio = round(padded / trimmed, 1)
            rows.append(
                {
                    "model": name,
                    "seconds": seconds,
                    "frames": frames,
                    "trimmed_ms": round(trimmed),
                    "padded_ms": round(padded),
                    "times_faster": ratio,
                }
            )
        return rows


def encode(model: WhisperModel, frames: int) -> None:
    features = model.feature_extractor(np.zeros(frames * 160, np.float32), padding=0)
    np.asarray(model.encode(features))  # the result is awaited here


def median_ms(work: Callable[[], None], *, times: int = 5) -> float:
    work()
    spent = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        spent.append(1000 * (time.perf_counter() - begun))
    return statistics.median(spent)


def whisper_words(folder: Path, recordings: Recordings) -> list[dict[str, Any]]:
    """Word error rate and milliseconds of a final, trimmed and padded to 30 s, by set; and how
    many of the trimmed were doubted and looked at again."""
    import jiwer

    model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)
    rows = []
    for name, each in recordings.items():
        said = [plain(text) for _, text in each]
        row: dict[str, Any] = {"model": folder.name, "set": name, "recordings": len(each)}
        for way, settings in {"trimmed": TRIMMED, "padded": PADDED}.items():
            decoder = Decoder(model, settings)
            finals = [final(decoder, read(path)) for path, _ in each]
            wer = jiwer.wer(said, [text for text, _, _ in finals])
            row[f"wer_{way}"] = round(100 * wer, 1)
            row[f"{way}_ms_p50"] = round(statistics.median(ms for _, ms, _ in finals))
            if way == "trimmed":
                row["second_looks"] = sum(again for _, _, again in finals)
        rows.append(row)
    return rows


def final(decoder: Decoder, samples: Samples) -> tuple[str, float, bool]:
    """As the engine makes one: the words, the milliseconds, and whether it took a second look."""
    begun = time.perf_counter()
    attempt = decoder.look([Wanted(samples, Stop())], "en")[0]
    assert attempt is not None, "nobody stopped it"
    again = decoder.wants_second_look(samples, attempt)
    if again:
        attempt = decoder.look_again(samples, attempt, "en", stop=Stop()) or attempt
    return plain(decoder.judge(attempt).text), 1000 * (time.perf_counter() - begun), again


def words(recordings: Recordings) -> list[dict[str, Any]]:
    """Word error rate, CPU time per second of audio, and the wait for a final, by set."""
    import jiwer

    decoder = SphinxDecoder(DEFAULT_OPTIONS)
    rows = []
    for name, each in recordings.items():
        said, understood, waits, audio, cpu = [], [], [], 0.0, 0.0
        for path, text in each:
            samples = read(path)
            begun, begun_cpu = time.perf_counter(), time.thread_time()
            decoder.decode(samples)
            waits.append(1000 * (time.perf_counter() - begun))
            cpu += time.thread_time() - begun_cpu
            audio += len(samples) / CALLER_RATE
            said.append(plain(text))
            understood.append(plain(decoder.text()))
        rows.append(
            {
                "set": name,
                "recordings": len(each),
                "audio_s": round(audio, 1),
                "wer_percent": round(100 * jiwer.wer(said, understood), 1),
                "cpu_per_audio_s": round(cpu / audio, 3),
                "final_ms_p50": round(statistics.median(waits)),
            }
        )
    return rows


def sets(limit: int) -> Recordings:
    """Those in English that lie beside the checkout, `limit` of each set at most."""
    if not TESTDATA.is_dir():
        print(f"NOT MEASURED: words. There are no recordings: no folder {TESTDATA}")
        return {}
    found: Recordings = defaultdict(list)
    for line in (TESTDATA / "speech.jsonl").read_text().splitlines():
        row = json.loads(line)
        path = TESTDATA / row["audio"]
        if row["language"] == "en" and row["text"] and len(found[path.parent.name]) < limit:
            found[path.parent.name].append((path, row["text"]))
    return found


def read(path: Path) -> Samples:
    """16 kHz mono, with the silence around it that an endpointer leaves."""
    import soundfile
    import soxr

    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = np.pad(soxr.resample(samples.mean(axis=1), rate, CALLER_RATE), CALLER_RATE // 5)
    return np.asarray(np.clip(mono * 32767, -32768, 32767), np.int16)


def plain(text: str) -> str:
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower().replace("-", " ")).split())


def show(title: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    print(f"\n{title}")
    table = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


if __name__ == "__main__":
    main()
