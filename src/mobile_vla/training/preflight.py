"""Everything that can be known to be wrong before the first optimiser step, all of it at once.

What does not depend on each other is checked whatever else failed: paths, precision, episodes and
their files, the VLM's weights, the initial checkpoint's. Only where all are in order is a model
built, and one batch rehearsed (`training/rehearsal.py`). Nothing is written but the evidence.
A run that misses a path or a tracker is refused on what needs no torch, within seconds; `mvla train
--check` looks at the weights that are there too.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mobile_vla.messages.errors import UserError
from mobile_vla.runs.events import Check
from mobile_vla.training.build_policy import (
    Weights,
    image_size,
    read_case_init,
    read_case_vlm,
    weights_path,
)
from mobile_vla.training.loggers import require_installed

if TYPE_CHECKING:
    from mobile_vla.episodes.manifest import Manifest
    from mobile_vla.policy.checkpoints.initial_weights import InitialWeights
    from mobile_vla.policy.checkpoints.load_vlm import VlmWeights
    from mobile_vla.policy.normalisation import ActionStatistics
    from mobile_vla.runs.workspace import Workspace
    from mobile_vla.study.models import ResolvedCase

CHECKPOINTS_AT_ONCE = 3
"""Latest, best, and the one being written."""
BYTES_A_PARAMETER = 4 * 3
"""A float32 parameter and AdamW's two moments of it."""
RESERVE_BYTES = 64 << 20
SHOWN = 3

Found = tuple[str, dict[str, float]]
"""What a check found, as a sentence's rest and as numbers."""


class Refused(UserError):
    """The preflight found the run impossible; it holds all that was found."""

    def __init__(self, *faults: str) -> None:
        super().__init__(*faults, exit_code=1)


@dataclass(slots=True)
class Checklist:
    """Runs checks and keeps what each found; a failed one does not stop the others."""

    checks: list[Check]

    def run(self, name: str, check: Callable[[], Found]) -> bool:
        """Note what `check` measured, or each fault of its `UserError`."""
        try:
            detail, values = check()
        except UserError as error:
            self.checks += [Check(name=name, passed=False, detail=fault) for fault in error.faults]
            return False
        self.checks.append(Check(name=name, passed=True, detail=detail, values=values))
        return True

    def refuse(self) -> None:
        """`Refused` with the faults of all that failed, each once; nothing where none did."""
        failed = dict.fromkeys(check.detail for check in self.checks if not check.passed)
        if failed:
            raise Refused(*failed)


@dataclass(frozen=True, slots=True)
class Ready:
    """What the checks have read already: the weights, and statistics of the training split."""

    weights: Weights
    statistics: ActionStatistics


def check_inputs(
    checklist: Checklist,
    case: ResolvedCase,
    manifest: Manifest | None,
    workspace: Workspace,
    there: tuple[bool, bool],
) -> Ready:
    """All that can be checked without building a model; `manifest` is None where it was refused.

    `there`: what `check_paths` answered. Errors: `Refused` where one of these checks or an earlier
    one failed.
    """
    vlm_there, init_there = there
    check_precision(checklist, case.recipe.precision)
    statistics = None
    if manifest is not None:
        statistics = _check_files(checklist, case, manifest, workspace)
    vlm = _check_vlm(checklist, case) if vlm_there else None
    initial = _check_init(checklist, case) if init_there else None
    checklist.refuse()
    assert vlm is not None and statistics is not None
    return Ready(Weights(vlm, initial), statistics)


def check_paths(checklist: Checklist, case: ResolvedCase) -> tuple[bool, bool]:
    """Whether the path of the VLM, and of the initial checkpoint, exists."""

    def vlm() -> Found:
        return str(weights_path(case.vlm, "The VLM")), {}

    def init() -> Found:
        if case.init is None:
            if "robovlms" in case.case.lower():
                raise UserError(
                    f"{case.case} calls itself RoboVLMs but has no initial checkpoint: "
                    "name one under `init`, or rename the case."
                )
            return "no initial checkpoint is asked for", {}
        return str(weights_path(case.init, "The initial checkpoint")), {}

    vlm_there = checklist.run("VLM path", vlm)
    return vlm_there, checklist.run("initial checkpoint path", init)


