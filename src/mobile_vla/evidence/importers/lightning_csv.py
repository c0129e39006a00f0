"""Lightning's `metrics.csv` and `hparams.yaml`."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

LIMIT = 256 * 1024
CSV_LIMIT = 256 * 1024 * 1024
NESTING = 2000


def read_val_losses(path: Path) -> list[tuple[int, int | None, float]]:
    """(line, epoch, validation loss) of every row that has one; `val_loss` or `val/loss`.

    Errors: `OSError`; `ValueError` where the file is no table of metrics, or too large.
    """
    if path.stat().st_size > CSV_LIMIT:
        raise ValueError("it is too large for a table of metrics")
    with open(path, newline="", encoding="utf-8", errors="replace") as file:
        try:
            rows = csv.DictReader(file)
            names = [name for name in rows.fieldnames or () if name]
            column = next((n for n in names if n.replace("/", "_") == "val_loss"), None)
            if column is None and not {"epoch", "step"} & set(names):
                raise ValueError("it has no columns of metrics")
            if column is None:
                return []
            found = [(n, row.get("epoch"), row.get(column)) for n, row in enumerate(rows, 2)]
        except csv.Error as error:
            raise ValueError(str(error)) from error
    numbers = [(line, number(epoch), number(loss)) for line, epoch, loss in found]
    return [
        (line, None if epoch is None or not math.isfinite(epoch) else int(epoch), loss)
        for line, epoch, loss in numbers
        if loss is not None
    ]


def read_hparams(path: Path) -> dict[str, Any]:
    """Hyper-parameters; a tag that would make a Python object is refused, nothing is made.

    Errors: `OSError`; `ValueError` where it is no plain YAML mapping.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    text = path.read_bytes()
    if len(text) > LIMIT or sum(map(text.count, (b"[", b"{", b"- ", b"? "))) > NESTING:
        raise ValueError("it is too long or too deep for hyper-parameters")
    try:
        value = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"it is no plain YAML ({str(error).splitlines()[0]})") from error
    if not isinstance(value, dict):
        raise ValueError("it holds no keys")
    return {str(key): inner for key, inner in value.items()}


def number(cell: object) -> float | None:
    """A cell's number, None where it holds none."""
    try:
        return float(cell) if isinstance(cell, str) and cell.strip() else None
    except ValueError:
        return None
