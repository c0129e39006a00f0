"""Checkpoints of a foreign run folder, held against the metric that their names state."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from mobile_vla.evidence.importers.formats.torch_zip import TorchFile, inspect_torch
from mobile_vla.evidence.importers.formats.unreadable import failure
from mobile_vla.evidence.importers.run_builder import HASH_LIMIT, Files
from mobile_vla.evidence.model import CheckpointView, Loss
from mobile_vla.messages.reason import Reason, reason

EPOCH = re.compile(r"epoch=(?:epoch=)?(\d+)")
LOSS = re.compile(r"val[_/]loss=(?:val[_/]loss=)?(-?\d+(?:\.\d+)?)")


def named_loss(name: str) -> tuple[int | None, str | None]:
    """The epoch and the validation loss, in the digits given, that a file name states."""
    epoch, loss = EPOCH.search(name), LOSS.search(name)
    return (int(epoch[1]) if epoch else None), (loss[1] if loss else None)


def read_checkpoints(
    paths: Sequence[Path], losses: Sequence[Loss], files: Files, *, complete: bool
) -> tuple[list[CheckpointView], list[Reason], bool]:
    """Every checkpoint, with what is wrong or contradicts the run's own losses.

    `complete`: read every byte, however large; else of those above 256 MB only keys and sizes.
    The last value: whether one of them is Lightning's by its content.
    """
    views: list[CheckpointView] = []
    conflicts: list[Reason] = []
    lightning = False
    for path in paths:
        size, content = _inspect(path, complete)
        epoch, stated = named_loss(path.name)
        logged = _logged(losses, epoch, stated, content.step)
        problems = _problems(content, epoch, stated, logged, losses)
        views.append(
            CheckpointView(
                path=path.as_posix(),
                step=content.step,
                epoch=content.epoch if content.epoch is not None else epoch,
                bytes=size,
                val_loss=logged.value if logged else None,
                problem=content.problem,
                evidence=files.at(path),
            )
        )
        conflicts += [reason("import.file_note", file=path.as_posix(), note=p) for p in problems]
        lightning = lightning or content.lightning
    views.sort(key=lambda view: (view.epoch is None, view.epoch or 0, view.step or 0))
    return views, conflicts, lightning


def _inspect(path: Path, complete: bool) -> tuple[int, TorchFile]:
    """Size and content. A folder is a sharded checkpoint, which is not read."""
    try:
        if path.is_dir():
            return folder_bytes(path), TorchFile(problem=reason("import.checkpoint_folder"))
        size = path.stat().st_size
        return size, inspect_torch(path, complete=complete or size <= HASH_LIMIT)
    except OSError as error:
        return 0, TorchFile(problem=reason("import.torch_unreadable", why=failure(error)))


def folder_bytes(folder: Path) -> int:
    """Bytes of the files in a checkpoint folder, at most 10,000 of them."""
    inside = itertools.islice(folder.rglob("*"), 10_000)
    return sum(path.stat().st_size for path in inside if path.is_file())


def _problems(
    content: TorchFile, epoch: int | None, stated: str | None, logged: Loss | None,
    losses: Sequence[Loss],
) -> list[Reason]:  # fmt: skip
    problems = [content.problem] if content.problem else []
    if content.code:
        problems.append(reason("import.pickle_names_code", names=list(content.code)))
    if content.problem is None and not content.complete:
        problems.append(reason("import.keys_and_sizes_only"))
    if content.epoch is not None and epoch is not None and content.epoch != epoch:
        problems.append(reason("import.epoch_differs", name=epoch, content=content.epoch))
    if stated is not None and logged is None:
        problems.append(_unlogged(epoch, stated, losses))
    return problems


def _unlogged(epoch: int | None, stated: str, losses: Sequence[Loss]) -> Reason:
    """The loss that a name states and no row has."""
    of_epoch = [loss for loss in losses if loss.epoch == epoch]
    shown = "?" if epoch is None else str(epoch)
    if not of_epoch:
        return reason("import.loss_unlogged", loss=stated, epoch=shown)
    nearest = min(of_epoch, key=lambda loss: abs(loss.value - float(stated)))
    return reason("import.loss_differs", loss=stated, epoch=shown, file=nearest.evidence.file,
                  logged=f"{nearest.value:g}")  # fmt: skip


def _logged(
    losses: Sequence[Loss], epoch: int | None, stated: str | None, step: int | None
) -> Loss | None:
    """The logged loss that agrees with the name in the digits that it gives.

    Where the name gives none, the last of its epoch up to the checkpoint's step.
    """
    if stated is None:
        of_epoch = [loss for loss in losses if epoch is not None and loss.epoch == epoch]
        earlier = [loss for loss in of_epoch if loss.step is not None and loss.step <= (step or 0)]
        return next(reversed(earlier or of_epoch), None)
    half = 0.5 * 10.0 ** -len(stated.partition(".")[2])
    for loss in losses:
        same_epoch = loss.epoch is None or epoch is None or loss.epoch == epoch
        if same_epoch and abs(loss.value - float(stated)) <= half * 1.001:
            return loss
    return None
