"""Torch files (`.pt`, `.pth`, `.ckpt`, `.bin`): tensors by name, under any usual key.

`torch.load` with `weights_only` reads them, so nothing in a file is executed.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from mobile_vla.messages.errors import UserError

STATE_KEYS = ("state_dict", "model_state_dict", "model", "module", "net", "network", "policy")
"""Keys that programs save a model's tensors under, in order of choice."""
DEPTH = 6
SHOWN = 3


class FileContent(NamedTuple):
    """The layout of one file, its tensors by name, and the plain values beside them."""

    format: str
    tensors: dict[str, torch.Tensor]
    other: Mapping[str, Any]


def read_torch(path: Path) -> FileContent:
    """The tensors of a torch file and what lies beside them.

    Raises:
        UserError: the file is damaged, holds other things than tensors and plain values, or holds
            no tensors under a key that models are saved under.
    """
    try:
        with torch.serialization.safe_globals(_numpy_scalars()):
            content = _load(path)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} holds something other than tensors and plain values{_strangers(path)}, or is "
            "no checkpoint; nothing in it was executed: save its state_dict alone and load that."
        ) from error
    except Exception as error:  # a damaged pickle makes the unpickler raise almost anything
        reason = str(error).splitlines()[0] if str(error) else "cut short"
        raise UserError(f"{path} is damaged ({reason}): copy it again.") from error
    return _unwrap(content, path)


def _load(path: Path) -> Any:
    """Tensors and plain values only. Torch maps a zip that is given by its path."""
    if zipfile.is_zipfile(path) and path.suffix != ".safetensors":
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    with open(path, "rb") as file:  # by its content: torch goes by the suffix of a path
        return torch.load(file, map_location="cpu", weights_only=True)


def _numpy_scalars() -> list[Any]:
    """The classes that a pickled numpy number needs, with the names of numpy 1 and 2."""
    import numpy as np

    scalar = np.float64(0).__reduce__()[0]
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    kinds = {type(np.dtype(code)) for code in "?bBhHiIlLqQefd"}
    return [*((scalar, name) for name in names), np.dtype, *kinds]


def _strangers(path: Path) -> str:
    """ " (argparse.Namespace)": the classes and functions that a file asks for, as far as known."""
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # the file may be no zip, or damaged
        return ""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f" ({', '.join(sorted(names)[:SHOWN])}{more})" if names else ""


def _unwrap(content: Any, path: Path) -> FileContent:
    if not isinstance(content, Mapping):
        raise UserError(f"{path} holds a {type(content).__name__}, not tensors by name.")
    keys, inner = _model_keys(content)
    tensors = dict(_flatten(inner)) if keys else _direct(inner)
    if not tensors:
        raise UserError(_no_tensors(content, path))
    _refuse_sparse(tensors, path)
    layout = ".".join(keys) or "tensors"
    if "pytorch-lightning_version" in content:
        layout = "lightning"
    other = {str(k): v for k, v in content.items() if keys and k != keys[0]}
    return FileContent(f"torch {layout}", tensors, other)


def _model_keys(content: Mapping[Any, Any]) -> tuple[list[str], Mapping[Any, Any]]:
    """The keys that lead to the model's tensors, and the mapping that holds them."""
    keys: list[str] = []
    while len(keys) < DEPTH:
        key = next((k for k in STATE_KEYS if _holds_tensors(content.get(k))), None)
        if key is None or (keys and _direct(content)):
            break
        keys.append(key)
        content = content[key]
    return keys, content


def _direct(mapping: Mapping[Any, Any]) -> dict[str, torch.Tensor]:
    return {str(k): v for k, v in mapping.items() if isinstance(v, torch.Tensor)}


def _holds_tensors(value: Any) -> bool:
    return isinstance(value, Mapping) and next(_flatten(value), None) is not None


def _flatten(mapping: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor by its dotted name; a mapping within a mapping adds its key to the name."""
    for key, value in mapping.items():
        if isinstance(value, torch.Tensor):
            yield f"{prefix}{key}", value
        elif isinstance(value, Mapping) and prefix.count(".") < DEPTH:
            yield from _flatten(value, f"{prefix}{key}.")


def _no_tensors(content: Mapping[Any, Any], path: Path) -> str:
    holders = [str(key) for key, value in content.items() if _holds_tensors(value)]
    if holders:
        names = ", ".join(f"`{key}`" for key in holders[:SHOWN])
        return (
            f"{path} holds tensors under {names} only, which is no key that a model is saved "
            "under: save that mapping as `state_dict` and give the new file."
        )
    return f"{path} holds no tensors: give a checkpoint with weights."


def _refuse_sparse(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    name = next((n for n, v in tensors.items() if v.layout != torch.strided), None)
    if name is not None:
        raise UserError(
            f"{path} holds {name} as a sparse tensor: save the checkpoint with dense tensors."
        )