def check_trackers(checklist: Checklist, case: ResolvedCase) -> bool:
    """Whether the trackers that the profile names are installed."""

    def trackers() -> Found:
        require_installed(case.record.loggers)
        return ", ".join(case.record.loggers) or "none is named", {}

    return checklist.run("trackers", trackers)


def check_precision(checklist: Checklist, precision: str) -> None:
    """Whether this machine computes in the recipe's type and does not merely imitate it."""

    def supported() -> Found:
        from mobile_vla.training.devices import supports

        if not supports(precision):
            raise UserError(
                f"This machine does not compute in {precision} (it would imitate it, several times "
                'slower): set the recipe\'s precision to "32-true", or train on a GPU that does.'
            )
        return precision, {}

    if precision != "32-true":
        checklist.run("precision", supported)


def _check_files(
    checklist: Checklist, case: ResolvedCase, manifest: Manifest, workspace: Workspace
) -> ActionStatistics | None:
    """Whether each episode's file can be read; the statistics of the training split's actions."""
    from mobile_vla.policy.normalisation import action_statistics
    from mobile_vla.training.data import recorded_actions

    found: list[ActionStatistics] = []

    def files() -> Found:
        actions, unread = recorded_actions(case, manifest, workspace, _size(case))
        if unread:
            rest = len(unread) - SHOWN
            more = [f"{rest} more episodes' files cannot be read either."] if rest > 0 else []
            raise UserError(*unread[:SHOWN], *more)
        train = [actions[episode.id] for episode in manifest.split("train")]
        found.append(action_statistics(train, case.recipe.action_dim))
        scale = ", ".join(f"{value:.3g}" for value in found[0].scale)
        frames = float(sum(map(len, actions.values())))
        return f"all {len(actions)} can be read; training's full speed {scale}", {"frames": frames}

    checklist.run("episode files", files)
    return found[0] if found else None


def _size(case: ResolvedCase) -> int | None:
    """Pixels on a side of the VLM's frames; None where the check of the VLM tells why."""
    try:
        return image_size(case)
    except UserError:
        return None


def _check_vlm(checklist: Checklist, case: ResolvedCase) -> VlmWeights | None:
    found: list[VlmWeights] = []

    def vlm() -> Found:
        found.append(read_case_vlm(case))
        source = found[0].source
        count = sum(source.loaded.values())
        return f"all {count} tensors, finite, {source.format}", {"bytes": float(source.bytes)}

    checklist.run("VLM weights", vlm)
    return found[0] if found else None


def _check_init(checklist: Checklist, case: ResolvedCase) -> InitialWeights | None:
    found: list[InitialWeights | None] = []

    def init() -> Found:
        found.append(read_case_init(case))
        if found[0] is None:
            return "it can be read and is finite; the VLM it should fit cannot be told", {}
        source = found[0].source
        count = sum(source.loaded.values())
        return f"{count} tensors load, finite, {source.format}", {"bytes": float(source.bytes)}

    if case.init is not None:
        checklist.run("initial checkpoint weights", init)
    return found[0] if found else None


def check_disk(checklist: Checklist, folder: Path, parameters: int, cached: int) -> None:
    """Whether the checkpoints of so many parameters, and `cached` bytes of frames, fit."""

    def disk() -> Found:
        checkpoints = CHECKPOINTS_AT_ONCE * parameters * BYTES_A_PARAMETER
        need = checkpoints + cached + RESERVE_BYTES
        free = shutil.disk_usage(folder).free
        if free < need:
            raise UserError(
                f"Checkpoints and frames need {need / 1e6:.0f} MB but {folder} has "
                f"{free / 1e6:.0f} MB free: free some space or use another workspace."
            )
        detail = f"{need / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free"
        return detail, {"needed_bytes": float(need), "free_bytes": float(free)}

    checklist.run("disk space", disk)
