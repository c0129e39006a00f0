"""Does a checkpoint load? Its header, every tensor and its hash are read; nothing is executed."""

from __future__ import annotations

import io
import math
import os
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
from blake3 import blake3

from mobile_vla.evidence.model import CheckpointView, Evidence
from mobile_vla.messages.errors import reason_of
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.runs.events import Checkpoint
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.outside_files import open_regular

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
BLOCK = 1 << 20
Length = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]


class TensorEntry(msgspec.Struct, frozen=True):
    """A tensor as the header of a safetensors file lists it; offsets in bytes after the header."""

    dtype: str
    shape: Annotated[tuple[Length, ...], msgspec.Meta(max_length=64)]
    data_offsets: tuple[Length, Length]


class Inspected(msgspec.Struct, frozen=True):
    """What a weight file holds. `problem`: why it does not load, None when it does."""

    bytes: int
    blake3: str
    tensors: int
    problem: Reason | None


def inspect(path: Path, most_bytes: int | None = None) -> Inspected:
    """Read a safetensors file completely; one that did not change is not read twice.

    Its header is checked before anything else is read. `most_bytes`: the size above which the file
    cannot be the checkpoint and is not read; its hash is then empty.
    """
    try:
        status = path.stat()
        if most_bytes is not None and status.st_size > most_bytes:
            return Inspected(status.st_size, "", 0, None)
        return _inspect(str(path), status.st_ino, status.st_size, status.st_mtime_ns)
    except OSError as error:
        cause = error.strerror or ""
        problem = reason("run.weights_unreadable", file=path.name, cause=cause)
        return Inspected(0, "", 0, problem)


@lru_cache(maxsize=65536)
def _inspect(path: str, _inode: int, size: int, _changed: int) -> Inspected:
    with open_regular(path) as opened:
        try:
            entries, base, problem = _read_header(opened, size)
        except Exception as error:  # a header can hold anything
            return Inspected(size, "", 0, reason("run.weights_header", cause=reason_of(error)))
        if problem:
            return Inspected(size, "", len(entries), problem)
        file: BinaryIO = opened
        opened.seek(0)
        if size <= MEMORY_LIMIT:
            file = io.BytesIO(opened.read())
        digest = _hash(file)
        problems = (_check_values(file, base, name, entry) for name, entry in entries.items())
        problem = next(filter(None, problems), None)
    return Inspected(size, digest, len(entries), problem)


def _hash(file: BinaryIO) -> str:
    hasher = blake3()
    while block := file.read(BLOCK):
        hasher.update(block)
    return hasher.hexdigest()


def _read_header(file: BinaryIO, size: int) -> tuple[dict[str, TensorEntry], int, Reason | None]:
    """The tensors of a safetensors file, where their bytes begin, and what is wrong with it."""
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, HEADER_LIMIT):
        return {}, 0, reason("run.weights_truncated")
    header = msgspec.json.decode(file.read(length), type=dict[str, msgspec.Raw])
    header.pop("__metadata__", None)
    entries = {name: msgspec.json.decode(raw, type=TensorEntry) for name, raw in header.items()}
    return entries, 8 + length, _check_spans(entries, 8 + length, size)


def _check_spans(entries: dict[str, TensorEntry], base: int, size: int) -> Reason | None:
    """The tensors must fill the file from `base` to its end, one after another."""
    if not entries:
        return reason("run.weights_empty")
    end = 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1].data_offsets):
        start, stop = entry.data_offsets
        if start != end or stop - start != math.prod(entry.shape) * WIDTHS[entry.dtype]:
            return reason("run.tensor_shape", tensor=name)
        end = stop
    return (
        None if base + end == size else reason("run.weights_size", size=size, expected=base + end)
    )


def _check_values(file: BinaryIO, base: int, name: str, entry: TensorEntry) -> Reason | None:
    start, end = entry.data_offsets
    file.seek(base + start)
    data = file.read(end - start)
    if len(data) != end - start:
        return reason("run.tensor_cut", tensor=name)
    return None if finite(data, entry.dtype) else reason("run.tensor_not_finite", tensor=name)


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
    weights = inspect(folder.checkpoints / entry / WEIGHTS, event.bytes if event else None)
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
