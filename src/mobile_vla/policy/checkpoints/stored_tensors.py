"""Tensors as their file stores them, read without torch: type, shape and bytes.

Safetensors files and torch's zip files are mapped. What else torch can read (files of before 1.6,
sparse or quantised tensors, types that numpy cannot hold) is read by torch.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mobile_vla.inert_pickle import InertUnpickler, Tensor
from mobile_vla.messages.errors import UserError
from mobile_vla.policy.checkpoints.torch_layout import FileContent, not_plain, unwrap
from mobile_vla.policy.checkpoints.weight_file import is_safetensors

if TYPE_CHECKING:
    import torch

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Numbers = np.ndarray[Any, np.dtype[Any]]
SAFETENSORS_TYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "C64": "complex64",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
STORAGE_TYPES = {
    "Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16",
    "Long": "int64", "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8",
    "Bool": "bool",
}  # fmt: skip
STORED_AS = {"bfloat16": "uint16", "float8_e4m3fn": "uint8", "float8_e5m2": "uint8"}
"""The integers that numpy holds the bits of these types in."""
PICKLE_LIMIT = 64 * 1024 * 1024
PLAIN_NAMES = re.compile(
    r"collections\.OrderedDict|_codecs\.encode|numpy\.dtype|numpy\._?core\.multiarray\.scalar"
    r"|torch\.\w+|torch\._utils\._rebuild_\w+|torch\.storage\.\w+"
    r"|(__builtin__|builtins)\.(set|frozenset|int|float|complex|bool|str|bytes|bytearray)"
)
"""What a pickle of tensors and plain values may name."""
OTHER_TENSORS = re.compile(r"torch\._utils\._rebuild_(?!tensor(_v2)?$|parameter$)")
ZIP_ENTRY_HEAD = 30


class StoredTensor(NamedTuple):
    """One tensor. `type`: torch's name, such as "bfloat16"; `data`: its bytes, row by row."""

    type: str
    shape: tuple[int, ...]
    data: Bytes

    def numbers(self) -> Numbers:
        """The values, flat, in a type that numpy computes with."""
        values = self.data.view(STORED_AS.get(self.type, self.type))
        if self.type == "bfloat16":
            return (values.astype(np.uint32) << 16).view(np.float32)
        if self.type == "float8_e5m2":
            return (values.astype(np.uint16) << 8).view(np.float16)
        return _float8_values()[values] if self.type == "float8_e4m3fn" else values

    def is_finite(self) -> bool:
        """Whether no value is NaN or infinite."""
        return bool(np.isfinite(self.numbers()).all())


class _NeedsTorch(Exception):
    """The file holds what is not read here."""


class _NotPlain(Exception):
    """A pickle names a class or function that is neither a tensor nor a plain value."""


def read_stored(path: Path) -> FileContent:
    """The stored tensors of one weight file, mapped where the format allows it.

    Raises:
        UserError: the file is no checkpoint, is damaged, or holds anything but tensors and plain
            values; nothing in it is executed.
        ModuleNotFoundError: only torch can read it, and torch is not installed.
    """
    reader = _read_safetensors if is_safetensors(path) else _read_zip
    try:
        return reader(path)
    except UserError:
        raise
    except _NotPlain as error:
        if find_spec("torch") is None:
            raise UserError(not_plain(path, f" ({error})")) from error
    except Exception:  # damaged files raise almost anything; the reader below says what is wrong
        pass
    return _read_with_torch(path)


def hash_stored(tensors: Iterable[tuple[str, StoredTensor]]) -> str:
    """blake3 over names, types, shapes and bytes; that of `lora.hash_tensors`."""
    from blake3 import blake3

    hasher = blake3()
    for name, tensor in tensors:
        hasher.update(f"{name}|torch.{tensor.type}|{tensor.shape}|".encode())
        hasher.update(tensor.data.data)
    return hasher.hexdigest()


def _read_safetensors(path: Path) -> FileContent:
    """Format: https://github.com/huggingface/safetensors#format."""
    data = np.memmap(path, mode="r", dtype=np.uint8)
    start = 8 + int.from_bytes(data[:8].tobytes(), "little")
    header = json.loads(data[8:start].tobytes())
    metadata = header.pop("__metadata__", {})
    if not header:
        raise UserError(f"{path} holds no tensors: give a checkpoint with weights.")
    tensors, end = {}, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        kind, shape = SAFETENSORS_TYPES[entry["dtype"]], tuple(entry["shape"])
        first, end = _without_gap(end, *entry["data_offsets"])
        tensors[name] = _stored(kind, shape, data[start + first : start + end])
    if start + end != len(data):
        raise ValueError("bytes are missing or left over")
    return FileContent("safetensors", tensors, metadata)


