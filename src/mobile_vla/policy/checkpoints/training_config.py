"""RoboVLMs' configuration in a checkpoint, or in a JSON file beside it, against this program.

Tensors do not show whether a RoboVLMs policy saw a hand camera, or a window of frames in one
sequence (`history_type: pre`). Its configuration does. A policy here sees one camera and one frame
a sequence, so a checkpoint that was trained otherwise is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.checkpoints.tensor_files import CheckpointTensors

MARKS = ("use_hand_rgb", "act_head")
"""Keys that only a RoboVLMs configuration has."""
DEPTH = 8
MOST_BYTES = 4 << 20
MOST_FILES = 50


class InputSetting(NamedTuple):
    """A setting that changes what the decoder sees before the action token."""

    name: str
    keys: tuple[str, ...]
    equal: tuple[Any, ...]
    """The values under which RoboVLMs computes what this program computes."""
    otherwise: str


SETTINGS = (
    InputSetting(
        "history",
        ("act_head", "history_type"),
        ("post",),
        "puts the frames of a window into one sequence",
    ),
    InputSetting("hand camera", ("use_hand_rgb",), (False, None), "sees a hand camera"),
    InputSetting(
        "vision resampler",
        ("use_vision_resampler",),
        (False, None),
        "resamples the image before the decoder",
    ),
    InputSetting("action tokens", ("act_head", "latent"), (1, None), "has several action tokens"),
    InputSetting(
        "action space",
        ("act_head", "action_space"),
        ("continuous", None),
        "predicts from other states than the action token's",
    ),
)
NO_TENSOR_TELLS = ("history", "hand camera")


def require_same_inputs(checkpoint: CheckpointTensors) -> tuple[str, ...]:
    """Inputs of a checkpoint that no configuration states: "history", "hand camera".

    Raises:
        UserError: a configuration says that the decoder saw other inputs than it does here.
    """
    configs = list(_configs(checkpoint))
    faults, determined = [], set()
    for where, config in configs:
        for setting in SETTINGS:
            value, present = _value(config, setting.keys)
            if setting.name == "history" and _without_history(config):
                determined.add(setting.name)
            elif present:
                determined.add(setting.name)
                if value not in setting.equal:
                    key = ".".join(setting.keys)
                    faults.append(f"{setting.otherwise} (`{key}` is {value!r} in {where})")
    if faults:
        raise UserError(
            f"{checkpoint.path} was trained by a model that {' and '.join(dict.fromkeys(faults))}, "
            "which a policy here does not: start from another checkpoint."
        )
    return tuple(name for name in NO_TENSOR_TELLS if name not in determined)


def _without_history(config: Mapping[str, Any]) -> bool:
    head = config.get("act_head")
    return isinstance(head, Mapping) and head.get("with_history") is False


def _value(config: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[Any, bool]:
    """The value under nested keys, and whether it is there."""
    value: Any = config
    for key in keys:
        if not isinstance(value, Mapping) or key not in value:
            return None, False
        value = value[key]
    return value, True


def _configs(checkpoint: CheckpointTensors) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Configurations in the file, else in JSON files beside it, each with its source."""
    inside = [("the file itself", config) for config in _marked(checkpoint.other)]
    if inside or checkpoint.path.is_dir():
        yield from inside
        return
    for file in sorted(checkpoint.path.parent.glob("*.json"))[:MOST_FILES]:
        for config in _marked(_json(file)):
            yield file.name, config


def _marked(value: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """Mappings with a RoboVLMs key among nested plain values."""
    if depth > DEPTH:
        return
    if isinstance(value, Mapping):
        if any(mark in value for mark in MARKS):
            yield value
            return
        value = list(value.values())
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _marked(inner, depth + 1)


def _json(file: Path) -> Any:
    try:
        if file.stat().st_size > MOST_BYTES:
            return None
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None  # another file that happens to lie there
