"""Where cuBLAS is found for CTranslate2, with libraries that are files' names."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.engines import cublas


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was loaded. The system has no cuBLAS; a path with a file behind it can be loaded."""
    names: list[str] = []

    def load(name: str) -> None:
        if not Path(name).is_file():
            raise OSError(f"{name}: cannot open shared object file")
        names.append(name)

    monkeypatch.setattr(cublas.ctypes, "CDLL", load)
    monkeypatch.setattr(cublas.sys, "platform", "linux")
    return names


def test_the_package_s_library_is_loaded_where_the_system_has_none(
    loaded: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not cublas.is_there()

    library = tmp_path / "nvidia" / "cublas" / "lib" / "libcublas.so.12"
    library.parent.mkdir(parents=True)
    library.touch()
    monkeypatch.syspath_prepend(tmp_path)

    assert cublas.is_there()
    assert loaded == [str(library)]


def test_the_system_s_own_is_enough(
    loaded: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "libcublas.so.12").touch()
    monkeypatch.chdir(tmp_path)

    assert cublas.is_there()
    assert loaded == ["libcublas.so.12"]
