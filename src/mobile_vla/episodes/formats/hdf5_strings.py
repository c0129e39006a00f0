"""Values of variable length (texts, byte rows), read in a separate process.

HDF5 stores them on a heap. Where the heap is damaged, the library loops or crashes without an
exception. The kernel then ends the separate process, and the episode becomes a finding. Run as a
program, this module is that process: it reads a line of JSON and writes one.
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
"""A read may take this long. Texts take milliseconds, a sleeping network disk some seconds."""
_ONE_AT_A_TIME = threading.Lock()


def read_in_process(path: Path, name: str, *, attribute: str | None = None) -> list[bytes]:
    """The values of dataset `name` of `path`, or of its `attribute`, flattened.

    Raises:
        ValueError: HDF5 cannot read them, hangs or crashes on them.
        UserError: no further process can be started.
    """
    question = json.dumps([os.fspath(path.absolute()), name, attribute, SECONDS])
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
    values: str | list[str] = json.loads(answer)
    if isinstance(values, str):
        raise ValueError(values)
    return [base64.b64decode(value) for value in values]


def _explain(status: int, name: str) -> Exception:
    if status < 0:
        return ValueError(f"HDF5 hangs or crashes on `{name}`, signal {-status}")
    return UserError(
        f"Texts of variable length cannot be read: `{sys.executable} -m {__name__}` ended with "
        f"{status}. Run it by hand to see why."
    )


@lru_cache(1)
def _reader(process: int) -> subprocess.Popen[str]:
    """The reader of the process with this id; forked children start their own."""
    return subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def _serve() -> None:
    import signal

    import h5py
    import numpy as np

    for question in sys.stdin:
        path, name, attribute, seconds = json.loads(question)
        signal.alarm(seconds)  # unhandled, it ends the process even within the library
        answer: str | list[str]
        try:
            with h5py.File(path, "r") as file:
                node = file[name]
                value = node[()] if attribute is None else node.attrs[attribute]
                values = np.atleast_1d(np.asarray(value, dtype=object)).ravel()
            answer = [base64.b64encode(_as_bytes(v)).decode() for v in values]
        except Exception as error:
            answer = str(error)
        signal.alarm(0)
        print(json.dumps(answer), flush=True)


def _as_bytes(value: object) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)  # type: ignore[call-overload, no-any-return]


if __name__ == "__main__":
    _serve()
