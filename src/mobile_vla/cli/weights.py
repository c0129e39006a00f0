"""`mvla weights inspect`, `diff`, `merge` and `export`."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobile_vla.cli.arguments import Options, add_action, add_actions, add_json, runs
from mobile_vla.cli.run_options import print_json

if TYPE_CHECKING:
    from mobile_vla.policy.checkpoints.inspect_weights import WeightsDiff, WeightsView
    from mobile_vla.serving.exports.formats import ExportFormat, ExportType

SHOWN = 5
NUMBERS = ("tensors", "parameters", "bytes")


class InspectOptions(Options):
    """The checkpoints to show."""

    file: Sequence[str]
    json: bool


class WeightsDiffOptions(Options):
    """The two checkpoints to compare."""

    a: str
    b: str
    json: bool


class MergeOptions(Options):
    """The run whose policy is merged, and the folder to write."""

    run_folder: str
    out: str
    json: bool


class PolicyExportOptions(Options):
    """The run whose policy is exported, how, and the folder to write."""

    run_folder: str
    checkpoint: str
    format: ExportFormat
    dtype: ExportType
    out: str
    json: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mvla weights`."""
    actions = add_actions(parser)
    summary = "show the keys of weights by part, with sizes, types and hashes"
    action = add_action(actions, "inspect", summary)
    action.add_argument(
        "file", nargs="+", help="a Hugging Face folder, or a .safetensors, .pt or .ckpt file"
    )
    add_json(action)
    runs(action, inspect, InspectOptions, "mvla weights inspect kosmos_ph_oxe-pretrain.pt")
    action = add_action(actions, "diff", "show in what two checkpoints differ, tensor by tensor")
    action.add_argument("a", metavar="A", help="a Hugging Face folder or a file")
    action.add_argument("b", metavar="B", help="another, of any format")
    add_json(action)
    runs(action, diff, WeightsDiffOptions, "mvla weights diff vlms/kosmos-2 robovlms.pt")
    summary = "write a run's best policy as a Hugging Face folder, its adapters merged"
    action = add_action(actions, "merge", summary)
    action.add_argument("run_folder", metavar="RUN", help="a run's folder")
    action.add_argument("--out", required=True, metavar="DIR", help="a new folder")
    add_json(action)
    example = "mvla weights merge workspace/runs/CASE/RUN --out merged"
    runs(action, merge, MergeOptions, example, needs=("train",))
    _add_export(actions)


def _add_export(actions: Any) -> None:
    summary = "write a run's policy for other programs, load it again and compare its actions"
    action = add_action(actions, "export", summary)
    action.add_argument("run_folder", metavar="RUN", help="a run's folder in its workspace")
    action.add_argument(
        "--format", choices=("hf", "onnx", "torch", "robovlms"), required=True,
        help="a Hugging Face folder, an ONNX graph, a graph of torch.export, or RoboVLMs' file",
    )  # fmt: skip
    action.add_argument(
        "--dtype", choices=("float32", "bf16", "int8"), default="float32",
        help="type of the stored weights (default: %(default)s)",
    )  # fmt: skip
    action.add_argument(
        "--checkpoint", default="best", metavar="NAME",
        help="best, latest, or a folder of checkpoints/ (default: %(default)s)",
    )  # fmt: skip
    action.add_argument("--out", required=True, metavar="DIR", help="a new folder")
    add_json(action)
    example = "mvla weights export workspace/runs/CASE/RUN --format onnx --dtype int8 --out robot"
    runs(action, export, PolicyExportOptions, example, needs=("train",))


def inspect(options: InspectOptions) -> int:
    """Say what each checkpoint holds; exit 1 where one holds NaN or infinity."""
    from mobile_vla.policy.checkpoints.inspect_weights import inspect_weights

    views = [inspect_weights(Path(file)) for file in options.file]
    if options.json:
        print_json(views)
    else:
        for view in views:
            _show(view)
    return int(any(view.not_finite for view in views))


def diff(options: WeightsDiffOptions) -> int:
    """Say in what two checkpoints differ; exit 1 where they do."""
    from mobile_vla.policy.checkpoints.inspect_weights import diff_weights

    difference = diff_weights(Path(options.a), Path(options.b))
    if options.json:
        print_json(difference)
    else:
        _show_diff(difference)
    return int(not difference.same)


