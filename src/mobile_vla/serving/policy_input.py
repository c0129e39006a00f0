"""One request for an action: a frame and an instruction, from each protocol's keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mobile_vla.serving.pictures import check_frame
from mobile_vla.serving.request_error import RequestError

IMAGE, STATE, PROMPT = "observation/image", "observation/state", "prompt"
RESET, SEQUENCE = "reset", "sequence"
MAX_INSTRUCTION = 2000


@dataclass(frozen=True, slots=True)
class PolicyInput:
    """A camera frame (H, W, 3) uint8 RGB, an instruction, and whether an episode begins."""

    frame: np.ndarray
    instruction: str
    reset: bool = False


def check_input(
    values: Mapping[str, Any],
    names: tuple[str, str],
    side: int,
    *,
    refuse_resize: bool,
    reset: bool = False,
) -> PolicyInput:
    """A frame and an instruction, held by `values` under the two `names`.

    Raises:
        RequestError: a key is missing, or its value is not what a policy can take.
    """
    for name in names:
        if name not in values:
            raise RequestError("missing_key", key=name, keys=", ".join(map(str, values)) or "none")
    image, text = names
    frame = check_frame(values[image], image, side, refuse_resize=refuse_resize)
    return PolicyInput(frame, check_instruction(values[text], text), reset)


def check_instruction(text: Any, key: str) -> str:
    """An instruction as text of 1 to `MAX_INSTRUCTION` characters.

    Raises:
        RequestError: anything else.
    """
    if not isinstance(text, str):
        raise RequestError("instruction_type", key=key, kind=type(text).__name__)
    if not text.strip():
        raise RequestError("instruction_empty", key=key)
    if len(text) > MAX_INSTRUCTION:
        raise RequestError("instruction_long", key=key, length=len(text), limit=MAX_INSTRUCTION)
    return text


def refuse_unknown(values: Any, allowed: tuple[str, ...]) -> Mapping[str, Any]:
    """A message as a map whose keys are all known; another camera's key is one that is not.

    Raises:
        RequestError: it is no map, or it has another key.
    """
    if not isinstance(values, dict):
        raise RequestError("no_map", kind=type(values).__name__)
    for key in values:
        if key not in allowed:
            raise RequestError("unknown_key", key=str(key)[:80], keys=", ".join(allowed))
    return values
