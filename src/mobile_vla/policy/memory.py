"""Memory that is available to this process, and memory that it uses."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
STATUS = Path("/proc/self/status")
MACHINE = Path("/proc/meminfo")


def available_bytes() -> int:
    """Bytes available for weights: of the GPU, else of the machine or its cgroup.

    Memory of other processes is not available; memory that this process already uses is. Without
    a /proc (macOS, Windows) nothing is known, and no weights are refused.
    """
    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0]) + int(torch.cuda.memory_reserved())
    if not MACHINE.exists():
        return sys.maxsize
    free = _kilobytes(MACHINE, "MemAvailable:") + resident_bytes()
    return min([free, *(limit for file in CGROUP_LIMITS if (limit := _number(file)))])


def resident_bytes() -> int:
    """Bytes that this process uses now; on a GPU, bytes of its tensors there."""
    if torch.cuda.is_available():
        return int(torch.cuda.memory_allocated())
    return _kilobytes(STATUS, "VmRSS:") if STATUS.exists() else 0


def peak_bytes() -> int:
    """The most bytes that this process has used so far; on a GPU, of its tensors there."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10


def _kilobytes(file: Path, key: str) -> int:
    line = next(line for line in file.read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) << 10


def _number(file: Path) -> int | None:
    """A limit in bytes; None where there is none."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None
