"""A study of one case from a RoboVLMs configuration and a folder of episodes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mobile_vla.episodes.draft_study import (
    DIMENSIONS,
    EVALUATION_EPISODES,
    STILL,
    Recordings,
)
from mobile_vla.messages.catalogue import sentence
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.files import written_beside
from mobile_vla.study.load_study import load_study
from mobile_vla.study.models import ACTIONS, Recipe, Study
from mobile_vla.study.robovlms_config import ImportedConfig
from mobile_vla.study.yaml_text import dump_yaml

PROFILE = "full"
VLM = "kosmos-2"
INIT = "robovlms"
NOTE = {"en": "the weights that the configuration names", "ko": "설정 파일이 가리키는 가중치"}


def write_study(
    path: Path, config: Path, imported: ImportedConfig, recordings: Recordings
) -> Study:
    """Write the study, commented with what it does not take over; the study as it is read back.

    Raises:
        UserError: the file exists, a key blocks, or the episodes do not fit; nothing is written.
    """
    if path.exists():
        raise UserError(f"{path} exists: give another name, or delete it first.")
    content = study_of(config.stem, imported, recordings)
    header = "".join(f"# {line}\n" for line in _remarks(config, imported))
    with written_beside(path) as beside:
        beside.write_bytes(header.encode() + dump_yaml(content))
        return load_study(beside)


def study_of(name: str, imported: ImportedConfig, recordings: Recordings) -> dict[str, Any]:
    """The content of the study file.

    Raises:
        UserError: a key blocks, or the episodes move in other dimensions than the policy.
    """
    if imported.blocking:
        keys = ", ".join(outcome.key for outcome in imported.blocking)
        raise UserError(
            f"The configuration describes another model or training than a case can have, by "
            f"{keys}: change it, or name each key with --leave-out to go on without it.",
            exit_code=1,
        )
    name = re.sub(r"[^A-Za-z0-9._+-]+", "_", name).lstrip("._+-") or "imported"
    case: dict[str, Any] = {"name": name, "vlm": VLM, "data": recordings.counts}
    if imported.init:
        case["init"] = INIT
    profile = {
        "note": NOTE,
        "vlms": {VLM: imported.vlm},
        "inits": {INIT: imported.init} if imported.init else {},
        "evaluation": dict.fromkeys(recordings.counts, EVALUATION_EPISODES),
        "rollout_scenes": 0,
    }
    train = recordings.folder.resolve().name
    return {
        "study": name,
        "title": {"en": name, "ko": name},
        "robot": _robot(imported, recordings),
        "data": {"train": train, "evaluation": f"{train}_eval"},
        "base": _recipe(imported, len(recordings.episodes)),
        "profiles": {PROFILE: profile},
        "cases": [case],
    }


def _recipe(imported: ImportedConfig, episodes: int) -> dict[str, Any]:
    """The recipe, with the warm-up in steps: a fifth of the episodes are for validation."""
    recipe = dict(imported.recipe)
    per_step = recipe.get("batch", Recipe().batch) * recipe.get("accumulate", Recipe().accumulate)
    per_epoch = math.ceil(episodes * 4 / 5 / per_step)
    warmup = recipe.get("warmup_steps", 0) + round(imported.warmup_epochs * per_epoch)
    return {**recipe, "warmup_steps": warmup}


def _robot(imported: ImportedConfig, recordings: Recordings) -> dict[str, Any]:
    """The robot of the episodes, with as many dimensions as the policy has."""
    dim = imported.recipe.get("action_dim", Recipe().action_dim)
    largest = recordings.largest
    moving = [n for n, value in zip(DIMENSIONS, largest, strict=False) if value > STILL]
    recorded = DIMENSIONS[: len(largest)]
    fitting = [a for a in ACTIONS if len(a) == dim and set(moving) <= set(a) <= set(recorded)]
    if not fitting:
        raise UserError(
            f"The episodes of {recordings.folder} move in {', '.join(moving)}, which is not what a "
            f"policy of {dim} dimensions drives: give other episodes with --data."
        )
    robot = {"action": list(fitting[0]), "step": recordings.episodes[0].step}
    robot["full_speed"] = max(0.01, math.ceil(float(largest[:2].max()) * 100 - 1e-6) / 100)
    if "angular_z" in fitting[0]:
        robot["full_turn"] = max(0.01, math.ceil(float(largest[2]) * 100 - 1e-6) / 100)
    return robot


def _remarks(config: Path, imported: ImportedConfig) -> Iterator[str]:
    yield f"Made from {config.name}, a configuration of RoboVLMs. Not taken over:"
    for outcome in imported.outcomes:
        if outcome.outcome in ("not_supported", "unknown"):
            yield f"  {outcome.key} = {outcome.value}: {sentence(outcome.why, 'en')}"
