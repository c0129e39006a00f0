"""Is a weight file there to its last byte? Told from its frame, without torch."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from mobile_vla.record.errors import UserError

SUFFIXES = {".safetensors", ".bin"}


def require_whole(path: Path) -> int:
    """The bytes of the weight files at `path`; a `UserError` where one of them is cut short.

    A safetensors file says in its header how long it is, a zip in its end; of another file, and
    of what the tensors hold, nothing is told.
    """
    files = [path] if path.is_file() else sorted(f for f in path.iterdir() if f.suffix in SUFFIXES)
    cut = [file for file in files if not _whole(file)]
    if cut:
        raise UserError(f"{', '.join(map(str, cut))} is damaged or cut short: copy it again.")
    return sum(file.stat().st_size for file in files)


def _whole(file: Path) -> bool:
    size = file.stat().st_size
    with open(file, "rb") as stream:
        begin = stream.read(9)
        if begin[:4] == b"PK\x03\x04":
            return zipfile.is_zipfile(file)
        if begin[8:] != b"{":
            return size > 0
        length = int.from_bytes(begin[:8], "little")
        stream.seek(8)
        header = stream.read(length) if length <= size else b""
    try:
        tensors = json.loads(header)
        ends = [v["data_offsets"][1] for k, v in tensors.items() if k != "__metadata__"]
    except (ValueError, KeyError, TypeError, IndexError):
        return False
    return size >= 8 + length + max(ends, default=0)