def merge(options: MergeOptions) -> None:
    """Write a run's best policy with its adapters merged; exit 1 where it then acts otherwise."""
    import msgspec

    from mobile_vla.policy.checkpoints.merge_lora import POLICY, write_merged
    from mobile_vla.policy.checkpoints.policy_checkpoint import read_info
    from mobile_vla.runs.folder import RunFolder
    from mobile_vla.serving.served_policy import serving_facts
    from mobile_vla.study.case_file import read_case
    from mobile_vla.training.build_policy import load_trained_policy, weights_path

    run, out = RunFolder(Path(options.run_folder)), Path(options.out)
    case, checkpoint = read_case(run.case_yaml), run.best / POLICY
    policy = load_trained_policy(case, checkpoint)
    facts = msgspec.to_builtins(serving_facts(case))
    metadata = {**read_info(checkpoint).metadata, "serving": facts}
    merged = write_merged(policy, weights_path(case.vlm, "The VLM"), out, metadata)
    if options.json:
        print_json(merged)
        return
    print(
        f"{merged.folder}: {merged.layers} LoRA layers of {case.case} (step {metadata['step']}) "
        f"merged; read again, its actions are within {merged.apart:.1g} of full speed of those "
        "with adapters"
    )


def export(options: PolicyExportOptions) -> None:
    """Write an export and its report; exit 1 where it acts otherwise or stores another type."""
    from mobile_vla.cli.extras import require
    from mobile_vla.messages.catalogue import phrase
    from mobile_vla.messages.formats import size
    from mobile_vla.runs.folder import RunFolder
    from mobile_vla.serving.exports.export import ExportRequest, export_policy

    if options.format == "onnx":
        require(["export"])
    run = RunFolder(Path(options.run_folder))
    report = export_policy(
        ExportRequest(run, options.checkpoint, options.format, options.dtype, Path(options.out))
    )
    if options.json:
        print_json(report)
        return
    line = phrase(
        "export.result", "en", folder=options.out, type=report.type, format=report.format,
        size=size(report.bytes), share=f"{100 * report.bytes / report.original_bytes:.0f}",
        program=report.program, frames=report.frames, largest=f"{report.largest:.2g}",
        bound=report.bound, step=f"{report.step_ms:.3g}",
        original_step=f"{report.original_step_ms:.3g}", peak=size(report.peak_bytes),
        original_peak=size(report.original_peak_bytes),
    )  # fmt: skip
    print(line)


def _show(view: WeightsView) -> None:
    from rich.table import Table

    from mobile_vla.cli.status_table import wide

    shards = f", {view.files} files" if view.files > 1 else ""
    print(f"{view.path}: {view.format}{shards}, {view.bytes:,} bytes, sha256 {view.sha256}")
    table = Table(box=None, pad_edge=False)
    for heading in ("part", "tensors", "parameters", "bytes", "type", "blake3"):
        table.add_column(heading, justify="right" if heading in NUMBERS else "left")
    for name, part in view.parts.items():
        numbers = (f"{getattr(part, column):,}" for column in NUMBERS)
        table.add_row(name, *numbers, ", ".join(part.types), part.blake3[:16])
    totals = (sum(getattr(part, column) for part in view.parts.values()) for column in NUMBERS)
    table.add_row("in all", *(f"{total:,}" for total in totals), end_section=True)
    sys.stdout.flush()
    wide().print(table)
    for line in _notes(view):
        print(line)
    print()


def _notes(view: WeightsView) -> list[str]:
    """What a reader must know before loading it."""
    prefixed = [f'"{prefix}" {count}' for prefix, count in view.prefixes.items() if prefix]
    lora = [f"{count} of rank {rank}" for rank, count in view.lora.items()]
    notes = [
        ("names begin with", prefixed),
        ("saved twice", [f"{view.twice} tensors"] if view.twice else []),
        ("adapters in place, layers", lora),
        ("NOT FINITE", list(view.not_finite)),
        ("beside the tensors", list(view.beside)),
    ]
    return [f"{label}: {_some(items)}" for label, items in notes if items]


def _show_diff(difference: WeightsDiff) -> None:
    print(f"A = {difference.a}\nB = {difference.b}\n{difference.equal} tensors are equal")
    lines = [
        ("only in A", difference.only_a),
        ("only in B", difference.only_b),
        ("other shape", [f"{n} {a} and {b}" for n, (a, b) in difference.shapes.items()]),
        ("other type", [f"{n} {a} and {b}" for n, (a, b) in difference.types.items()]),
    ]
    for label, names in lines:
        if names:
            print(f"{label}: {len(names)} ({_some(names)})")
    for part, count in sorted(Counter(change.part for change in difference.values).items()):
        largest = max((c for c in difference.values if c.part == part), key=lambda c: c.largest)
        apart = f"{largest.largest:.3g} ({largest.name})"
        print(f"other values: {part}: {count}, apart by up to {apart}")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
