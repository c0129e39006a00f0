"""Find everything that is wrong before the first optimiser step, and report it together.

Independent checks all run, even if one fails: paths, precision, episodes and their files, the
weights of the VLM and of the initial checkpoint. If all pass, the model is built and one batch is
run (`training/dry_run.py`). Only the run's record is written. A run with a missing path or tracker
is refused within seconds, without torch; `mvla train --check` then still checks the other weights.
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

CheckResult = tuple[str, dict[str, float]]
"""The result of a check: a detail in words, and numbers."""


class Refused(UserError):
    """The preflight refuses the run; `faults` holds every reason."""

    def __init__(self, *faults: str) -> None:
        super().__init__(*faults, exit_code=1)


@dataclass(slots=True)
class Checklist:
    """Runs checks and collects their results; a failed check does not stop the others."""

    checks: list[Check]

    def run(self, name: str, check: Callable[[], CheckResult]) -> bool:
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
class CheckedInputs:
    """What the checks have read already: the weights, and statistics of the training split."""

    weights: Weights
    statistics: ActionStatistics


def check_inputs(
    checklist: Checklist,
    case: ResolvedCase,
    manifest: Manifest | None,
    workspace: Workspace,
    paths_exist: tuple[bool, bool],
) -> CheckedInputs:
    """All that can be checked without building a model; `manifest` is None where it was refused.

    `paths_exist`: the answer of `check_paths`.

    Raises:
        Refused: one of these checks or an earlier one failed.
    """
    vlm_exists, init_exists = paths_exist
    check_precision(checklist, case.recipe.precision)
    statistics = None
    if manifest is not None:
        statistics = _check_files(checklist, case, manifest, workspace)
    vlm = _check_vlm(checklist, case) if vlm_exists else None
    initial = _check_init(checklist, case) if init_exists else None
    checklist.refuse()
    assert vlm is not None and statistics is not None
    return CheckedInputs(Weights(vlm, initial), statistics)


def check_paths(checklist: Checklist, case: ResolvedCase) -> tuple[bool, bool]:
    """Whether the path of the VLM, and of the initial checkpoint, exists."""

    def vlm() -> CheckResult:
        return str(weights_path(case.vlm, "The VLM")), {}

    def init() -> CheckResult:
        if case.init is None:
            if "robovlms" in case.case.lower():
                raise UserError(
                    f"{case.case} calls itself RoboVLMs but has no initial checkpoint: "
                    "name one under `init`, or rename the case."
                )
            return "no initial checkpoint is asked for", {}
        return str(weights_path(case.init, "The initial checkpoint")), {}

    vlm_exists = checklist.run("VLM path", vlm)
    return vlm_exists, checklist.run("initial checkpoint path", init)


def check_trackers(checklist: Checklist, case: ResolvedCase) -> bool:
    """Whether the trackers that the profile names are installed."""

    def trackers() -> CheckResult:
        require_installed(case.record.loggers)
        return ", ".join(case.record.loggers) or "none is named", {}

    return checklist.run("trackers", trackers)


def check_precision(checklist: Checklist, precision: str) -> None:
    """Whether this machine computes in the recipe's type and does not merely imitate it."""

    def supported() -> CheckResult:
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

    statistics: list[ActionStatistics] = []

    def files() -> CheckResult:
        actions, unread = recorded_actions(case, manifest, workspace, _size(case))
        if unread:
            others = len(unread) - SHOWN
            more = [f"{others} more episodes' files cannot be read either."] if others > 0 else []
            raise UserError(*unread[:SHOWN], *more)
        train = [actions[episode.id] for episode in manifest.split("train")]
        statistics.append(action_statistics(train, case.action_names))
        scale = ", ".join(f"{value:.3g}" for value in statistics[0].scale)
        frames = float(sum(map(len, actions.values())))
        return f"all {len(actions)} can be read; training's full speed {scale}", {"frames": frames}

    checklist.run("episode files", files)
    return statistics[0] if statistics else None


def _size(case: ResolvedCase) -> int | None:
    """Pixels on a side of the VLM's frames; None if unknown, which the check of the VLM reports."""
    try:
        return image_size(case)
    except UserError:
        return None


def _check_vlm(checklist: Checklist, case: ResolvedCase) -> VlmWeights | None:
    loaded: list[VlmWeights] = []

    def vlm() -> CheckResult:
        loaded.append(read_case_vlm(case))
        source = loaded[0].source
        count = sum(source.loaded.values())
        return f"all {count} tensors, finite, {source.format}", {"bytes": float(source.bytes)}

    checklist.run("VLM weights", vlm)
    return loaded[0] if loaded else None


def _check_init(checklist: Checklist, case: ResolvedCase) -> InitialWeights | None:
    loaded: list[InitialWeights | None] = []

    def init() -> CheckResult:
        loaded.append(read_case_init(case))
        if loaded[0] is None:
            return "it can be read and is finite; the VLM it should fit cannot be told", {}
        source = loaded[0].source
        count = sum(source.loaded.values())
        return f"{count} tensors load, finite, {source.format}", {"bytes": float(source.bytes)}

    if case.init is not None:
        checklist.run("initial checkpoint weights", init)
    return loaded[0] if loaded else None


def check_disk(checklist: Checklist, folder: Path, parameters: int, cached: int) -> None:
    """Whether the checkpoints of so many parameters, and `cached` bytes of frames, fit."""

    def disk() -> CheckResult:
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
