"""Write a policy without adapters as a Hugging Face folder, RoboVLMs' file or a graph."""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from mobile_vla.policy.checkpoints.merge_lora import COPIED, POLICY
from mobile_vla.policy.checkpoints.policy_checkpoint import save_policy
from mobile_vla.policy.policy import Policy
from mobile_vla.serving.exports.control_step import ControlStep, quantise_linear
from mobile_vla.serving.exports.formats import GRAPHS, ExportFormat, ExportType, PolicyDescription
from mobile_vla.serving.exports.robovlms_format import write_robovlms

SMALL = 1024
"""Numbers below which a tensor stays float32: biases and norms."""
LARGEST_FILE = 1_500_000_000
"""Bytes from which the weights of an ONNX graph lie in a file of their own."""


def write_format(
    policy: Policy,
    description: PolicyDescription,
    folder: Path,
    *,
    kind: ExportFormat,
    number: ExportType,
    metadata: dict[str, Any],
) -> None:
    """Write `policy`, which is changed in place, to `folder`. `metadata`: of its checkpoint."""
    if kind == "hf":
        _write_huggingface(policy, folder, number, metadata)
    elif kind == "robovlms":
        dtype = torch.bfloat16 if number == "bf16" else torch.float32
        write_robovlms(policy, description.window, folder, dtype)
    elif kind == "torch":
        _write_torch(policy, description, folder, number)
    else:
        _write_onnx(policy, description, folder, number)


def copy_processor(vlm: Path, folder: Path) -> None:
    """Copy the files of a VLM's folder that are not weights: configuration and tokenizer."""
    for file in sorted(vlm.iterdir()):
        if file.suffix in COPIED and not file.name.endswith(".index.json"):
            shutil.copy(file, folder)


def _write_huggingface(
    policy: Policy, folder: Path, number: ExportType, metadata: dict[str, Any]
) -> None:
    network = policy.backbone.network
    if number == "bf16":
        network.to(torch.bfloat16).to(torch.float32)  # the checkpoint's hash is of these values
    save_policy(folder / POLICY, policy, metadata)
    if number == "bf16":
        network.to(torch.bfloat16)
    network.save_pretrained(folder)


def _write_torch(
    policy: Policy, description: PolicyDescription, folder: Path, number: ExportType
) -> None:
    if number == "bf16":
        policy.backbone.to(torch.bfloat16)
    if number == "int8":
        quantise_linear(policy)
    with torch.no_grad(), _quiet():
        program = torch.export.export(
            ControlStep(policy).eval(), _example(description), dynamic_shapes=_shapes()
        )
        torch.export.save(program, folder / GRAPHS["torch"])


def _write_onnx(
    policy: Policy, description: PolicyDescription, folder: Path, number: ExportType
) -> None:
    file = folder / GRAPHS["onnx"]
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            ControlStep(policy).eval(),
            _example(description),
            dynamic_shapes=_shapes(),
            input_names=description.inputs,
            output_names=description.outputs,
            dynamo=True,
            verbose=False,
        )
        assert program is not None
        program.save(file)
    if number == "bf16":
        _store_as_bf16(file)
    if number == "int8":
        _quantise_onnx(file)


def _quantise_onnx(file: Path) -> None:
    """Dynamic quantisation by onnxruntime: int8 weights, activations scaled at run time."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    float_file = file.with_name("float.onnx")
    parts = [path for path in file.parent.iterdir() if path.name.startswith(f"{file.name}.")]
    large = sum(path.stat().st_size for path in [file, *parts]) > LARGEST_FILE
    file.rename(float_file)
    with _quiet():
        quantize_dynamic(
            float_file, file, weight_type=QuantType.QInt8, use_external_data_format=large
        )
    for path in (float_file, *parts):
        path.unlink()


def _store_as_bf16(file: Path) -> None:
    """Store the large weights as bfloat16, which the graph casts to float32 when it is loaded."""
    import onnx
    from ml_dtypes import bfloat16
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(file)
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < SMALL:
            continue
        name, stored = tensor.name, f"{tensor.name}.bf16"
        tensor.CopyFrom(numpy_helper.from_array(values.astype(bfloat16), stored))
        casts.append(helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT))
    for place, node in enumerate(casts):
        model.graph.node.insert(place, node)
    for path in file.parent.glob(f"{file.name}.*"):
        path.unlink()
    large = model.ByteSize() > LARGEST_FILE
    onnx.save(model, file, save_as_external_data=large, location=f"{file.name}.data")


def _example(description: PolicyDescription) -> tuple[torch.Tensor, ...]:
    """Inputs of the right shapes."""
    side = description.frame
    return (
        torch.zeros(1, side, side, 3, dtype=torch.uint8),
        torch.zeros(1, 12, dtype=torch.long),
        torch.zeros(1, description.window - 1, description.state_width),
        torch.tensor([0]),
    )


def _shapes() -> tuple[dict[int, Any], ...]:
    """Only the prompt's length differs between calls."""
    return {}, {1: torch.export.Dim.AUTO}, {}, {}


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporters warn about packages that they do not need."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
