"""Match tensor names of a file with those of a model: loaded, missing, unexpected."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mobile_vla.runs.load_report import Keys

Shape = tuple[int, ...]
WRAPPERS = {"_orig_mod", "_forward_module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
"""Modules that torch.compile, DeepSpeed, FSDP and activation checkpointing put around others."""
DATA_PARALLEL = "module."
DOWN, UP = ".lora_A.", ".lora_B."
"""In the names of the two tensors of an adapter."""
OWN_PARTS = ("backbone.", "act_head.", "action_token")
PEFT_WRAPPERS = ("model.base_model.model.", "base_model.model.")
"""Under these peft, and RoboVLMs with LoRA, name the backbone (a second time)."""
PART_NAMES = {
    "vision_model": "vision",
    "vision_tower": "vision",
    "image_to_text_projection": "projection",
    "connector": "projection",
    "multi_modal_projector": "projection",
    "text_model": "text",
    "language_model": "text",
    "lm_head": "text",
    "act_head": "head",
    "fwd_head": "head",
    "head": "head",
    "action_token": "action_token",
}
"""What modules of the families, of RoboVLMs and of this program are called, and their part."""
NOT_WEIGHTS = (
    "*.position_ids", "*.embed_positions.weights", "*.gpt.h.*.attn.bias", "*.attn.masked_bias",
)  # fmt: skip
"""Tables that older versions saved beside the weights; they are computed, not loaded."""


@dataclass(frozen=True, slots=True)
class KeyMatch:
    """Model names that load, are missing or differ in shape, and unexpected names of the file."""

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    mismatched: tuple[str, ...]
    unexpected: tuple[str, ...]


def match_keys(expected: Mapping[str, Shape], present: Mapping[str, Shape]) -> KeyMatch:
    """Compare by name and shape; each tuple is sorted."""
    both = sorted(expected.keys() & present.keys())
    return KeyMatch(
        loaded=tuple(name for name in both if expected[name] == present[name]),
        missing=tuple(sorted(expected.keys() - present.keys())),
        mismatched=tuple(name for name in both if expected[name] != present[name]),
        unexpected=tuple(sorted(present.keys() - expected.keys())),
    )


def plain_names(names: Iterable[str]) -> dict[str, str]:
    """Names of a RoboVLMs checkpoint without its wrappers: file name to plain name.

    The wrappers of torch.compile, FSDP and DeepSpeed are removed at any position and
    `module.` from the front, then `model.` before RoboVLMs' own parts, then `backbone.` or peft's
    wrapper, so that a backbone's tensor has the name it has in a VLM's folder. With LoRA two
    names of a file have the same plain name.
    """
    plain = {}
    for name in names:
        bare = ".".join(module for module in name.split(".") if module not in WRAPPERS)
        while bare.startswith(DATA_PARALLEL):
            bare = bare.removeprefix(DATA_PARALLEL)
        inner = bare.removeprefix("model.")
        if inner.startswith(OWN_PARTS):
            bare = inner.removeprefix("backbone.")
        elif wrapper := next((w for w in PEFT_WRAPPERS if inner.startswith(w)), None):
            bare = inner.removeprefix(wrapper)
        elif bare.startswith(PEFT_WRAPPERS):
            bare = bare.removeprefix("model.").removeprefix("base_model.model.")
        plain[name] = bare
    return plain


def part_of(name: str) -> str:
    """The part of a tensor by the first module in `PART_NAMES`; `other` without one."""
    return next((PART_NAMES[m] for m in name.split(".") if m in PART_NAMES), "other")


def by_part(names: Iterable[str]) -> dict[str, Keys]:
    """Names by part, in order of part."""
    parts: dict[str, list[str]] = {}
    for name in names:
        parts.setdefault(part_of(name), []).append(name)
    return {p: Keys(count=len(n), names=tuple(n)) for p, n in sorted(parts.items())}


def matches_any(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name matches one of the patterns (`*` for any characters)."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def nearest_renaming(expected: Mapping[str, Shape], present: Mapping[str, Shape]) -> str | None:
    """A sentence about the change of prefix under which most of the file's names would load.

    None where no change of prefix makes a name of the file one of the model.
    """
    by_end: dict[str, list[str]] = {}
    for name in expected:
        by_end.setdefault(_end(name), []).append(name)
    changes: Counter[tuple[str, str]] = Counter()
    for name in present:
        for target in by_end.get(_end(name), []):
            if target != name and present[name] == expected[target]:
                changes[_prefixes(name, target)] += 1
    if not changes:
        return None
    (before, after), count = max(changes.items(), key=lambda item: (item[1], item[0]))
    return f'replacing the prefix "{before}" by "{after}" would load {count} of {len(expected)}'


def _end(name: str) -> str:
    return ".".join(name.split(".")[-2:])


def _prefixes(name: str, target: str) -> tuple[str, str]:
    """The prefixes before the longest common suffix of two dotted names."""
    left, right = name.split("."), target.split(".")
    while left and right and left[-1] == right[-1]:
        left.pop()
        right.pop()
    return "".join(f"{part}." for part in left), "".join(f"{part}." for part in right)
