"""All the evidence of one case, run by run, as lines of text: what `mvla status CASE` prints."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mobile_vla.cli.status_table import data_text, foreign_data_told
from mobile_vla.evidence.drives import drives_reason
from mobile_vla.evidence.model import CaseView, CheckpointView, Evidence, Known, RunView
from mobile_vla.evidence.run_factors import SETTING
from mobile_vla.messages.catalogue import sentence, term
from mobile_vla.messages.reason import reason
from mobile_vla.runs.metrics_csv import COLUMNS
from mobile_vla.runs.results import Metric

CONFIGURATION = ("recipe.", "epochs", "seed", "robot", "profile", "note")
WEIGHTS = ("vlm", "initial_weights", "weights_as_loaded")
SETS = ("training_episodes", "validation_set", "evaluation_set", "evaluation_scenes")


def dossier(case: CaseView, base: Path) -> list[str]:
    """Every run of the case, oldest first. `base`: the workspace, for the disk space."""
    name = f"{case.name} ({case.label})" if case.label else case.name
    lines = [f"{name}: {case.state}. {sentence(case.why, 'en')}"]
    if not case.runs:
        lines.append("It has no run.")
    for run in case.runs:
        lines += ["", *run_lines(run, base)]
    return lines


def run_lines(run: RunView, base: Path) -> list[str]:
    """One run: state, configuration, data, weights, epochs, checkpoints, metrics, conflicts.

    After the first line, files are named relative to the run's folder, or to its file's.
    """
    lines = _block("evidence", [_cited("", fact).strip() for fact in run.evidence])
    lines += _block("conflicts", [sentence(why, "en") for why in run.conflicts])
    if run.chained is False:
        lines.append(f"  {sentence(reason('chain.unchained'), 'en')}")
    lines += _block("configuration", list(_factors(run, CONFIGURATION)))
    lines += _block("data", list(_data(run)))
    lines += _block("weights", [*_factors(run, WEIGHTS), *_trained(run)])
    lines += _block("training", list(_training(run)))
    lines += _block("checkpoints", list(_checkpoints(run)))
    lines += _block("metrics", list(_metrics(run)))
    lines += _block("other factors", list(_rest(run)))
    paths = [Path(name) for name in run.foreign.files] if run.foreign else [base / run.path]
    lines.append(f"  disk space: {_size(sum(disk_bytes(path) for path in paths))}")
    start = f"{Path(run.path).parent.as_posix() if run.foreign else run.path}/"
    inside = [line.replace(start, "") for line in lines]
    return [f"{run.path}: {run.state}. {sentence(run.why, 'en')}", *inside]


def disk_bytes(folder: Path) -> int:
    """Bytes that the files below `folder`, or a file, take; links are not followed."""
    total = folder.stat().st_size if os.path.isfile(folder) else 0  # noqa: PTH113
    for where, _, files in os.walk(folder):
        for name in files:
            try:
                total += (Path(where) / name).lstat().st_size
            except OSError:
                continue
    return total


def _block(title: str, lines: list[str]) -> list[str]:
    return [f"  {title}:", *(f"    {line}" for line in lines)] if lines else []


def _cited(text: str, at: Evidence) -> str:
    place = " ".join(part for part in (at.file, at.where, at.blake3[:12]) if part)
    return f"{text} ({place})" if text else place


def _factors(run: RunView, names: tuple[str, ...]) -> Iterator[str]:
    for name, value in run.factors.items():
        if _among(name, names):
            yield _known(name, value)


def _among(name: str, names: tuple[str, ...]) -> bool:
    """Whether a factor is one of these, or below one that ends in a dot."""
    return name in names or any(n.endswith(".") and name.startswith(n) for n in names)


def _known(name: str, value: Known) -> str:
    return _cited(f"{name}: {value.value}", value.evidence)


def _data(run: RunView) -> Iterator[str]:
    counts = data_text(run.train, run.validation)
    if counts is None:
        yield foreign_data_told(run) or "unknown: no manifest can be read"
        return
    yield f"training + validation episodes: {counts}"
    if run.manifest_hash:
        yield f"manifest {run.manifest_hash}"
    for name in SETS:
        if name in run.factors:
            yield _known(name, run.factors[name])


def _trained(run: RunView) -> Iterator[str]:
    if run.trained_parts:
        total = sum(run.trained_parts.values())
        parts = ", ".join(f"{part} {count:,}" for part, count in run.trained_parts.items())
        yield f"trained parameters: {total:,} ({parts})"
    elif run.foreign and run.foreign.trained_parameters:
        yield f"trained parameters: {run.foreign.trained_parameters:,}, in which parts is unknown"


def _training(run: RunView) -> Iterator[str]:
    if run.started and run.last_sign:
        yield f"from {run.started.isoformat()} to {run.last_sign.isoformat()}"
    if run.steps is not None:
        yield f"{run.steps} of {run.total_steps or 'an unknown number of'} optimiser steps"
    if run.seconds_per_step is not None:
        yield f"{run.seconds_per_step:.3g} s an optimiser step, validation included"
    if run.epochs:
        best, final = _loss(run.best_val_loss), _loss(run.final_val_loss)
        yield f"{run.epochs} epochs; validation loss best {best}, final {final}"
    if run.epochs and run.foreign is None:
        yield f"validation loss: {COLUMNS['val_loss'].definition}"
    for loss in run.foreign.val_losses if run.foreign else ():
        epoch = "unknown" if loss.epoch is None else loss.epoch
        yield _cited(f"validation loss {loss.value:g} at epoch {epoch}", loss.evidence)
    if run.foreign and run.foreign.val_losses:
        yield "what its validation loss is made of and measured on is not in these files"


def _loss(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.6g}"


def _checkpoints(run: RunView) -> Iterator[str]:
    for view in run.checkpoints:
        yield _cited(_checkpoint(run, view), view.evidence)


def _checkpoint(run: RunView, view: CheckpointView) -> str:
    marks = [
        name
        for name, other in (("best", run.best), ("latest", run.latest))
        if other is not None and other.path == view.path
    ]
    labels = f" [{', '.join(marks)}]" if marks else ""
    loss = f", validation loss {view.val_loss:.6g}" if view.val_loss is not None else ""
    step = "unknown" if view.step is None else view.step
    problem = sentence(view.problem, "en") if view.problem else "loads"
    return f"{view.path}{labels}: {_size(view.bytes)}, step {step}{loss}: {problem}"


def _metrics(run: RunView) -> Iterator[str]:
    if run.offline is not None:
        for metric in run.offline.policy.metrics:
            yield _metric(metric)
        swap = run.offline.swap
        yield (
            f"instruction swapped: actions change by {swap.change:.4g} m/s, {swap.follows:.0%} of "
            f"{swap.n} follow the other instruction"
        )
    if run.rollouts is not None:
        drives = run.rollouts.rollouts
        wins = sum(drive.success for drive in drives)
        yield f"rollouts: {wins} of {len(drives)} succeed in {run.rollouts.simulator}"
        for replay in run.rollouts.replays:
            wins = sum(drive.success for drive in replay.rollouts)
            name = term("series", replay.name, "en")
            yield f"{name}: {wins} of {len(replay.rollouts)} succeed on the same scenes"
    if run.drives is not None:
        yield f"drives: {sentence(drives_reason(run.drives), 'en')}"
        yield from (_cited("", log).strip() for log in run.drives.evidence)


def _metric(metric: Metric) -> str:
    unit = "" if metric.unit == "1" else f" {metric.unit}"
    return f"{metric.name}: {metric.value:.4g}{unit}, n = {metric.n} ({metric.definition})"


def _rest(run: RunView) -> Iterator[str]:
    printed = (*CONFIGURATION, *WEIGHTS, *SETS, SETTING)
    more = [name for name in run.factors if name.startswith(SETTING)]
    for name, value in run.factors.items():
        if not _among(name, printed):
            yield _known(name, value)
    if more:
        yield f"{len(more)} more settings of its program: `--json` lists them as {SETTING}KEY"


def _size(count: int) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count} bytes"
