"""Checkpoints of a foreign run folder, held against the metric that their names state."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mobile_vla.evidence.importers.run_builder import HASH_LIMIT, Files, as_reason
from mobile_vla.evidence.importers.torch_zip import TorchFile, inspect_torch
from mobile_vla.evidence.model import CheckpointView, Loss

EPOCH = re.compile(r"epoch=(?:epoch=)?(\d+)")
LOSS = re.compile(r"val[_/]loss=(?:val[_/]loss=)?(-?\d+(?:\.\d+)?)")


def named_loss(name: str) -> tuple[int | None, str | None]:
    """The epoch and the validation loss, in the digits given, that a file name states."""
    epoch, loss = EPOCH.search(name), LOSS.search(name)
    return (int(epoch[1]) if epoch else None), (loss[1] if loss else None)


def read_checkpoints(
    paths: Sequence[Path], losses: Sequence[Loss], files: Files, *, whole: bool
) -> tuple[list[CheckpointView], list[str]]:
    """Every checkpoint, with what is wrong or contradicts the run's own losses.

    `whole`: read every byte, however large; else those above 256 MB for keys and sizes only.
    """
    views, conflicts = [], []
    for path in paths:
        view, found = _view(path, losses, files, whole)
        views.append(view)
        conflicts += found
    views.sort(key=lambda view: (view.epoch is None, view.epoch or 0, view.step or 0))
    return views, conflicts


def _view(
    path: Path, losses: Sequence[Loss], files: Files, whole: bool
) -> tuple[CheckpointView, list[str]]:
    name = path.as_posix()
    try:
        size = path.stat().st_size
        read = inspect_torch(path, whole=whole or size <= HASH_LIMIT)
    except OSError as error:
        size, read = 0, TorchFile(problem=f"it cannot be read ({error.strerror})")
    epoch, stated = named_loss(path.name)
    logged = _logged(losses, epoch, stated)
    view = CheckpointView(
        path=name,
        step=read.step,
        epoch=read.epoch if read.epoch is not None else epoch,
        bytes=size,
        val_loss=logged.value if logged else None,
        problem=as_reason(read.problem) if read.problem else None,
        evidence=files.at(path),
    )
    return view, [
        f"{name}: {problem}" for problem in _problems(read, epoch, stated, logged, losses)
    ]


def _problems(
    read: TorchFile, epoch: int | None, stated: str | None, logged: Loss | None,
    losses: Sequence[Loss],
) -> list[str]:  # fmt: skip
    found = [read.problem] if read.problem else []
    if read.code:
        found.append(f"its pickle names {', '.join(read.code)}, code that loading it would run")
    if read.problem is None and not read.whole:
        found.append("only its keys and sizes were read; --whole reads every byte")
    if read.epoch is not None and epoch is not None and read.epoch != epoch:
        found.append(f"its name says epoch {epoch}, its content epoch {read.epoch}")
    if stated is not None and logged is None:
        of = next((loss for loss in losses if loss.epoch == epoch), None)
        told = (
            f"where {of.evidence.file} has {of.value:g}"
            if of
            else "which no scanned log or curve contains"
        )
        found.append(f"its name says val_loss {stated} at epoch {epoch}, {told}")
    return found


def _logged(losses: Sequence[Loss], epoch: int | None, stated: str | None) -> Loss | None:
    """The logged loss of that epoch that agrees with the name in the digits that it gives."""
    if stated is None:
        return next((loss for loss in losses if epoch is not None and loss.epoch == epoch), None)
    half = 0.5 * 10.0 ** -len(stated.partition(".")[2])
    for loss in losses:
        if loss.epoch == epoch and abs(loss.value - float(stated)) <= half * 1.001:
            return loss
    return None