def _without_gap(end: int, first: int, last: int) -> tuple[int, int]:
    if first != end or last < first:
        raise ValueError("tensors overlap or leave a gap")
    return first, last


def _stored(kind: str, shape: tuple[int, ...], data: Bytes) -> StoredTensor:
    """Raises ValueError where the bytes are not as many as type and shape need."""
    if len(data) != math.prod(shape) * _width(kind):
        raise ValueError(f"{len(data)} bytes are no {kind} of shape {shape}")
    return StoredTensor(kind, shape, np.ascontiguousarray(data))


def _width(kind: str) -> int:
    return np.dtype(STORED_AS.get(kind, kind)).itemsize


class _PlainUnpickler(InertUnpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Never imports; refuses what torch's `weights_only` refuses."""
        if OTHER_TENSORS.match(f"{module}.{name}"):
            raise _NeedsTorch
        if not PLAIN_NAMES.fullmatch(f"{module}.{name}"):
            raise _NotPlain(f"{module}.{name}")
        return super().find_class(module, name)


def _read_zip(path: Path) -> FileContent:
    """A zip of `torch.save`: a pickle that describes tensors, and their storages beside it."""
    with zipfile.ZipFile(path) as archive:
        entries = {info.filename.partition("/")[2]: info for info in archive.infolist()}
        order = archive.read(entries["byteorder"]) if "byteorder" in entries else b"little"
        if entries["data.pkl"].file_size > PICKLE_LIMIT or order != b"little":
            raise _NeedsTorch
        content = _PlainUnpickler(io.BytesIO(archive.read(entries["data.pkl"]))).load()
    unwrapped = unwrap(content, path, Tensor)
    data = np.memmap(path, mode="r", dtype=np.uint8)
    tensors = {name: _from_zip(t, data, entries) for name, t in unwrapped.tensors.items()}
    return unwrapped._replace(tensors=tensors)


def _from_zip(tensor: Tensor, data: Bytes, entries: dict[str, zipfile.ZipInfo]) -> StoredTensor:
    """A tensor of a storage, its elements put in the order of its rows."""
    name, key, _ = tensor.storage
    entry, kind = entries[f"data/{key}"], STORAGE_TYPES.get(name)
    if kind is None or entry.compress_type != zipfile.ZIP_STORED:
        raise _NeedsTorch
    width, count = _width(kind), math.prod(tensor.shape)
    if not count:
        return StoredTensor(kind, tensor.shape, np.zeros(0, np.uint8))
    reach = zip(tensor.shape, tensor.strides, strict=True)
    last = tensor.offset + sum((size - 1) * stride for size, stride in reach)
    if min(tensor.offset, *tensor.strides, 0) < 0 or (last + 1) * width > entry.file_size:
        raise ValueError("the tensor is larger than its storage")
    first = entry.header_offset + ZIP_ENTRY_HEAD
    names = data[first - 4 : first].view("<u2")  # lengths of the entry's name and extra field
    first += int(names.sum()) + tensor.offset * width
    rows = np.lib.stride_tricks.as_strided(
        data[first:],
        (*tensor.shape, width),
        (*(stride * width for stride in tensor.strides), 1),
    )
    return StoredTensor(kind, tensor.shape, np.ascontiguousarray(rows).reshape(-1))


def _read_with_torch(path: Path) -> FileContent:
    from mobile_vla.policy.checkpoints.weight_file import read_file

    content = read_file(path)
    tensors = {name: _from_torch(tensor) for name, tensor in content.tensors.items()}
    return content._replace(tensors=tensors)


def _from_torch(tensor: torch.Tensor) -> StoredTensor:
    import torch

    flat = tensor.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
    kind = str(tensor.dtype).removeprefix("torch.")
    return StoredTensor(kind, tuple(tensor.shape), flat.view(torch.uint8).numpy())


def _float8_values() -> Numbers:
    """The 256 values of float8_e4m3fn (Micikevicius et al. 2022): no infinities, two NaN."""
    codes = np.arange(256)
    exponents, fractions = codes >> 3 & 15, codes & 7
    subnormal = exponents == 0
    values = (fractions + 8 * ~subnormal) * 2.0 ** (np.maximum(exponents, 1) - 10)
    values[codes & 127 == 127] = np.nan
    return np.where(codes < 128, values, -values).astype(np.float32)
