"""What an export's folder holds in each format, and what each type may change."""

from __future__ import annotations

from typing import Literal

from mobile_vla.messages.record import Record

ExportFormat = Literal["hf", "onnx", "torch", "robovlms"]
ExportType = Literal["float32", "bf16", "int8"]
FORMATS: tuple[ExportFormat, ...] = ("hf", "onnx", "torch", "robovlms")
TYPES: tuple[ExportType, ...] = ("float32", "bf16", "int8")
GRAPHS: dict[str, str] = {"onnx": "policy.onnx", "torch": "policy.pt2"}
REPORT = "report.json"
DESCRIPTION = "policy.json"
BOUNDS: dict[ExportType, float] = {"float32": 1e-4, "bf16": 0.03, "int8": 0.05}
"""Largest difference of an action from the original's, as a share of full speed."""


class PolicyDescription(Record, frozen=True, kw_only=True):
    """How to use an exported graph. Its inputs and outputs are those of `ControlStep`.

    `prompt`: the text to tokenize, without special tokens, with the instruction for its field.
    """

    case: str
    names: list[str]
    frame: int
    window: int
    state_width: int
    chunk: int
    step_seconds: float
    full_speed: float
    prompt: str
    inputs: tuple[str, ...] = ("frame", "ids", "history", "count")
    outputs: tuple[str, ...] = ("actions", "state")


class ExportReport(Record, frozen=True, kw_only=True):
    """How an export acts beside the original, in `report.json` of its folder.

    `elements`: stored numbers by type. `program`: what loaded the export again. `largest`, `mean`:
    differences of actions as shares of full speed. `step_ms`: median control step; `peak_bytes`:
    the most memory of the process that loaded it; both also of the original, in another process.
    """

    format: ExportFormat
    type: ExportType
    run: str
    checkpoint: str
    checkpoint_blake3: str
    program: str
    files: dict[str, int]
    bytes: int
    original_bytes: int
    elements: dict[str, int]
    episodes: int
    frames: int
    bound: float
    largest: float
    mean: float
    step_ms: float
    original_step_ms: float
    peak_bytes: int
    original_peak_bytes: int
