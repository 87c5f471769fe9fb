"""The compiled part: made when it is first needed, never stale, and never needed."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pylibsrtp
import pytest

from media.native import OFF, Native, NotCompiled, compiled, foreign, load, native


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    native.cache_clear()
    yield
    native.cache_clear()


def answer(native: Native) -> int:
    """Packets that were counted when one came: the function was really called."""
    counters = native.ffi.new("Counters *", {"base": -1, "latest": -1})
    native.lib.count_packet(counters, 5, 0, 0.0)
    return int(counters.received)


def test_it_is_compiled_once_and_found_afterwards(tmp_path: Path) -> None:
    library = compiled(folder=tmp_path)
    made = library.stat().st_mtime_ns
    assert compiled(folder=tmp_path) == library
    assert library.stat().st_mtime_ns == made
    assert [each.name for each in tmp_path.iterdir()] == [library.name], "scratch is left behind"


def test_what_is_compiled_can_be_called(tmp_path: Path) -> None:
    assert answer(load(compiled(folder=tmp_path))) == 1


def test_other_sources_are_another_library(tmp_path: Path) -> None:
    here, out = tmp_path / "sources", tmp_path / "out"
    here.mkdir()
    (here / "it.h").write_text("int it(void);\n")
    libraries = []
    for number in (1, 7):
        (here / "it.c").write_text(f'#include "it.h"\nint it(void) {{ return {number}; }}\n')
        libraries.append(compiled(here, folder=out))
    assert [load(each, here).lib.it() for each in libraries] == [1, 7]


_ASLEEP = """
import gc, time
from media.native import native

made = native()
assert made is not None
departing = made.ffi.new("Departing *")
protect = made.ffi.callback("int(void *, void *, int *)", lambda *_: 0)
departing.protect = protect
outlet = made.lib.open_outlet(departing)
if outlet:  # where there is a queue, with a thread
    assert made.lib.queue_packet(outlet, departing, b"", 0, 1, 0, 0, time.monotonic() + 0.05) > 0
native.cache_clear()
del made, departing, outlet
gc.collect()
time.sleep(0.1)
"""


def test_a_thread_in_the_library_outlives_who_loaded_it() -> None:
    if native() is None:
        pytest.skip("no C compiler")
    subprocess.run([sys.executable, "-c", _ASLEEP], check=True, timeout=60)


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


def test_a_compiler_may_be_named_with_arguments(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CC", "env LC_ALL=C cc")
    assert answer(load(compiled(folder=tmp_path))) == 1
    monkeypatch.setenv("CC", "cc 'of an unknown end")
    with pytest.raises(NotCompiled, match="CC"):
        compiled(folder=tmp_path)


def test_a_compiler_that_knows_no_native_processor_compiles_for_any(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    picky = tmp_path / "picky cc"
    picky.write_text('#!/bin/sh\ncase "$*" in *-march=native*) exit 1;; esac\nexec cc "$@"\n')
    picky.chmod(0o700)
    monkeypatch.setenv("CC", f"'{picky}'")
    assert answer(load(compiled(folder=tmp_path / "out"))) == 1


def nowhere() -> Path:
    raise RuntimeError("Could not determine home directory.")


@pytest.mark.parametrize("home", ["none", "cannot be written"])
def test_without_a_home_it_is_compiled_for_this_process_alone(
    home: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if home == "none":
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setattr(Path, "home", nowhere)
    else:
        (tmp_path / "no folder").touch()
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no folder"))
    found = native()
    assert found is not None and answer(found) == 1


def test_a_source_that_does_not_compile_names_the_compilers_error(tmp_path: Path) -> None:
    (tmp_path / "broken.c").write_text("int broken(void) { return nonsense; }\n")
    with pytest.raises(NotCompiled, match="nonsense"):
        compiled(tmp_path, folder=tmp_path / "out")


def test_a_damaged_library_is_no_crash(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.so"
    damaged.write_bytes(b"no library")
    with pytest.raises(NotCompiled, match="damaged"):
        load(damaged)


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OFF, "off")
    assert native() is None


@pytest.mark.parametrize(
    ("missing", "why"),
    [
        ("pylibsrtp._binding", "pylibsrtp's _binding has no ffi"),
        ("pylibsrtp._binding.lib", "pylibsrtp's _binding has no lib"),
        ("pylibsrtp._binding.lib.srtp_protect", "pylibsrtp's binding has no srtp_protect"),
        ("a session's _srtp", "pylibsrtp's Session has no _srtp"),
    ],
)
def test_another_pylibsrtp_is_told_and_done_without(
    missing: str, why: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    binding: Any = pylibsrtp._binding
    lib = SimpleNamespace(srtp_protect=0, srtp_unprotect=0)
    if missing.endswith("srtp_protect"):
        del lib.srtp_protect
    known = {"ffi": binding.ffi, "lib": lib}
    if missing.endswith(".lib"):
        del known["lib"]
    if missing == "a session's _srtp":
        monkeypatch.setattr(foreign, "Session", SimpleNamespace)
    given = None if missing.endswith("_binding") else SimpleNamespace(**known)
    monkeypatch.setattr(pylibsrtp, "_binding", given)
    assert native() is None
    assert [getattr(record, "why", None) for record in caplog.records] == [why]
