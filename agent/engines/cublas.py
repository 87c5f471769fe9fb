"""cuBLAS 12 for CTranslate2, which computes with it on a GPU and looks for it by its name alone.

Python's package of it (`nvidia-cublas-cu12`) lies where the system's linker does not look; once it
is loaded from there, its name is enough. A CUDA toolkit of another number brings another one.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

MEND = f"{sys.executable} -m pip install -r requirements-cuda.txt"
"""What to type: the `pip` that is found first may be another Python's."""
_NAME = "libcublas.so.12"
_IN_PACKAGES = Path("nvidia", "cublas", "lib", _NAME)


def is_there() -> bool:
    """Whether CTranslate2 will find it; Python's package is loaded where the system has none.

    Linux only: elsewhere the wheel sees to it, or there is no CUDA."""
    if sys.platform != "linux":
        return True
    places = [_NAME, *(str(Path(folder) / _IN_PACKAGES) for folder in sys.path)]
    return any(_can_load(place) for place in places)


def _can_load(place: str) -> bool:
    try:
        ctypes.CDLL(place)
    except OSError:
        return False
    return True


if __name__ == "__main__":  # for make: fails where it has to be installed
    sys.exit(not is_there())
