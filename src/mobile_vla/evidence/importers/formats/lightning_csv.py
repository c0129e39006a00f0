"""Tables of metrics such as Lightning's `metrics.csv`, and Lightning's `hparams.yaml`."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from mobile_vla.evidence.importers.formats.metric_names import number_of, validation_loss
from mobile_vla.evidence.importers.formats.unreadable import UnreadableFile
from mobile_vla.study.yaml_text import load_yaml

LIMIT = 256 * 1024
CSV_LIMIT = 256 * 1024 * 1024
Row = tuple[int, int | None, int | None, float]


@dataclass(slots=True)
class MetricTable:
    """A table of metrics. `rows`: (line, epoch, step, validation loss) where a row has one.

    `columns`: of the first head. `epochs`: one more than the last epoch of any row.
    """

    columns: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    epochs: int | None = None


def read_metric_table(path: Path) -> MetricTable:
    """Every row of the table that has a validation loss; a head may come again further down.

    Raises: OSError; UnreadableFile where the file is no table of metrics, or too large.
    """
    if path.stat().st_size > CSV_LIMIT:
        raise UnreadableFile("too_large")
    with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
        try:
            return _table(file)
        except csv.Error as error:
            raise UnreadableFile("system_error", text=str(error)) from error


def _table(file: TextIO) -> MetricTable:
    first = file.readline()
    delimiter = next((sign for sign in ",;\t" if sign in first), ",")
    file.seek(0)
    table, head = MetricTable(), list[str]()
    for line, cells in _cells(file, delimiter):
        names = [cell.strip() for cell in cells]
        if not head or _is_head(names, head):
            head = names
            table.columns = table.columns or [name for name in head if name]
            if not (validation_loss(head) or {"epoch", "step"} & set(head)):
                raise UnreadableFile("no_metric_columns")
        else:
            _add_row(table, line, dict(zip(head, names, strict=False)), delimiter)
    if not head:
        raise UnreadableFile("no_metric_columns")
    return table


def _cells(file: TextIO, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(file, delimiter=delimiter)
    for cells in reader:
        if cells:
            yield reader.line_num, cells


def _is_head(names: list[str], head: list[str]) -> bool:
    return bool({"epoch", "step"} & set(names)) and bool(set(names) & set(head))


def _add_row(table: MetricTable, line: int, row: dict[str, str], delimiter: str) -> None:
    if delimiter == ";":
        row = {name: cell.replace(",", ".") for name, cell in row.items()}
    epoch, step = (_integer(number_of(row.get(name))) for name in ("epoch", "step"))
    if epoch is not None:
        table.epochs = max(table.epochs or 0, epoch + 1)
    column = validation_loss(row)
    loss = number_of(row[column]) if column else None
    if loss is not None:
        table.rows.append((line, epoch, step, loss))


def read_hparams(path: Path) -> dict[str, Any]:
    """Hyper-parameters; a tag that would make a Python object is refused, nothing is made.

    Raises: OSError; UnreadableFile where it is no plain YAML mapping.
    """
    with open(path, "rb") as file:
        text = file.read(LIMIT + 1)
    if len(text) > LIMIT:
        raise UnreadableFile("too_large")
    try:
        value = load_yaml(text)
    except ValueError as error:
        raise UnreadableFile("no_plain_yaml", text=str(error)) from error
    if not isinstance(value, dict):
        raise UnreadableFile("no_keys")
    return {str(key): inner for key, inner in value.items()}


def _integer(value: float | None) -> int | None:
    return int(value) if value is not None and math.isfinite(value) else None
