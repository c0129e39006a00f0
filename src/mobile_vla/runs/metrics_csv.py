"""`metrics.csv`: the training curves, and what each column means."""

from __future__ import annotations

import csv
import io
import math
import os
from pathlib import Path

import msgspec
from blake3 import blake3

from mobile_vla.messages.errors import UserError
from mobile_vla.runs.events import FileHash
from mobile_vla.runs.files import explain_os_error, open_own, write_atomic


class Definition(msgspec.Struct, frozen=True):
    """What a number is and its unit."""

    definition: str
    unit: str


LOSS = "weighted Huber loss of normalised action chunks over all stride-1 windows"
COLUMNS: dict[str, Definition] = {
    "epoch": Definition("epoch, from 0", "1"),
    "step": Definition("optimiser steps done", "1"),
    "train_loss": Definition(f"{LOSS} of this step's episodes", "1"),
    "val_loss": Definition(f"{LOSS} of the run's own validation episodes", "1"),
    "val_mae": Definition(
        "mean absolute error of the chunk's first action over the frames of the validation "
        "episodes' stride-1 windows",
        "m/s (rad/s)",
    ),
    "learning_rate": Definition("learning rate of this step", "1"),
    "grad_norm": Definition("gradient norm before clipping", "1"),
    "frames_per_second": Definition("frames trained a second of this step", "1/s"),
    "data_wait_share": Definition("share of the step spent waiting for data", "1"),
    "memory_mb": Definition("peak resident memory of the process, or of the GPU", "MB"),
}
PROBES: dict[str, Definition] = {
    "val_unheard": Definition(
        "distance from 1 of the share of the way, from the mean action of a validation episode's "
        "own group to that of another, that its first actions go under the other group's "
        "instruction: 0 follows it, 1 ignores it",
        "1",
    ),
    **{
        f"probe_{name}": Definition(
            f"how far {text} moves the first action, mean magnitude over validation frames",
            "share of full speed",
        )
        for name, text in (
            ("other", "another group's instruction"), ("blank", "a blank instruction"),
            ("full_stop", "a full stop more or less"), ("nothing", "do nothing"),
        )
    },
}  # fmt: skip
"""Columns of a run whose recipe probes at each validation."""


class MetricsFile:
    """Appends rows; a resumed run first drops the rows after its checkpoint, and keeps columns."""

    def __init__(
        self, path: Path, *, keep_to_step: int | None = None, probes: bool = False
    ) -> None:
        self.path = path
        self._hasher, self._size = blake3(), 0
        if keep_to_step is None or not path.exists():
            self._columns = [*COLUMNS, *(PROBES if probes else ())]
            self._replace((",".join(self._columns) + "\r\n").encode())
        else:
            self._columns = self._keep(keep_to_step)

    def append(self, **values: float) -> None:
        """Add one row; columns not given stay empty."""
        text = io.StringIO(newline="")
        csv.writer(text).writerow(_text(values.get(name)) for name in self._columns)
        row = text.getvalue().encode()
        try:
            descriptor = open_own(self.path, os.O_WRONLY | os.O_APPEND)
            with open(descriptor, "ab", buffering=0) as file:
                file.write(row)
        except OSError as error:
            raise explain_os_error(error, self.path) from error
        self._count(row)

    def written(self) -> FileHash:
        """Size and hash of all that this object wrote or took over."""
        return FileHash(bytes=self._size, blake3=self._hasher.hexdigest())

    def sync(self) -> None:
        """Force the rows to the disk."""
        with open(self.path, "rb") as file:
            os.fsync(file.fileno())

    def _keep(self, step: int) -> list[str]:
        lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        columns = lines[0].split(",") if lines else []
        if not {"epoch", "step"} <= set(columns):
            raise UserError(
                f"{self.path} has no head with `epoch` and `step`, so the curves up to step {step} "
                "are lost: put the file back, or train the case anew."
            )
        rows = [lines[0]] + [line for line in lines[1:] if _step_of(line, len(columns)) <= step]
        self._replace(("\r\n".join(rows) + "\r\n").encode())
        return columns

    def _replace(self, data: bytes) -> None:
        write_atomic(self.path, data)
        self._count(data)

    def _count(self, data: bytes) -> None:
        self._hasher.update(data)
        self._size += len(data)


def read_metrics(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Curves by column: (line number from 1, value) of every cell that holds a number."""
    curves: dict[str, list[tuple[int, float]]] = {}
    with open(path, newline="", encoding="utf-8", errors="replace") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            for name, cell in row.items():
                value = _number(cell)
                if name and value is not None:
                    curves.setdefault(name, []).append((number, value))
    return curves


def read_column(data: bytes, name: str) -> list[tuple[int, float]]:
    """One column of a metrics file's bytes: (line number from 1, value) of every number in it.

    Errors: `ValueError` where the file has no such column.
    """
    lines = data.decode("utf-8", "replace").splitlines()
    header = lines[0].split(",") if lines else []
    if name not in header:
        raise ValueError(f"it has no column {name}")
    index, values = header.index(name), []
    for number, line in enumerate(lines[1:], 2):
        cells = line.split(",", index + 1)
        value = _number(cells[index].strip('"')) if len(cells) > index else None
        if value is not None:
            values.append((number, value))
    return values


def as_count(value: float | None) -> int | None:
    """An epoch or a step that a table gives as a number; None where it can be none.

    >>> as_count(3.0), as_count(-1.0), as_count(float("inf"))
    (3, None, None)
    """
    return int(value) if value is not None and 0 <= value < math.inf else None


def _text(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else format(value, ".6g")


def _number(cell: object) -> float | None:
    try:
        return float(cell) if isinstance(cell, str) and cell else None
    except ValueError:
        return None


def _step_of(line: str, columns: int) -> float:
    """The step of a row; a row cut short, or of no step, counts as past every step."""
    cells = line.split(",")
    step = _number(cells[1]) if len(cells) == columns else None
    return step if step is not None and step >= 0 else math.inf
