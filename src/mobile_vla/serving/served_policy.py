"""A trained policy with all that a client must know of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mobile_vla import __version__
from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.record import Record
from mobile_vla.policy.policy import Policy
from mobile_vla.runs.files import hash_file
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.results import Offline, Result, Rollouts, read_result
from mobile_vla.study.models import ResolvedCase

AXES = {
    "linear_x": "m/s, + forward",
    "linear_y": "m/s, + left",
    "angular_z": "rad/s, + counter-clockwise",
}
CAMERA = "front"


class ServingFacts(Record, frozen=True, kw_only=True):
    """What a merged folder's checkpoint holds of its case (`metadata["serving"]`)."""

    case: str
    window: int
    step_seconds: float
    full_speed: float
    limits: dict[str, list[float | None]] | None = None


@dataclass(frozen=True, slots=True)
class ServedPolicy:
    """A policy in memory and what its clients are told: `metadata` is plain JSON."""

    policy: Policy
    facts: ServingFacts
    metadata: dict[str, Any]

    @property
    def side(self) -> int:
        """Pixels on a side of the frames that the policy takes."""
        return self.policy.backbone.image_size


def serving_facts(case: ResolvedCase) -> ServingFacts:
    """The facts of a resolved case."""
    return ServingFacts(
        case=case.case,
        window=case.recipe.window,
        step_seconds=case.robot.step,
        full_speed=case.robot.full_speed,
        limits=case.robot.drive_limits,
    )


def open_policy(path: Path, checkpoint: str = "best") -> ServedPolicy:
    """A run's checkpoint, or a folder that `mvla weights merge` wrote.

    Raises:
        UserError: the folder is neither, or its checkpoint does not load.
    """
    from mobile_vla.policy.checkpoints.merge_lora import POLICY

    if (run := RunFolder(path)).case_yaml.exists():
        return _open_run(run, checkpoint)
    if (path / POLICY).exists():
        return _open_merged(path)
    raise UserError(phrase("serve.no_policy_folder", "en", path=str(path)))


def _open_run(run: RunFolder, checkpoint: str) -> ServedPolicy:
    from mobile_vla.evaluation.offline import load_run

    trained = load_run(run, checkpoint)
    facts = serving_facts(trained.case)
    source = {
        "run": f"{run.path.parent.name}/{run.path.name}",
        "checkpoint": trained.checkpoint,
        "checkpoint_blake3": trained.blake3,
        "evidence": _evidence(trained.results, trained.blake3),
    }
    return ServedPolicy(trained.policy, facts, _metadata(trained.policy, facts, source))


def _open_merged(folder: Path) -> ServedPolicy:
    from mobile_vla.policy.checkpoints.load_vlm import load_vlm
    from mobile_vla.policy.checkpoints.merge_lora import POLICY
    from mobile_vla.policy.checkpoints.policy_checkpoint import load_policy, read_info

    file = folder / POLICY
    try:
        facts = msgspec.convert(read_info(file).metadata.get("serving"), ServingFacts)
    except msgspec.ValidationError as error:
        raise UserError(phrase("serve.merged_without_facts", "en", path=str(folder))) from error
    policy = load_policy(file, load_vlm(folder)[0])
    source = {
        "run": None,
        "checkpoint": f"{folder.name}/{POLICY}",
        "checkpoint_blake3": hash_file(file),
        "evidence": {"offline": None, "rollouts": None},
    }
    return ServedPolicy(policy.eval(), facts, _metadata(policy, facts, source))


def _metadata(policy: Policy, facts: ServingFacts, source: dict[str, Any]) -> dict[str, Any]:
    names, side = policy.statistics.names, policy.backbone.image_size
    return {
        "server": f"mobile_vla {__version__}",
        "case": facts.case,
        **source,
        "action": {"names": list(names), "units": [AXES[name] for name in names]},
        "chunk": int(policy.head.settings()["chunk"]),
        "window": facts.window,
        "step_seconds": facts.step_seconds,
        "full_speed": facts.full_speed,
        "limits": facts.limits or {"velocity": [facts.full_speed] * len(names)},
        "frame": {"size": [side, side], "type": "uint8", "channels": "RGB, last axis"},
        "cameras": [CAMERA],
    }


def _evidence(results: Path, blake3: str) -> dict[str, Any]:
    """What the evaluation of this very checkpoint measured; None for a part that is missing."""
    offline = _result_of(results / "offline.json", Offline, blake3)
    rollouts = _result_of(results / "rollouts.json", Rollouts, blake3)
    return {
        "offline": offline and _offline_evidence(offline),
        "rollouts": rollouts and _rollout_evidence(rollouts),
    }


def _result_of(path: Path, kind: type[Result], blake3: str) -> Result | None:
    result = read_result(path, kind) if path.exists() else None
    return result if result and result.checkpoint_blake3 == blake3 else None


def _offline_evidence(result: Offline) -> dict[str, Any]:
    return {
        "set": result.set.name,
        "set_hash": result.set.hash,
        "episodes": len(result.set.episodes),
        "metrics": {metric.name: metric.value for metric in result.policy.metrics},
    }


def _rollout_evidence(result: Rollouts) -> dict[str, Any]:
    return {
        "simulator": result.simulator,
        "drives": len(result.rollouts),
        "successes": sum(drive.success for drive in result.rollouts),
        "collisions": sum(drive.collision for drive in result.rollouts),
    }
