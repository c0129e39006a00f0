"""Where the tensors of a torch file lie: names under any usual key of what its pickle holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mobile_vla.messages.errors import UserError

STATE_KEYS = ("state_dict", "model_state_dict", "model", "module", "net", "network", "policy")
"""Keys that programs save a model's tensors under, in order of choice."""
DEPTH = 6
SHOWN = 3


class FileContent(NamedTuple):
    """The layout of one file, its tensors by name, and the plain values beside them.

    Tensors are torch's, or descriptions of them (`stored_tensors`), by the reader of the file.
    """

    format: str
    tensors: dict[str, Any]
    other: Mapping[str, Any]


def unwrap(content: Any, path: Path, kind: type) -> FileContent:
    """The tensors of what a torch file holds. `kind`: the class of a tensor.

    Raises:
        UserError: no tensors lie under a key that models are saved under.
    """
    if not isinstance(content, Mapping):
        raise UserError(f"{path} holds a {type(content).__name__}, not tensors by name.")
    keys, inner = _model_keys(content, kind)
    tensors = dict(_flatten(inner, kind)) if keys else _direct(inner, kind)
    if not tensors:
        raise UserError(_no_tensors(content, path, kind))
    layout = ".".join(keys) or "tensors"
    if "pytorch-lightning_version" in content:
        layout = "lightning"
    other = {str(k): v for k, v in content.items() if keys and k != keys[0]}
    return FileContent(f"torch {layout}", tensors, other)


def _model_keys(content: Mapping[Any, Any], kind: type) -> tuple[list[str], Mapping[Any, Any]]:
    """The keys that lead to the model's tensors, and the mapping that holds them."""
    keys: list[str] = []
    while len(keys) < DEPTH:
        key = next((k for k in STATE_KEYS if _holds_tensors(content.get(k), kind)), None)
        if key is None or (keys and _direct(content, kind)):
            break
        keys.append(key)
        content = content[key]
    return keys, content


def _direct(mapping: Mapping[Any, Any], kind: type) -> dict[str, Any]:
    return {str(k): v for k, v in mapping.items() if isinstance(v, kind)}


def _holds_tensors(value: Any, kind: type) -> bool:
    return isinstance(value, Mapping) and next(_flatten(value, kind), None) is not None


def _flatten(mapping: Mapping[Any, Any], kind: type, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every tensor by its dotted name; a mapping within a mapping adds its key to the name."""
    for key, value in mapping.items():
        if isinstance(value, kind):
            yield f"{prefix}{key}", value
        elif isinstance(value, Mapping) and prefix.count(".") < DEPTH:
            yield from _flatten(value, kind, f"{prefix}{key}.")


def _no_tensors(content: Mapping[Any, Any], path: Path, kind: type) -> str:
    holders = [str(key) for key, value in content.items() if _holds_tensors(value, kind)]
    if holders:
        names = ", ".join(f"`{key}`" for key in holders[:SHOWN])
        return (
            f"{path} holds tensors under {names} only, which is no key that a model is saved "
            "under: save that mapping as `state_dict` and give the new file."
        )
    return f"{path} holds no tensors: give a checkpoint with weights."


def not_plain(path: Path, names: str) -> str:
    """The sentence about a file that names classes or functions."""
    return (
        f"{path} holds something other than tensors and plain values{names}, or is no checkpoint; "
        "nothing in it was executed: save its state_dict alone and load that."
    )
