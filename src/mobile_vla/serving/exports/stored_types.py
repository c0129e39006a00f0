"""How many numbers of each type the files of an export hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError
from mobile_vla.serving.exports.formats import GRAPHS, ExportFormat, ExportType

NAMES = {
    "FLOAT": "float32", "F32": "float32", "torch.float32": "float32",
    "BFLOAT16": "bf16", "BF16": "bf16", "torch.bfloat16": "bf16",
    "INT8": "int8", "UINT8": "int8", "torch.int8": "int8",
}  # fmt: skip
WEIGHT_TYPES = ("float32", "bf16", "int8")
LEAST_SHARE = 0.5
"""Share of an export's weights that must have the type that was asked for."""


def stored_elements(folder: Path, kind: ExportFormat) -> dict[str, int]:
    """Numbers by type, over all weights that `folder` holds."""
    readers = {"hf": _safetensors, "onnx": _onnx, "torch": _torch, "robovlms": _robovlms}
    counts: Counter[str] = Counter()
    for name, count in readers[kind](folder):
        if name in NAMES:
            counts[NAMES[name]] += count
    return dict(counts)


def require_type(elements: dict[str, int], kind: ExportType) -> None:
    """Refuse an export that is not of the type that was asked for.

    Raises:
        UserError: fewer than half of its numbers have that type.
    """
    total = sum(elements.get(name, 0) for name in WEIGHT_TYPES)
    if elements.get(kind, 0) < LEAST_SHARE * total or not total:
        stored = ", ".join(f"{name} {count:,}" for name, count in elements.items()) or "0"
        message = phrase("export.unchanged", "en", type=kind, stored=stored)
        raise UserError(message, exit_code=1)


def _safetensors(folder: Path) -> Iterator[tuple[str, int]]:
    from safetensors import safe_open

    for path in sorted(folder.glob("model*.safetensors")):
        with safe_open(path, framework="numpy") as file:
            for key in file.keys():  # noqa: SIM118
                tensor = file.get_slice(key)
                yield tensor.get_dtype(), int(np.prod(tensor.get_shape()))


def _onnx(folder: Path) -> Iterator[tuple[str, int]]:
    import onnx

    model = onnx.load(folder / GRAPHS["onnx"], load_external_data=False)
    for tensor in model.graph.initializer:
        yield onnx.TensorProto.DataType.Name(tensor.data_type), int(np.prod(tensor.dims))


def _torch(folder: Path) -> Iterator[tuple[str, int]]:
    import torch

    program = torch.export.load(folder / GRAPHS["torch"])
    constants = [value for value in program.constants.values() if isinstance(value, torch.Tensor)]
    for tensor in [*program.state_dict.values(), *constants]:
        yield str(tensor.dtype), tensor.numel()


def _robovlms(folder: Path) -> Iterator[tuple[str, int]]:
    import torch

    from mobile_vla.serving.exports.robovlms_format import WEIGHTS

    stored = torch.load(folder / WEIGHTS, map_location="cpu", weights_only=True, mmap=True)
    for tensor in stored["state_dict"].values():
        yield str(tensor.dtype), tensor.numel()
