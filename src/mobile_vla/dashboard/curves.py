"""Loss curves read as they grow, decimated so that minimum and maximum of each bucket remain."""

from __future__ import annotations

import csv
import math
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.formats import Language, number
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.outside_files import open_regular

MOST_BUCKETS = 800
MOST_CURVES = 64
MOST_BYTES = 16 << 20
"""Bytes of a metrics file that one request reads; the next request goes on."""
WIDTH, HEIGHT, LEFT, BOTTOM = 720.0, 260.0, 56.0, 30.0
Bucket = list[float]


class Series:
    """One column by step, in at most `MOST_BUCKETS` buckets of 2**level steps: [step, min, max].

    >>> series = Series()
    >>> for step in range(4): series.add(step, float(step))
    >>> series.buckets
    [[0, 0.0, 0.0], [1, 1.0, 1.0], [2, 2.0, 2.0], [3, 3.0, 3.0]]
    """

    def __init__(self) -> None:
        self.level = self.count = 0
        self.buckets: list[Bucket] = []

    def add(self, step: int, value: float) -> None:
        """Add a value; steps come in order."""
        self.count += 1
        first = step >> self.level << self.level
        if self.buckets and self.buckets[-1][0] >= first:
            last = self.buckets[-1]
            last[1], last[2] = min(last[1], value), max(last[2], value)
            return
        self.buckets.append([first, value, value])
        while len(self.buckets) > MOST_BUCKETS:
            self._halve()

    def _halve(self) -> None:
        self.level += 1
        merged: list[Bucket] = []
        for step, low, high in self.buckets:
            first = int(step) >> self.level << self.level
            if merged and merged[-1][0] == first:
                merged[-1][1:] = [min(merged[-1][1], low), max(merged[-1][2], high)]
            else:
                merged.append([first, low, high])
        self.buckets = merged


class CurveReader:
    """Follows one `metrics.csv`: reads what was appended since the last time."""

    NAMES = ("train_loss", "val_loss")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._restart(0)

    def _restart(self, inode: int) -> None:
        self.inode, self.offset, self.header = inode, 0, list[str]()
        self.series = {name: Series() for name in self.NAMES}

    def read(self) -> None:
        """Read complete new rows; begin anew where the file was written anew."""
        try:
            with open_regular(self.path) as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self.inode or status.st_size < self.offset:
                    self._restart(status.st_ino)
                file.seek(self.offset)
                data = file.read(MOST_BYTES)
        except OSError:
            return
        complete = data[: data.rfind(b"\n") + 1]
        self.offset += len(complete)
        for row in csv.reader(complete.decode("utf-8", "replace").splitlines()):
            self._add(row)

    def _add(self, row: Sequence[str]) -> None:
        if not self.header:
            self.header = list(row)
            return
        cells = dict(zip(self.header, row, strict=False))
        step = _positive(cells.get("step"))
        for name, series in self.series.items():
            value = _positive(cells.get(name))
            if step is not None and value is not None and step < 2**53:
                series.add(int(step), value)

    def since(self, cursor: str) -> dict[str, Any]:
        """What a reader at `cursor` lacks, and where it then stands.

        A cursor of another file or level gets all buckets; `from` is where they replace its own.
        """
        marks = cursor.split(".")
        answer: dict[str, Any] = {}
        places = []
        for position, (name, series) in enumerate(self.series.items()):
            mark = f"{self.inode}-{series.level}-"
            before = marks[position] if position < len(marks) else ""
            index = before.removeprefix(mark) if before.startswith(mark) else "0"
            start = max(0, int(index) - 1) if index.isascii() and index.isdigit() else 0
            answer[name] = {"from": start, "buckets": series.buckets[start:]}
            places.append(f"{mark}{len(series.buckets)}")
        return {"cursor": ".".join(places), **answer}


def _positive(text: str | None) -> float | None:
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


class Curves:
    """The readers of the runs that were looked at last. Safe in threads."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace
        self._readers: OrderedDict[str, CurveReader] = OrderedDict()
        self._lock = threading.Lock()

    def since(self, run: str, cursor: str) -> dict[str, Any]:
        """New points of a run of this workspace."""
        with self._lock:
            return self._reader(run).since(cursor)

    def picture(self, run: str, language: Language) -> dict[str, Any] | None:
        """The curve as points of a drawing, None where there is nothing to draw."""
        with self._lock:
            series = self._reader(run).series
            return draw(series, language)

    def _reader(self, run: str) -> CurveReader:
        reader = self._readers.pop(run, None)
        if reader is None:
            reader = CurveReader(RunFolder(self._workspace / run).metrics)
        self._readers[run] = reader
        while len(self._readers) > MOST_CURVES:
            self._readers.popitem(last=False)
        reader.read()
        return reader


def draw(series: dict[str, Series], language: Language) -> dict[str, Any] | None:
    """Both curves over a logarithmic axis, as SVG points; a table says the same in words."""
    positive = {name: [b for b in curve.buckets if b[1] > 0] for name, curve in series.items()}
    values = [value for buckets in positive.values() for b in buckets for value in b[1:]]
    if not values:
        return None
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)
    last = max(b[0] for buckets in positive.values() for b in buckets) or 1

    def at(step: float, value: float) -> tuple[float, float]:
        across = LEFT + (WIDTH - LEFT - 10) * step / last
        share = (math.log10(value) - low) / (high - low)
        return across, 8 + (HEIGHT - BOTTOM - 8) * (1 - share)

    train, validation = positive["train_loss"], positive["val_loss"]
    outline = [at(b[0], b[2]) for b in train] + [at(b[0], b[1]) for b in reversed(train)]
    middle = [at(b[0], math.sqrt(b[1] * b[2])) for b in train]
    ends = {"train": number(train[-1][2] if train else None),
            "val": number(validation[-1][2] if validation else None)}  # fmt: skip
    return {
        "band": _text(outline), "line": _text(middle),
        "points": [at(b[0], b[1]) for b in validation],
        "ticks": [(f"{10.0**power:g}", at(0, 10.0**power)[1]) for power in range(low, high + 1)],
        "steps": [(step, at(step, 10.0**low)[0]) for step in _ticks(int(last))],
        "text": phrase("report.curve_text", language, train=series["train_loss"].count,
                       val=series["val_loss"].count, train_last=ends["train"],
                       val_last=ends["val"]),
        "last": ends, "width": WIDTH, "height": HEIGHT, "left": LEFT,
    }  # fmt: skip


def _ticks(last: int) -> list[int]:
    return sorted({0, last // 2, last})


def _text(points: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
