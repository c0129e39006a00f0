"""Torch's zip checkpoints (`.ckpt`, `.pt`): keys, shapes and numbers, with nothing executed.

Weights are the tensors of the state dict. What else a checkpoint stores (an optimizer's moments,
a callback's `kth_value`, which is infinite before the first comparison) is no weight.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mobile_vla.evidence.importers.formats.unreadable import failure
from mobile_vla.inert_pickle import InertUnpickler, Storage, Tensor
from mobile_vla.messages.reason import Reason, reason

PICKLE_LIMIT = 64 * 1024 * 1024
BLOCK = 16 * 1024 * 1024
WIDTHS = {"Double": 8, "Float": 4, "Half": 2, "BFloat16": 2, "Long": 8, "Int": 4, "Short": 2,
          "Char": 1, "Byte": 1, "Bool": 1}  # fmt: skip
EXPONENTS = {"Double": ("<u8", 0x7FF0000000000000), "Float": ("<u4", 0x7F800000),
             "Half": ("<u2", 0x7C00), "BFloat16": ("<u2", 0x7F80)}  # fmt: skip
STATE_KEYS = ("state_dict", "model_state_dict", "model", "module", "net")
"""Keys under which trainers store a model's tensors."""
DEPTH = 6
LIGHTNING = "pytorch-lightning_version"
"""The key that Lightning writes into each of its checkpoints."""


@dataclass(frozen=True, slots=True)
class TorchFile:
    """What a checkpoint holds. `problem`: why it does not load, None where it does.

    `complete`: every byte of the weights was read and is finite. `code`: what its pickle names
    that is no container or tensor; it was not run, and loading it elsewhere would run it.
    """

    epoch: int | None = None
    step: int | None = None
    tensors: int = 0
    parameters: int = 0
    complete: bool = False
    problem: Reason | None = None
    code: tuple[str, ...] = ()
    lightning: bool = False


def inspect_torch(path: Path, *, complete: bool) -> TorchFile:
    """Read a checkpoint's directory and pickle, and with `complete` every byte of its weights.

    Raises: OSError where it cannot be opened.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _inspect(archive, complete)
    except zipfile.BadZipFile as error:
        return TorchFile(problem=_no_zip(path, error))
    except OSError:
        raise
    except Exception as error:  # an encrypted or damaged archive can raise anything
        return TorchFile(problem=reason("import.torch_unreadable", why=failure(error)))


STARTS: tuple[tuple[bytes, str], ...] = (
    (b"PK", "torch_truncated"),
    (b"\x80", "torch_bare_pickle"),
    (b"version https://git-lfs", "lfs_pointer"),
    (b"<!doctype html", "html_page"),
    (b"<html", "html_page"),
)
"""What a file that is no zip archive is instead, by its first bytes."""


def _no_zip(path: Path, error: Exception) -> Reason:
    with open(path, "rb") as file:
        start = file.read(64).lstrip()
    for sign, code in STARTS:
        if start.startswith(sign) or start.lower().startswith(sign):
            return reason(f"import.{code}")
    return reason("import.not_torch", text=str(error))


def _inspect(archive: zipfile.ZipFile, complete: bool) -> TorchFile:
    names = {name.partition("/")[2]: name for name in archive.namelist()}
    if "data.pkl" not in names:
        return TorchFile(problem=reason("import.zip_without_pickle"))
    if archive.getinfo(names["data.pkl"]).file_size > PICKLE_LIMIT:
        return TorchFile(problem=reason("import.pickle_too_large"))
    unpickler = InertUnpickler(io.BytesIO(archive.read(names["data.pkl"])))
    try:
        content = unpickler.load()
    except Exception as error:  # a broken pickle can raise anything
        problem = reason("import.pickle_unreadable", why=failure(error))
        return TorchFile(problem=problem, code=unpickler.code())
    weights = list(_tensors(_state_dict(content), DEPTH))
    return TorchFile(
        epoch=_whole_number(content, "epoch"),
        step=_whole_number(content, "global_step"),
        tensors=len(weights),
        parameters=sum(math.prod(tensor.shape) for tensor in weights),
        complete=complete,
        problem=_problem(archive, names, unpickler.storages, weights, complete),
        code=unpickler.code(),
        lightning=isinstance(content, dict) and LIGHTNING in content,
    )


def _state_dict(content: Any) -> Any:
    """The model's part of a checkpoint, all of it where no usual key holds one."""
    if isinstance(content, dict):
        for key in STATE_KEYS:
            if isinstance(content.get(key), dict):
                return content[key]
    return content


def _tensors(value: Any, depth: int) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict) and depth:
        for inner in value.values():
            yield from _tensors(inner, depth - 1)


def _whole_number(content: Any, key: str) -> int | None:
    value = content.get(key) if isinstance(content, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _problem(
    archive: zipfile.ZipFile, names: Mapping[str, str], storages: Mapping[str, Storage],
    weights: Sequence[Tensor], complete: bool,
) -> Reason | None:  # fmt: skip
    """Why it does not load: a storage that is missing or short, or a weight that is no number."""
    for key, (kind, _, count) in storages.items():
        name = names.get(f"data/{key}")
        if name is None:
            return reason("import.storage_missing", storage=key)
        size, needed = archive.getinfo(name).file_size, count * WIDTHS.get(kind, 0)
        if size < needed:
            return reason("import.storage_short", storage=key, size=size, needed=needed)
    if not weights:
        return reason("import.no_tensor")
    for kind, key, _ in {tensor.storage for tensor in weights} if complete else ():
        if not _finite(archive, names[f"data/{key}"], kind):
            return reason("import.storage_not_finite", storage=key)
    return None


def _finite(archive: zipfile.ZipFile, name: str, kind: str) -> bool:
    import numpy as np

    width, exponent = EXPONENTS.get(kind, ("", 0))
    with archive.open(name) as file:
        while block := file.read(BLOCK):
            usable = len(block) - len(block) % WIDTHS.get(kind, 1)
            if width and bool((np.frombuffer(block[:usable], width) & exponent == exponent).any()):
                return False
    return True
