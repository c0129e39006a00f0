"""Export a run's policy, load it again in another process, and report how it acts."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from mobile_vla.episodes.manifest import read_manifest
from mobile_vla.evaluation.offline import LoadedRun, load_run
from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError
from mobile_vla.policy.checkpoints.policy_checkpoint import read_info
from mobile_vla.policy.lora import merge_adapters
from mobile_vla.policy.policy import Policy
from mobile_vla.runs.files import folder_beside, write_json
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.workspace import Workspace
from mobile_vla.serving.exports.formats import (
    BOUNDS,
    DESCRIPTION,
    REPORT,
    ExportFormat,
    ExportReport,
    ExportType,
    PolicyDescription,
)
from mobile_vla.serving.exports.stored_types import require_type, stored_elements
from mobile_vla.serving.exports.write_formats import copy_processor, write_format
from mobile_vla.serving.served_policy import serving_facts
from mobile_vla.training.build_policy import weights_path
from mobile_vla.training.data import open_case_frames

EPISODES = 4
"""Validation episodes whose frames an export is compared on."""


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What to export: a run's checkpoint, by its format and type, to the new folder `out`."""

    run: RunFolder
    checkpoint: str
    format: ExportFormat
    type: ExportType
    out: Path


def export_policy(request: ExportRequest) -> ExportReport:
    """Write, load again, compare, report.

    Raises:
        UserError: `out` exists, the format lacks the type, there are no recorded frames, the
            export stores another type, or it acts otherwise; nothing is left then.
    """
    if request.out.exists():
        raise UserError(phrase("export.exists", "en", path=str(request.out)))
    if request.format in ("hf", "robovlms") and request.type == "int8":
        raise UserError(phrase("export.no_such_type", "en", format=request.format))
    loaded = load_run(request.run, request.checkpoint)
    drives = recorded_drives(loaded)
    original_bytes = 4 * sum(parameter.numel() for parameter in loaded.policy.parameters())
    with tempfile.TemporaryDirectory() as scratch, folder_beside(request.out) as folder:
        np.savez(Path(scratch) / "drives.npz", allow_pickle=False, **drives)
        checkpoint = request.run.path / loaded.checkpoint
        original = read_again("run", checkpoint.parent, Path(scratch))
        _write(loaded, folder, request)
        elements = stored_elements(folder, request.format)
        require_type(elements, request.type)
        exported = read_again(request.format, folder, Path(scratch))
        files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
        speed = loaded.case.robot.full_speed
        apart = np.abs(exported["actions"] - original["actions"]) / speed
        report = ExportReport(
            format=request.format,
            type=request.type,
            run=f"{request.run.path.parent.name}/{request.run.path.name}",
            checkpoint=loaded.checkpoint,
            checkpoint_blake3=loaded.blake3,
            program=str(exported["program"]),
            files=files,
            bytes=sum(files.values()),
            original_bytes=original_bytes,
            elements=elements,
            episodes=len(drives["begins"]),
            frames=len(drives["frames"]),
            bound=BOUNDS[request.type],
            largest=float(apart.max()),
            mean=float(apart.mean()),
            step_ms=float(np.median(exported["seconds"])) * 1000,
            original_step_ms=float(np.median(original["seconds"])) * 1000,
            peak_bytes=int(exported["peak"]),
            original_peak_bytes=int(original["peak"]),
        )
        if not report.largest <= report.bound:
            message = phrase(
                "export.differs", "en", type=request.type, largest=f"{report.largest:.3g}",
                bound=report.bound,
            )  # fmt: skip
            raise UserError(message, exit_code=1)
        write_json(folder / REPORT, report)
    return report


def _write(loaded: LoadedRun, folder: Path, request: ExportRequest) -> None:
    policy = loaded.policy.float().eval()
    merge_adapters(policy.backbone.network)
    for parameter in policy.parameters():
        parameter.requires_grad_(False)
    copy_processor(weights_path(loaded.case.vlm, "The VLM"), folder)
    description = describe(loaded, policy)
    write_json(folder / DESCRIPTION, description)
    facts = msgspec.to_builtins(serving_facts(loaded.case))
    info = read_info(request.run.path / loaded.checkpoint)
    metadata = {**info.metadata, "serving": facts}
    write_format(
        policy, description, folder, kind=request.format, number=request.type, metadata=metadata
    )


def describe(loaded: LoadedRun, policy: Policy) -> PolicyDescription:
    """What a program must know to use the export."""
    facts = serving_facts(loaded.case)
    return PolicyDescription(
        case=facts.case,
        names=list(policy.statistics.names),
        frame=policy.backbone.image_size,
        window=facts.window,
        state_width=policy.backbone.hidden_size,
        chunk=int(policy.head.settings()["chunk"]),
        step_seconds=facts.step_seconds,
        full_speed=facts.full_speed,
        prompt=policy.backbone.prompt,
    )


def recorded_drives(loaded: LoadedRun) -> dict[str, np.ndarray]:
    """Frames of the run's validation episodes and their prompts, as `read_back` takes them.

    Raises:
        UserError: the run is in no workspace, or its episodes are gone.
    """
    manifest = read_manifest(loaded.run.manifest)
    rows = manifest.split("val")[:EPISODES]
    workspace = Workspace(loaded.run.path.resolve().parents[2])
    side = loaded.policy.backbone.image_size
    if not rows or not workspace.data(loaded.case.train_data).is_dir():
        raise UserError(phrase("export.no_frames", "en", run=str(loaded.run.path)))
    store = open_case_frames(loaded.case, manifest, workspace, side)
    frames = [np.asarray(store[row.id]) for row in rows]
    texts = [loaded.policy.backbone.tokenize([store.instruction(row.id)]).ids[0] for row in rows]
    ids = np.full((len(rows), max(map(len, texts))), -1, np.int64)
    for number, text in enumerate(texts):
        ids[number, : len(text)] = text.cpu().numpy()
    begins = np.cumsum([0, *map(len, frames[:-1])])
    window = np.array(loaded.case.recipe.window)
    return {"frames": np.concatenate(frames), "ids": ids, "begins": begins, "window": window}


def read_again(kind: str, folder: Path, scratch: Path) -> Mapping[str, np.ndarray]:
    """The answer of a new process that loads `folder` and drives through `drives.npz`.

    Raises:
        UserError: that process fails.
    """
    out = scratch / f"{kind}-actions.npz"
    words = [sys.executable, "-P", "-m", "mobile_vla.serving.exports.read_back", kind, str(folder)]
    done = subprocess.run(
        [*words, str(scratch / "drives.npz"), str(out)], capture_output=True, check=False
    )
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no output"]
        message = phrase("export.not_loaded", "en", format=kind, why=lines[-1][:300])
        raise UserError(message, exit_code=1)
    with np.load(out) as file:
        return dict(file)
