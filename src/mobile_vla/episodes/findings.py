"""What can be wrong with an episode or a data set, under one name each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Check = Literal[
    "unreadable",
    "truncated",
    "not_an_episode",
    "shape_or_type",
    "not_a_number",
    "too_long",
    "changed",
    "dark_frames",
    "frozen_frames",
    "no_instruction",
    "direction",
    "duplicate",
    "near_duplicate",
    "same_actions",
    "balance",
    "range",
    "one_sided_split",
    "step",
    "name",
    "manifest",
]

MEANING: dict[Check, str] = {
    "unreadable": "cannot be opened or decoded",
    "truncated": "is cut off or empty",
    "not_an_episode": "is no HDF5 file, or lacks images or actions",
    "shape_or_type": "wrong rank, size, type or text, or lengths that disagree",
    "not_a_number": "NaN or infinite actions",
    "too_long": "more frames than an episode can have",
    "changed": "changed while it was read",
    "dark_frames": "frames that are dark or of one colour",
    "frozen_frames": "the robot drives but the picture stands still",
    "no_instruction": "nothing says what the robot was told",
    "direction": "instruction, file name and motion disagree",
    "duplicate": "the same content twice",
    "near_duplicate": "almost the same pictures, which spoils where train and val share them",
    "same_actions": "many episodes are one and the same action sequence",
    "balance": "far more episodes of one direction than of another",
    "range": "actions outside the range that the training split spans, or over full speed",
    "one_sided_split": "a split that holds one direction only",
    "step": "steps of another length than the rest, or other action columns",
    "name": "a file name that does not fit the pattern, or names a file twice",
    "manifest": "the manifest and the files disagree",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong. `episode` is a file's name, or "" where the whole set is meant.

    `frames` are counted from 0. `spoils`: training on it would teach or measure something false.
    """

    episode: str
    what: str
    check: Check = "unreadable"
    spoils: bool = True
    frames: tuple[int, ...] = ()
