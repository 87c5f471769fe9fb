"""What every test may ask for."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest

from media.native import native

SHARED = Path(__file__).resolve().parents[2] / "shared" / "testdata"


def pytest_configure() -> None:
    # No time is asserted in a test, by Hypothesis neither: a loaded machine is slow, not wrong.
    hypothesis.settings.register_profile("chuimsae", deadline=None)
    hypothesis.settings.load_profile("chuimsae")
    native()  # compiled before a call waits for it, as a server does at its start


@dataclass(frozen=True)
class Recording:
    """A row of the speech index: a recording of a person, and what they said."""

    path: Path
    seconds: float
    language: str
    text: str | None


@dataclass(frozen=True)
class TestData:
    """The recordings and the small real models that lie beside the checkout."""

    __test__ = False
    folder: Path

    def recordings(self) -> list[Recording]:
        rows = [json.loads(line) for line in (self.folder / "speech.jsonl").open()]
        return [
            Recording(self.folder / row["audio"], row["seconds"], row["language"], row["text"])
            for row in rows
        ]

    def recording(self, name: str) -> Recording:
        """The one whose path contains `name`."""
        return next(row for row in self.recordings() if name in str(row.path))


@pytest.fixture(autouse=True)
def log_level() -> Iterator[None]:
    """A test that configures the log leaves no level behind: others look for their warnings."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)


@pytest.fixture(scope="session")
def testdata() -> TestData:
    if not SHARED.is_dir():
        pytest.skip(f"real recordings and models are not there: no folder {SHARED}")
    return TestData(SHARED)
