"""Checkpoints read without executing anything in them, tensors mapped rather than copied."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.checkpoints.suggest_path import require_path

NAMES = ("model.safetensors", "pytorch_model.bin")
"""Weight files of a Hugging Face folder, in order of choice; an index beside lists shards."""
STATE_KEYS = ("state_dict", "model_state_dict")


@dataclass(frozen=True)
class CheckpointTensors:
    """Tensors as some files hold them, and the files.

    `tensors` lie in the files until they are used, where the format allows it. `other` holds the
    plain values beside them: a torch file's other keys, or a safetensors file's metadata.
    """

    path: Path
    format: str
    files: tuple[Path, ...]
    tensors: dict[str, torch.Tensor]
    other: Mapping[str, Any]

    @property
    def bytes(self) -> int:
        """Size of the file; of several shards, the sum."""
        return sum(file.stat().st_size for file in self.files)

    @cached_property
    def sha256(self) -> str:
        """sha256 of the file; of several shards, of their hexadecimal hashes in order of name."""
        digests = [_sha256(file) for file in self.files]
        return digests[0] if len(digests) == 1 else _text_sha256("".join(digests))


def read_checkpoint(path: Path) -> CheckpointTensors:
    """A Hugging Face folder, a safetensors file, or a torch file of tensors (`.pt`, `.ckpt`).

    What the file is, is told from its content. A `UserError` where it does not exist, is
    damaged, holds anything but tensors and plain values, or holds no tensors.
    """
    require_path(path)
    if path.is_dir():
        return _read_folder(path)
    format_, tensors, other = _read_file(path)
    return _checkpoint(path, format_, [path], tensors, other)


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a Hugging Face folder, sorted; a shard that lacks is an error."""
    files = next(
        (listed for name in NAMES if (listed := _listed(folder, name))), [folder / NAMES[0]]
    )
    lacking = [file.name for file in files if not file.is_file()]
    if lacking:
        raise UserError(
            f"{folder} lacks {', '.join(lacking)}: give a Hugging Face folder with its weights."
        )
    return files


def _listed(folder: Path, name: str) -> list[Path]:
    """The shards of an index, else the single file; none where the folder has neither."""
    index = folder / f"{name}.index.json"
    if not index.exists():
        return [folder / name] if (folder / name).is_file() else []
    try:
        shards = set(json.loads(index.read_text())["weight_map"].values())
    except (ValueError, KeyError, AttributeError) as error:
        raise UserError(f"{index} is damaged: copy the folder again.") from error
    return [folder / shard for shard in sorted(shards)]


def _read_folder(folder: Path) -> CheckpointTensors:
    files = weight_files(folder)
    tensors: dict[str, torch.Tensor] = {}
    for file in files:
        tensors |= _read_file(file)[1]
    return _checkpoint(folder, "huggingface", files, tensors, {})


def _read_file(path: Path) -> tuple[str, dict[str, torch.Tensor], Mapping[str, Any]]:
    with open(path, "rb") as file:
        begin = file.read(9)
    if begin[8:] == b"{":
        tensors, metadata = _read_safetensors(path)
        return "safetensors", tensors, metadata
    return _read_torch(path)


def _read_safetensors(path: Path) -> tuple[dict[str, torch.Tensor], Mapping[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is damaged or cut short ({error}): copy it again.") from error


def _read_torch(path: Path) -> tuple[str, dict[str, torch.Tensor], Mapping[str, Any]]:
    import pickle

    try:
        content = _load_torch(path)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} holds something other than tensors and plain values, or is no checkpoint; "
            "nothing in it was executed: save its state_dict alone and load that."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else "cut short"
        raise UserError(f"{path} is damaged ({reason}): copy it again.") from error
    return _unwrap(content, path)


def _load_torch(path: Path) -> Any:
    """Tensors and plain values only. Torch maps a zip that is given by its path."""
    if zipfile.is_zipfile(path) and path.suffix != ".safetensors":
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    with open(path, "rb") as file:  # by its content: torch goes by the suffix of a path
        return torch.load(file, map_location="cpu", weights_only=True)


def _unwrap(content: Any, path: Path) -> tuple[str, dict[str, torch.Tensor], Mapping[str, Any]]:
    """The name of a torch file's layout, its tensors, and what else it holds."""
    if not isinstance(content, Mapping):
        raise UserError(f"{path} holds a {type(content).__name__}, not tensors by name.")
    layout, inner = "tensors", content
    for key in STATE_KEYS:
        if isinstance(content.get(key), Mapping):
            layout, inner = key, content[key]
            break
    other = {str(k): v for k, v in content.items() if v is not inner and inner is not content}
    if "pytorch-lightning_version" in content:
        layout = "lightning"
    tensors = {str(k): v for k, v in inner.items() if isinstance(v, torch.Tensor)}
    return f"torch {layout}", tensors, other


def _checkpoint(
    path: Path,
    format_: str,
    files: Sequence[Path],
    tensors: dict[str, torch.Tensor],
    other: Mapping[str, Any],
) -> CheckpointTensors:
    if not tensors:
        raise UserError(f"{path} holds no tensors: give a checkpoint with weights.")
    return CheckpointTensors(path, format_, tuple(files), tensors, other)


def _sha256(file: Path) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _text_sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
