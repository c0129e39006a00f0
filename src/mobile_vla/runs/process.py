"""Which process is meant: pid, boot and start time together, since a pid alone is reused."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import msgspec

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PR_SET_PDEATHSIG = 1


class Process(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`started`: clock ticks after boot (field 22 of /proc/PID/stat), -1 without a /proc."""

    pid: int
    boot: str
    started: int
    host: str


def this_process() -> Process:
    """The process that asks."""
    pid = os.getpid()
    started = start_ticks(pid)
    return Process(
        pid=pid,
        boot=boot_id(),
        started=-1 if started is None else started,
        host=socket.gethostname(),
    )


def usable_cores() -> int:
    """How many CPU cores this process may use; all of the machine's where no system call tells."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def can_fork() -> bool:
    """Whether a pool of forked workers is safe here: on Linux, not on macOS and Windows."""
    return hasattr(os, "fork") and sys.platform.startswith("linux")


def pid_exists(pid: int) -> bool | None:
    """Whether any process has this pid; None on Windows, where asking would signal it."""
    if os.name != "posix":
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def boot_id() -> str:
    """The kernel's identifier of this boot, empty where it has none."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def start_ticks(pid: int) -> int | None:
    """When process `pid` began, or None where there is no such process (or it is a zombie)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])


def is_stopped(pid: int) -> bool:
    """Whether the process is stopped by a signal (SIGSTOP, a debugger)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in ("T", "t")
    except OSError:
        return False


def is_alive(process: Process) -> bool | None:
    """Whether exactly this process still lives; None when it ran on another machine.

    Host names differ: cannot be known from here. A machine without a boot id (macOS, Windows)
    only shows that a pid is gone; one that exists may be another process's.
    """
    if process.host != socket.gethostname():
        return None
    if not process.boot:
        return False if pid_exists(process.pid) is False else None
    if process.boot != boot_id():
        return False
    return start_ticks(process.pid) == process.started


def end_with_parent(number: int = signal.SIGTERM) -> None:
    """Have this worker process receive the signal `number` when its parent process is gone."""
    parent = os.getppid()
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number))
    else:
        threading.Thread(target=_watch, args=(parent, number), daemon=True).start()
    if os.getppid() != parent:  # it died before the kernel was asked
        os.kill(os.getpid(), number)


def _watch(parent: int, number: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), number)
