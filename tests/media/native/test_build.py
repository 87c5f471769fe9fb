"""The compiled part: made when it is first needed, never stale, and never needed."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

import media.native
from media.native import OFF, NotCompiled, compiled, load, native


@pytest.fixture(autouse=True)
def _anew() -> None:
    native.cache_clear()


def test_it_is_compiled_once_and_found_afterwards(tmp_path: Path) -> None:
    library = compiled(tmp_path)
    made = library.stat().st_mtime_ns
    assert compiled(tmp_path) == library
    assert library.stat().st_mtime_ns == made
    assert [each.name for each in tmp_path.iterdir()] == [library.name], "scratch is left behind"


def test_what_is_compiled_can_be_called(tmp_path: Path) -> None:
    assert load(compiled(tmp_path)).lib.native_version() == 1


def test_other_sources_are_another_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "sources"
    here.mkdir()
    for path in media.native._HERE.glob("*.[ch]"):
        (here / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(media.native, "_HERE", here)
    before = compiled(tmp_path / "out")
    (here / "native.c").write_text('#include "native.h"\nint native_version(void) { return 7; }\n')
    after = compiled(tmp_path / "out")
    assert after != before
    assert load(after).lib.native_version() == 7


def test_a_machine_without_a_compiler_is_told_once_and_runs_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with caplog.at_level(logging.WARNING):
        assert native() is None
        assert native() is None
    (record,) = caplog.records
    assert "no C compiler" in record.why  # type: ignore[attr-defined]


def test_a_source_that_does_not_compile_names_the_compilers_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.c").write_text("int broken(void) { return nonsense; }\n")
    monkeypatch.setattr(media.native, "_HERE", tmp_path)
    with pytest.raises(NotCompiled, match="nonsense"):
        compiled(tmp_path / "out")


def test_a_damaged_library_is_no_crash(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.so"
    damaged.write_bytes(b"no library")
    with pytest.raises(NotCompiled, match="damaged"):
        load(damaged)


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OFF, "off")
    assert native() is None
