"""A first study file for a folder of episodes: what they hold, and settings that train."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mobile_vla.episodes.episode_summary import EpisodeSummary
from mobile_vla.episodes.scan_folder import consistent_episodes, default_jobs, summarize_folder
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.files import written_beside
from mobile_vla.study.load_study import load_study
from mobile_vla.study.models import ACTIONS, Study

DIMENSIONS = ("linear_x", "linear_y", "angular_z")
"""The recorded action columns, in order."""
STILL = 1e-6
"""m/s or rad/s up to which a column never moves."""
SIMULATION = "simulation.json"
EVALUATION_EPISODES = 10
TENS = 10
"""Twice a block of the split: half of it splits four to one as well."""
TEMPLATE = """\
# A first study of {folder}: {usable} usable episodes of {files}, pictures of {height} x {width} px.
# Steps of {step:g} s. Largest magnitudes: {ranges}.
{remarks}study: {name}
title: {{en: {name}, ko: {name}}}
robot: {{action: [{action}], step: {step:g}, full_speed: {full_speed:g}{full_turn}}}
# Both data sets lie below workspace/data. Record the evaluation set apart from the training set.
data: {{train: {train}, evaluation: {evaluation}}}
base: {{window: 8, chunk: 10, action_dim: {action_dim}, accumulate: 4, seed: 123}}
profiles:
  laptop:
    note: {{en: a small VLM on two CPU cores, ko: CPU 코어 두 개의 소형 VLM}}
    vlms: {{kosmos-2: "package:kosmos2-tiny"}}
    inits: {{}}
    evaluation: {{{evaluation_counts}}}
    rollout_scenes: {scenes}  # in the simulator; 0 leaves them out
    recipe: {{learning_rate: 3e-3, epochs: 24, batch: 4, accumulate: 1, huber_delta: 0.1,
             first_action_weight: 3.0, lora: {{r: 16, alpha: 32, dropout: 0.0}},
             head: {{hidden: 128, layers: 1}}}}
  full:
    note: {{en: Kosmos-2 at full size, ko: 전체 크기의 Kosmos-2}}
    vlms: {{kosmos-2: .vlms/kosmos-2-patch14-224}}  # the folder of your weights
    inits: {{}}
    evaluation: {{{evaluation_counts}}}
    rollout_scenes: {scenes}
    recipe: {{precision: bf16-mixed}}
cases:
{cases}"""
ONE_CASE = """\
  - {{name: all_data, vlm: kosmos-2, data: {{{counts}}}}}
"""
TWO_CASES = """\
  # Counts in tens keep the balance when they are halved. Half the episodes are trained for twice
  # the epochs: as many optimiser steps.
  - {{name: all_data, vlm: kosmos-2, data: {{{counts}}}, epochs_share: 0.5}}
  - {{name: half_data, vlm: kosmos-2, data: {{{half}}}}}
questions:
  - name: amount
    title: {{en: effect of data amount, ko: 데이터 양 효과}}
    factor: data_amount
    pair: [half_data, all_data]
