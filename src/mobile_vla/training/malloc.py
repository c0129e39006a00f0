"""Keep glibc from returning large tensors to the kernel, and run small models on one thread.

With malloc's defaults each large block is mapped, faulted in and unmapped every time, which makes
CPU training several times slower. The threads of a small model wait for each other longer than
they work, above all when other processes run.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import sys

# Parameters of mallopt(3), from <malloc.h>.
M_TRIM_THRESHOLD = -1
M_TOP_PAD = -2
M_MMAP_MAX = -4
TOP_PAD_BYTES = 256 << 20

SMALL = 50_000_000
"""Parameters below which one thread is faster than several."""


def keep_freed_memory() -> bool:
    """Tell malloc to keep freed blocks for this process; True where the C library took it."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(ctypes.util.find_library("c") or "libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1), (M_TOP_PAD, TOP_PAD_BYTES))
    return all([mallopt(parameter, value) == 1 for parameter, value in settings])


def fit_threads(parameters: int) -> None:
    """One torch thread for a model of fewer than `SMALL` parameters; `OMP_NUM_THREADS` decides."""
    import torch

    if parameters < SMALL and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
