"""Does a checkpoint load? Its header, every tensor and its hash are read; nothing is executed."""

from __future__ import annotations

import io
import math
import os
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from blake3 import blake3

from mobile_vla.evidence.model import CheckpointView, Evidence
from mobile_vla.messages.errors import reason_of
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.runs.events import Checkpoint
from mobile_vla.runs.files import hash_file
from mobile_vla.runs.folder import RunFolder

WEIGHTS = "policy.safetensors"
WIDTHS = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2,
          "BF16": 2, "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8}  # fmt: skip
EXPONENTS = {"F16": (2, 1, 0x7C, 0, 0), "BF16": (2, 1, 0x7F, 0, 0x80),
             "F32": (4, 3, 0x7F, 2, 0x80), "F64": (8, 7, 0x7F, 6, 0xF0)}  # fmt: skip
"""Width, then two bytes of a little-endian number and the bits of each that are all set in NaN
and infinity."""

HEADER_LIMIT = 100_000_000
MEMORY_LIMIT = 256 * 1024 * 1024
"""A file up to this size is read once, into memory; a larger one tensor by tensor."""


class Inspected(msgspec.Struct, frozen=True):
    """What a weight file holds. `problem`: why it does not load, None when it does."""

    bytes: int
    blake3: str
    tensors: int
    problem: Reason | None


def inspect(path: Path) -> Inspected:
    """Read a safetensors file whole. A file that did not change is not read twice."""
    try:
        stat = path.stat()
        return _inspect(str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        cause = error.strerror or ""
        problem = reason("run.weights_unreadable", file=path.name, cause=cause)
        return Inspected(0, "", 0, problem)


@lru_cache(maxsize=65536)
def _inspect(path: str, _inode: int, size: int, _changed: int) -> Inspected:
    with open(path, "rb") as opened:
        file: BinaryIO = opened
        if size <= MEMORY_LIMIT:
            data = opened.read()
            size, digest, file = len(data), blake3(data).hexdigest(), io.BytesIO(data)
        else:
            digest = hash_file(Path(path))
        try:
            tensors, problem = _check_tensors(file, size)
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
            tensors, problem = 0, reason("run.weights_header", cause=reason_of(error))
    return Inspected(size, digest, tensors, problem)


def _check_tensors(file: BinaryIO, size: int) -> tuple[int, Reason | None]:
    """How many tensors a safetensors file holds, and what is wrong with it."""
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, HEADER_LIMIT):
        return 0, reason("run.weights_truncated")
    header: dict[str, dict[str, Any]] = msgspec.json.decode(file.read(length))
    header.pop("__metadata__", None)
    end = 8 + length + max((t["data_offsets"][1] for t in header.values()), default=0)
    if end != size:
        return len(header), reason("run.weights_size", size=size, expected=end)
    for name, tensor in header.items():
        problem = _check_tensor(file, 8 + length, name, tensor)
        if problem:
            return len(header), problem
    return len(header), None if header else reason("run.weights_empty")


def _check_tensor(file: BinaryIO, base: int, name: str, tensor: dict[str, Any]) -> Reason | None:
    start, end = tensor["data_offsets"]
    kind = tensor["dtype"]
    if end - start != math.prod(tensor["shape"]) * WIDTHS[kind]:
        return reason("run.tensor_shape", tensor=name)
    file.seek(base + start)
    data = file.read(end - start)
    if len(data) != end - start:
        return reason("run.tensor_cut", tensor=name)
    return None if finite(data, kind) else reason("run.tensor_not_finite", tensor=name)


def finite(data: bytes, kind: str) -> bool:
    """Whether no number of safetensors type `kind` in `data` is NaN or infinite.

    By bytes, since importing numpy would cost more than reading a run.
    """
    if kind not in EXPONENTS:
        return True
    width, high, high_bits, low, low_bits = EXPONENTS[kind]
    full = data[high::width].translate(_set(high_bits))
    if b"\1" not in full:
        return True
    low_bytes = data[low::width].translate(_set(low_bits))
    return not int.from_bytes(full, "big") & int.from_bytes(low_bytes, "big")


@cache
def _set(bits: int) -> bytes:
    """A table that maps a byte to 1 where it has all of `bits`, else to 0."""
    return bytes(byte & bits == bits for byte in range(256))


def read_checkpoints(
    folder: RunFolder, events: list[tuple[int, Checkpoint]], name: str
) -> list[CheckpointView]:
    """Every checkpoint on disk in step order, each held against the event that wrote it.

    `name`: of the run folder, relative to the workspace.
    """
    named = {_step_folder(event.path): (line, event) for line, event in events}
    try:
        folders = [e for e in os.scandir(folder.checkpoints) if e.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    entries = sorted(entry.name for entry in folders if not entry.name.startswith("."))
    views = [_view(folder, entry, named.get(entry), name) for entry in entries]
    return sorted(views, key=lambda view: (view.step is None, view.step or 0, view.path))


def linked(folder: RunFolder, name: str, views: list[CheckpointView]) -> CheckpointView | None:
    """The checkpoint that the link `best` or `latest` points to, None where it leads nowhere."""
    try:
        target = os.readlink(f"{folder.path}/checkpoints/{name}")  # noqa: PTH115
    except OSError:
        return None
    return next((view for view in views if view.path.rpartition("/")[2] == target), None)


def _step_folder(path: str) -> str:
    """The checkpoint's folder, whether the event names it or the file in it."""
    parts = path.split("/")
    return parts[-2] if len(parts) > 1 and parts[-1] == WEIGHTS else parts[-1]


def _view(
    folder: RunFolder, entry: str, named: tuple[int, Checkpoint] | None, name: str
) -> CheckpointView:
    line, event = named or (0, None)
    weights = inspect(folder.checkpoints / entry / WEIGHTS)
    problem, path = weights.problem, f"{name}/checkpoints/{entry}"
    if problem is None and event is None:
        problem = reason("run.checkpoint_without_event", file=f"{name}/events.jsonl")
    if problem is None and event is not None and event.blake3 != weights.blake3:
        problem = reason("run.checkpoint_hash", line=line, file=f"{name}/events.jsonl")
    return CheckpointView(
        path=path,
        step=event.step if event else None,
        epoch=event.epoch if event else None,
        bytes=weights.bytes,
        val_loss=event.val_loss if event else None,
        problem=problem,
        evidence=Evidence(file=f"{path}/{WEIGHTS}", blake3=weights.blake3),
    )


def relative(path: Path, base: Path) -> str:
    """`path` below `base` with forward slashes; as it stands where it lies elsewhere."""
    try:
        return path.relative_to(base).as_posix()
    except ValueError:
        return path.as_posix()
