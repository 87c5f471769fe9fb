"""What this machine lets this process use: cores, memory, a GPU. Looked at once, at the start."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from agent.engines.catalog import Hardware

_CGROUP = Path("/sys/fs/cgroup")
_MEBIBYTE = 1 << 20


def probe() -> Hardware:
    """Look at the machine. Takes about a second: the engines' libraries are asked for GPUs."""
    gpu, gpu_memory = _gpu() if _cuda_devices() else ("", 0)
    return Hardware(
        cores=cores(),
        memory=memory(),
        gpu=gpu,
        gpu_memory=gpu_memory,
        llama_gpu=_llama_has_gpu(),
    )


def free_memory() -> int:
    """Bytes that can be taken now without swapping; 0: the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    kibibytes = next((line.split()[1] for line in lines if line.startswith("MemAvailable")), "0")
    return int(kibibytes) * 1024


def held_memory() -> int:
    """Bytes that this process holds; 0: the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def cores() -> int:
    """Cores that this process may use: of its affinity, and of a container's quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = _limit("cpu.max")
    if quota is None:
        return allowed or 1
    return max(1, min(allowed or 1, round(quota)))


def memory() -> int:
    """Bytes that this process may use: of the machine, or of a container's limit."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _limit("memory.max")
    return installed if limit is None else min(installed, int(limit))


def _limit(name: str) -> float | None:
    """A container's limit (cgroup v2): cores for cpu.max, bytes for memory.max; None: none."""
    try:
        written = (_CGROUP / name).read_text().split()
    except OSError:
        return None
    if not written or written[0] == "max":
        return None
    return float(written[0]) / float(written[1]) if len(written) == 2 else float(written[0])


def _cuda_devices() -> int:
    import ctranslate2  # here, because it takes long and `models list` has no use for it

    return int(ctranslate2.get_cuda_device_count())


def _llama_has_gpu() -> bool:
    try:
        import llama_cpp  # as above
    except (ImportError, OSError, RuntimeError):  # absent, or built for another processor
        return False
    return bool(llama_cpp.llama_supports_gpu_offload())


def _gpu() -> tuple[str, int]:
    """Name and free bytes of the first GPU, as its driver's tool tells; else a stopgap."""
    query = ["nvidia-smi", "--query-gpu=name,memory.free", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
        name, _, mebibytes = told.splitlines()[0].rpartition(",")
        return name.strip(), int(mebibytes) * _MEBIBYTE
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return "a CUDA device", 0
