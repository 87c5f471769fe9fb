"""The part of the media path that is compiled: a few leaves in C, for which each packet is work.

The sources stand beside this file and are compiled by the system's C compiler when they are first
needed, in about a second, for the very processor that runs them. What comes out is kept under a
name that tells its sources, compiler and processor, so that it is never stale; where the home
cannot be written, it is made anew for each process. Without a compiler `native()` is None, and the
same is done in Python, at some more CPU.

cffi loads it without compiling anything for Python itself: the headers are read by both the C
compiler and cffi. A call into it lets the other threads run, as any of cffi's does.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cffi

from media.native import foreign

log = logging.getLogger(__name__)

OFF = "CHUIMSAE_NATIVE"
"""Environment variable; `off`: everything is done in Python."""
SOURCES = Path(__file__).parent
"""The folder of the media path's sources and headers."""
_OPTIONS = "-O3 -std=gnu17 -shared -fPIC -pthread -fno-math-errno -Wall".split()
_THIS_PROCESSOR = ("-march=native",)
_INCLUDED = ("-D_GNU_SOURCE", "-include", "stdint.h")
"""What each source is compiled with: a header that cffi reads too may include nothing."""
_PATIENCE = 120.0
"""Seconds that the compiler may take."""


class NotCompiled(Exception):
    """The sources could not be compiled or loaded, or what they call is not found; the message says
    why."""


@dataclass(frozen=True, slots=True)
class Native:
    """The compiled functions (`lib`), by the names of its headers, and what makes their values."""

    ffi: cffi.FFI
    lib: Any


@cache
def native() -> Native | None:
    """The compiled part, compiled now if it has not been; None: there is none, said once."""
    if os.environ.get(OFF, "").lower() == "off":
        return None
    try:
        if (why := foreign.misfit()) is not None:
            raise NotCompiled(why)
        return load(compiled())
    except NotCompiled as error:
        log.warning(
            "the media path runs without its compiled part, at a third more CPU; it needs a C "
            "compiler (gcc or clang), and pylibsrtp as this project installs it",
            extra={"why": str(error)},
        )
        return None


def load(library: Path, sources: Path = SOURCES) -> Native:
    """Load a compiled library by the headers of its sources' folder. Raises NotCompiled."""
    ffi = cffi.FFI()
    for header in sorted(sources.glob("*.h")):
        ffi.cdef(header.read_text())
    try:
        # Never unloaded: a thread of its own may be asleep in it.
        return Native(ffi, ffi.dlopen(str(library), os.RTLD_NOW | os.RTLD_NODELETE))
    except OSError as error:
        raise NotCompiled(str(error)) from error


def compiled(sources: Path = SOURCES, *, folder: Path | None = None) -> Path:
    """The library for these sources, this compiler and this processor, made if it is not there;
    `folder`: where it is kept. Raises NotCompiled."""
    compiler = _compiler()
    name = f"{_fingerprint(compiler, sources)}.so"
    folder = folder or _cache()
    if folder is not None and (folder / name).is_file():
        return folder / name
    try:
        return _compile(compiler, sources, _writable(folder) / name)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotCompiled(str(error)) from error


def _compiler() -> list[str]:
    """The command; CC may have arguments, such as `ccache gcc`. Raises NotCompiled."""
    try:
        named = shlex.split(os.environ.get("CC", ""))
    except ValueError as error:
        raise NotCompiled(f"CC is no command: {error}") from error
    found = named or [name for name in ("cc", "gcc", "clang") if shutil.which(name)][:1]
    if not found:
        raise NotCompiled("no C compiler: none of cc, gcc and clang was found")
    return found


def _compile(compiler: list[str], sources: Path, library: Path) -> Path:
    files = [str(path) for path in sorted(sources.glob("*.c"))]
    with tempfile.TemporaryDirectory(dir=library.parent) as scratch:
        # Several processes may start at once: each compiles its own, the last one's stays.
        made = Path(scratch) / library.name
        for processor in (_THIS_PROCESSOR, ()):  # Not every clang knows it.
            command = [*compiler, *_OPTIONS, *processor, *_INCLUDED, *files, "-o", str(made), "-lm"]
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=_PATIENCE
            )
            if not done.returncode:
                return made.replace(library)
    raise NotCompiled(f"{shlex.join(compiler)} failed: {done.stderr.strip()[-500:]}")


def _writable(folder: Path | None) -> Path:
    """The folder, made if need be; where there is none or it cannot be written, one that goes with
    this process. Raises OSError."""
    try:
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    except OSError as error:
        log.debug("What is compiled cannot be kept", extra={"why": str(error)})
    passing = Path(tempfile.mkdtemp(prefix="chuimsae-"))
    atexit.register(shutil.rmtree, passing, ignore_errors=True)
    return passing


def _fingerprint(compiler: list[str], sources: Path) -> str:
    """What the library depends on, as a name."""
    told = hashlib.sha256()
    for path in sorted((*sources.glob("*.c"), *sources.glob("*.h"))):
        told.update(path.read_bytes())
    options = (*_OPTIONS, *_THIS_PROCESSOR, *_INCLUDED)
    told.update(repr((compiler, options, platform.machine(), _processor())).encode())
    return told.hexdigest()[:24]


def _processor() -> str:
    """What tells one kind of processor from another, where the system says it: a home directory
    may be shared by machines of several kinds."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "".join(line for line in lines if line.startswith(("model name", "flags", "Features")))


def _cache() -> Path | None:
    """Where it is kept; None: this user has no home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chuimsae"
    except RuntimeError:
        return None
