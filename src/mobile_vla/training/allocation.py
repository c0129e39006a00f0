"""Keep glibc from handing large tensors back to the kernel at every step.

With its defaults each large block is mapped and unmapped anew, and its pages faulted in again,
which makes CPU training erratically several times slower.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import sys

# Parameters of mallopt(3), from <malloc.h>.
M_TRIM_THRESHOLD = -1
M_TOP_PAD = -2
M_MMAP_MAX = -4
TOP_PAD_BYTES = 256 << 20


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