"""


@dataclass(frozen=True, slots=True)
class Recordings:
    """The usable episodes of a folder, `files` of any kind, and the episodes of each direction."""

    folder: Path
    files: int
    episodes: Sequence[EpisodeSummary]
    counts: dict[str, int]

    @property
    def largest(self) -> np.ndarray:
        """Largest magnitude of each action column, m/s (rad/s)."""
        largest: np.ndarray = np.max([np.abs(e.actions).max(0) for e in self.episodes], axis=0)
        return largest


def read_recordings(folder: Path) -> Recordings:
    """Look at every episode of a folder.

    Raises:
        UserError: no episode of it can be used.
    """
    summaries, faults = summarize_folder(folder, jobs=default_jobs())
    consistent, _ = consistent_episodes(summaries)
    usable = [episode for episode in consistent if episode.evidence.agreed is not None]
    if not usable:
        raise UserError(
            f"None of the {len(summaries) + len(faults)} files of {folder} is a usable episode: "
            f"`mvla episodes check {folder}` says why of each."
        )
    counts = Counter(str(episode.evidence.agreed) for episode in usable)
    return Recordings(folder, len(summaries) + len(faults), usable, dict(sorted(counts.items())))


def write_draft(path: Path, name: str, recordings: Recordings, evaluation: str | None) -> Study:
    """Write a commented study file that trains on the recordings; the study as it is read back.

    `evaluation`: the name of the evaluation set, by default the training set's with `_eval`.

    Raises:
        UserError: the file exists, or the names or recordings fit no study; nothing is written.
    """
    if path.exists():
        raise UserError(f"{path} exists: give another name, or delete it first.")
    text = draft(name, recordings, evaluation)
    with written_beside(path) as beside:
        beside.write_text(text, encoding="utf-8")
        study = load_study(beside)
    return study


def draft(name: str, recordings: Recordings, evaluation: str | None = None) -> str:
    """The text of the study file; names are quoted, as YAML would read some as numbers."""
    largest, counts = recordings.largest, recordings.counts
    action = _action(largest)
    train = recordings.folder.resolve().name
    first = recordings.episodes[0]
    turn = largest[2] if "angular_z" in action else 0.0
    simulated = (recordings.folder / SIMULATION).exists()
    return TEMPLATE.format(
        name=_quoted(name),
        folder=recordings.folder,
        usable=len(recordings.episodes),
        files=f"{recordings.files} files",
        height=first.size[0],
        width=first.size[1],
        step=first.step,
        ranges=", ".join(f"{n} {v:.3g}" for n, v in zip(DIMENSIONS, largest, strict=False)),
        remarks="".join(f"# {remark}\n" for remark in remarks(recordings)),
        action=", ".join(action),
        action_dim=len(action),
        full_speed=_rounded_up(largest[:2].max()),
        full_turn=f", full_turn: {_rounded_up(turn):g}" if turn > STILL else "",
        train=_quoted(train),
        evaluation=_quoted(evaluation or f"{train}_eval"),
        evaluation_counts=_listed(dict.fromkeys(counts, EVALUATION_EPISODES)),
        scenes=10 if simulated else 0,
        cases=_cases(counts),
    )


def remarks(recordings: Recordings) -> list[str]:
    """What to look at before training: unusable files, still dimensions, uneven directions."""
    lines, counts = [], recordings.counts
    if unusable := recordings.files - len(recordings.episodes):
        lines.append(
            f"{unusable} files are left out: `mvla episodes check {recordings.folder}` says why."
        )
    for name, value in zip(DIMENSIONS, recordings.largest, strict=False):
        if value <= STILL:
            lines.append(f"{name} never moves in any episode.")
    if len(counts) == 1:
        lines.append(f"All episodes go {next(iter(counts))}: a policy learns no other direction.")
    elif max(counts.values()) > 2 * min(counts.values()):
        lines.append(f"The directions are uneven: {_listed(counts)}.")
    return lines


def _cases(counts: dict[str, int]) -> str:
    """A case of all episodes; with ten or more of each direction, one of half as many too."""
    if min(counts.values()) < TENS:
        return ONE_CASE.format(counts=_listed(counts))
    tens = {direction: count // TENS * TENS for direction, count in counts.items()}
    half = {direction: count // 2 for direction, count in tens.items()}
    return TWO_CASES.format(counts=_listed(tens), half=_listed(half))


def _action(largest: np.ndarray) -> tuple[str, ...]:
    """The fewest trainable dimensions that hold every column that moves."""
    recorded = DIMENSIONS[: len(largest)]
    moving = {name for name, value in zip(recorded, largest, strict=True) if value > STILL}
    fitting = [a for a in ACTIONS if moving <= set(a) <= set(recorded)]
    return min(fitting, key=len)


def _rounded_up(value: float) -> float:
    """Two decimals, at least 0.01: a full speed is above zero."""
    return max(0.01, math.ceil(float(value) * 100 - 1e-6) / 100)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{direction}: {count}" for direction, count in counts.items())


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)
