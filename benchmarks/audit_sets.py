"""Sets of pages with labels: values marked in the text, or labels beside the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

MARK = re.compile(rb"\xe2\x9f\xa6([scuat]):(.*?)\xe2\x9f\xa7", re.DOTALL)
VERDICTS = {
    "s": "supported", "c": "contradicted", "u": "unsupported", "a": "ambiguous", "t": "stale",
}  # fmt: skip


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """A statement as `NN.labels.json` gives it; `value` stands on the page's line."""

    line: int
    value: str
    quantity: str = ""
    run: str = ""
    true: bool
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """A value's place in bytes, its true verdict, its run and its correction where labelled."""

    start: int
    end: int
    verdict: str
    run: str = ""
    fix: str | None = None
    quantity: str = ""

    def covers(self, start: int, end: int) -> bool:
        """Whether it shares a byte with a place."""
        return self.start < end and start < self.end


@dataclass(frozen=True, slots=True)
class LabelledPage:
    """A page's bytes, its labels, the names that were confirmed, and the claims by hand."""

    name: str
    data: bytes
    truths: list[Truth]
    bindings: dict[str, str] = field(default_factory=dict)
    proposals: list[Any] = field(default_factory=list)


def pages_of(folder: Path) -> Iterator[LabelledPage]:
    """Every page of a set that has labels."""
    for path in sorted(folder.glob("[0-9]*.md")):
        data, truths = unmarked(path.read_bytes())
        if (labels := path.with_suffix(".labels.json")).exists():
            entries = msgspec.json.decode(labels.read_bytes(), type=list[Label])
            truths = [truth for label in entries if (truth := placed(data, label))]
        yield LabelledPage(
            path.name, data, truths, _beside(path, ".bindings.json", {}),
            _beside(path, ".claims.json", []),
        )  # fmt: skip


def _beside(path: Path, suffix: str, default: Any) -> Any:
    file = path.with_suffix(suffix)
    return msgspec.json.decode(file.read_bytes()) if file.exists() else default


def unmarked(data: bytes) -> tuple[bytes, list[Truth]]:
    """A page without its marks (⟦c:0.027⟧), and the marked places with their true verdicts."""
    out, truths, last = b"", [], 0
    for match in MARK.finditer(data):
        out += data[last : match.start()]
        truths.append(Truth(len(out), len(out) + len(match[2]), VERDICTS[match[1].decode()]))
        out += match[2]
        last = match.end()
    return out + data[last:], truths


def placed(data: bytes, label: Label) -> Truth | None:
    """The label's place in bytes; the whole line where its value does not stand there."""
    lines = data.splitlines(keepends=True)
    if not 1 <= label.line <= len(lines):
        return None
    start = sum(map(len, lines[: label.line - 1]))
    at = lines[label.line - 1].find(label.value.encode())
    place = (start + at, start + at + len(label.value.encode()))
    if at < 0:
        place = (start, start + len(lines[label.line - 1]))
    return Truth(*place, "supported" if label.true else "contradicted", label.run, label.fix,
                 label.quantity)  # fmt: skip
