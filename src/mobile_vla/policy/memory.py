"""How much memory the machine has for this process, and how much the process has taken."""

from __future__ import annotations

import resource
from pathlib import Path

import torch

CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
STATUS = Path("/proc/self/status")
MACHINE = Path("/proc/meminfo")


def available_bytes() -> int:
    """What may be had where the weights will lie: the GPU's memory, else the machine's or cgroup's.

    Memory that other processes hold at the moment counts as theirs, this process's own as its own.
    """
    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0]) + int(torch.cuda.memory_reserved())
    free = _kilobytes(MACHINE, "MemAvailable:") + resident_bytes()
    return min([free, *(limit for file in CGROUP_LIMITS if (limit := _number(file)))])


def resident_bytes() -> int:
    """What this process holds now; on a GPU what its tensors hold there."""
    if torch.cuda.is_available():
        return int(torch.cuda.memory_allocated())
    return _kilobytes(STATUS, "VmRSS:")


def peak_bytes() -> int:
    """The most that this process has held so far; on a GPU what its tensors have held there."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _kilobytes(file: Path, key: str) -> int:
    line = next(line for line in file.read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) << 10


def _number(file: Path) -> int | None:
    """A limit in bytes; None where there is none."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None
