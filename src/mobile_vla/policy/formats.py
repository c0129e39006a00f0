"""Checkpoints read without executing anything in them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mobile_vla.policy.paths import require_path
from mobile_vla.record.errors import UserError

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
STATE_KEYS = ("state_dict", "model_state_dict")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Tensors as a file holds them, and the file.

    `bytes` and `sha256` are of the file; of several shards, the sum and the hash over the
    shards' hashes in order of name.
    """

    path: Path
    format: str
    bytes: int
    sha256: str
    tensors: dict[str, torch.Tensor]


def read_checkpoint(path: Path, roots: Sequence[Path] = ()) -> Checkpoint:
    """A Hugging Face folder, a safetensors file, or a torch file of tensors (`.pt`, `.ckpt`).

    What the file is, is told from its content. A `UserError` where it does not exist, is
    damaged, holds anything but tensors and plain values, or holds no tensors.
    """
    require_path(path, roots)
    if path.is_dir():
        return _read_folder(path)
    with open(path, "rb") as file:
        begin = file.read(9)
    if begin[8:] == b"{":
        return _checkpoint(path, "safetensors", [path], _read_safetensors(path))
    format_, tensors = _read_torch(path)
    return _checkpoint(path, format_, [path], tensors)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a Hugging Face folder, sorted; a shard that lacks is an error."""
    index = folder / INDEX
    if index.exists():
        try:
            names = set(json.loads(index.read_text())["weight_map"].values())
        except (ValueError, KeyError, AttributeError) as error:
            raise UserError(f"{index} is damaged: copy the folder again.") from error
        files = [folder / name for name in sorted(names)]
    else:
        files = [folder / SINGLE]
    lacking = [file.name for file in files if not file.is_file()]
    if lacking:
        raise UserError(
            f"{folder} lacks {', '.join(lacking)}: give a Hugging Face folder with its weights "
            "in safetensors."
        )
    return files


def _read_folder(folder: Path) -> Checkpoint:
    files = weight_files(folder)
    tensors: dict[str, torch.Tensor] = {}
    for file in files:
        tensors |= _read_safetensors(file)
    return _checkpoint(folder, "huggingface", files, tensors)


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is damaged or cut short ({error}): copy it again.") from error


def _read_torch(path: Path) -> tuple[str, dict[str, torch.Tensor]]:
    import pickle

    try:
        with open(path, "rb") as file:  # by its content: torch goes by the suffix of a path
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} holds something other than tensors and plain values, or is no checkpoint; "
            "nothing in it was executed: save its state_dict alone and load that."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else "cut short"
        raise UserError(f"{path} is damaged ({reason}): copy it again.") from error
    return _unwrap(content, path)


def _unwrap(content: Any, path: Path) -> tuple[str, dict[str, torch.Tensor]]:
    """The tensors of a torch file and the name of its layout."""
    if not isinstance(content, Mapping):
        raise UserError(f"{path} holds a {type(content).__name__}, not tensors by name.")
    layout, inner = "tensors", content
    for key in STATE_KEYS:
        if isinstance(content.get(key), Mapping):
            layout, inner = key, content[key]
            break
    if "pytorch-lightning_version" in content:
        layout = "lightning"
    tensors = {str(k): v for k, v in inner.items() if isinstance(v, torch.Tensor)}
    return f"torch {layout}", tensors


def _checkpoint(
    path: Path, format_: str, files: list[Path], tensors: dict[str, torch.Tensor]
) -> Checkpoint:
    if not tensors:
        raise UserError(f"{path} holds no tensors: give a checkpoint with weights.")
    size = sum(file.stat().st_size for file in files)
    return Checkpoint(path, format_, size, _sha256(files), tensors)


def _sha256(files: list[Path]) -> str:
    digests = []
    for file in files:
        with open(file, "rb") as stream:
            digests.append(hashlib.file_digest(stream, "sha256").hexdigest())
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()
