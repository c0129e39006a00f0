"""Checkpoints read without executing anything in them, tensors mapped rather than copied."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobile_vla.policy.checkpoints.suggest_path import require_path
from mobile_vla.policy.checkpoints.weight_file import read_file
from mobile_vla.policy.checkpoints.weight_folders import Read, read_folder

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class CheckpointTensors:
    """Tensors as some files hold them, and the files.

    `tensors` lie in the files until they are used, where the format allows it. `other` holds the
    plain values beside them: a torch file's other keys, a safetensors file's metadata, or a peft
    adapter's configuration.
    """

    path: Path
    format: str
    files: tuple[Path, ...]
    tensors: dict[str, Any]
    other: Mapping[str, Any]

    @property
    def bytes(self) -> int:
        """Size of the file; of several shards, the sum."""
        return sum(file.stat().st_size for file in self.files)

    @cached_property
    def sha256(self) -> str:
        """sha256 of the file; of several shards, of their hexadecimal hashes in order of name."""
        joined = "".join(_sha256(file) for file in self.files)
        return joined if len(self.files) == 1 else hashlib.sha256(joined.encode()).hexdigest()


def read_checkpoint(path: Path, read: Read = read_file) -> CheckpointTensors:
    """A folder of weights, a safetensors file, or a torch file (`.pt`, `.pth`, `.ckpt`, `.bin`).

    The content of a file decides what it is, not its name. `read`: reads one file; by default
    its tensors are torch's.

    Raises:
        UserError: the path does not exist, is damaged, holds anything but tensors and plain
            values, or holds no tensors.
    """
    require_path(path)
    files, content = read_folder(path, read) if path.is_dir() else ([path], read(path))
    return CheckpointTensors(path, content.format, tuple(files), content.tensors, content.other)


def is_finite(tensor: torch.Tensor) -> bool:
    """Whether no value is NaN or infinite; true for integers. float8 is widened first."""
    import torch

    if not (tensor.is_floating_point() or tensor.is_complex()):
        return True
    wide = tensor.float() if tensor.dtype.itemsize == 1 else tensor
    return bool(torch.isfinite(wide).all())


def _sha256(file: Path) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
