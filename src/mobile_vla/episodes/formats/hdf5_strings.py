"""Texts of variable length, read in a process apart.

HDF5 keeps such texts in a heap, and where that is damaged the library runs in a circle or out of
its memory, which no exception tells. The process that this befalls is ended by the kernel, and the
episode becomes a finding. Run as a program, this is that process: a line of JSON in, a line out.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from functools import lru_cache
from pathlib import Path

from mobile_vla.messages.errors import UserError

SECONDS = 20
"""Until a read is given up. Texts take milliseconds; a sleeping network disk takes seconds."""
_ONE_AT_A_TIME = threading.Lock()


def read_apart(path: Path, name: str) -> list[bytes]:
    """The texts of dataset `name` of `path`, flattened.

    Raises:
        ValueError: HDF5 cannot read them, hangs or crashes on them.
        UserError: no further process can be started.
    """
    question = json.dumps([os.fspath(path.absolute()), name, SECONDS])
    with _ONE_AT_A_TIME:
        if _reader(os.getpid()).poll() is not None:
            _reader.cache_clear()
        reader = _reader(os.getpid())
        assert reader.stdin and reader.stdout
        reader.stdin.write(question + "\n")
        reader.stdin.flush()
        answer = reader.stdout.readline()
        if not answer:
            raise _explain(reader.wait(), name)
    told: str | list[str] = json.loads(answer)
    if isinstance(told, str):
        raise ValueError(told)
    return [base64.b64decode(text) for text in told]


def _explain(status: int, name: str) -> Exception:
    if status < 0:
        return ValueError(f"HDF5 hangs or crashes on `{name}`, signal {-status}")
    return UserError(
        f"Texts of variable length cannot be read: `{sys.executable} -m {__name__}` ended with "
        f"{status}. Run it by hand to see why."
    )


@lru_cache(1)
def _reader(process: int) -> subprocess.Popen[str]:
    """The running reader of the process with this id, which no forked child may share."""
    return subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def _serve() -> None:
    import signal

    import h5py
    import numpy as np

    for question in sys.stdin:
        path, name, seconds = json.loads(question)
        signal.alarm(seconds)  # unhandled, it ends the process even within the library
        answer: str | list[str]
        try:
            with h5py.File(path, "r") as file:
                texts = np.atleast_1d(file[name][()]).ravel()
            answer = [base64.b64encode(text).decode() for text in texts]
        except Exception as error:
            answer = str(error)
        signal.alarm(0)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve()
