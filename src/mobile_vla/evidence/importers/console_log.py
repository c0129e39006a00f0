"""Console logs of training: progress bars, configuration dumps, data-set blocks, last words.

Progress bars stand one after another, parted by carriage returns or by nothing. Of a log of more
than 64 MB the middle is read for its whole epochs only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from mobile_vla.evidence.importers.tolerant_config import Settings, read_dump
from mobile_vla.evidence.read_run import EXCEPTION, TRACEBACK

END = 32 * 1024 * 1024
CHUNK = 8 * 1024 * 1024
LINE = 256 * 1024
BAR = re.compile(rb"Epoch (\d+):\s+(\d+)%\|[^|]*\|\s*(\d+)/(\d+) \[([^\]]*)")
POSTFIX = re.compile(rb"(\w+)=([-+.\w]+)")
ELAPSED = re.compile(rb"(?:(\d+):)?(\d+):(\d+)<")
VALIDATED = re.compile(rb"Validation DataLoader \d+: 100%")
BLOCK = re.compile(rb"^(\w*)[Dd]ataset initialized:\s*$")
ENTRY = re.compile(rb"^\s+(\w+): (.*)$")
TRAINABLE = re.compile(rb"^\s*([\d.,]+)\s*([KMB]?)\s+Trainable params")
PARAMETERS = re.compile(rb"Model Parameters: ([\d.]+)([KMB])")
STOPPED = re.compile(rb"`Trainer\.fit` stopped: (`[^`]*` reached)")
COMPLAINT = re.compile(rb"^(?:Error|ERROR|FATAL): .+")
KILLED = re.compile(rb"^(?:.*\bline \d+: +\d+ )?(Killed|Terminated)\b")
INTERRUPTED = re.compile(rb"Detected KeyboardInterrupt|^KeyboardInterrupt")
STAMP = re.compile(r"(20\d{6})[_-]?(\d{6})")
UNITS = {b"": 1, b"K": 1_000, b"M": 1_000_000, b"B": 1_000_000_000}


@dataclass(frozen=True, slots=True)
class Said:
    """Something that a log says, and on which line (from 1; None within a huge log)."""

    line: int | None
    text: str


@dataclass(slots=True)
class Block:
    """A data set's "initialized" block: its entries as printed, and on which lines."""

    values: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int | None] = field(default_factory=dict)

    @property
    def training(self) -> bool:
        """Whether it is the training set's."""
        return self.values.get("is_training", "True") == "True"


@dataclass(frozen=True, slots=True)
class EpochRow:
    """The last full progress bar of an epoch: its line, its seconds, the numbers it prints."""

    line: int | None
    seconds: float | None
    values: dict[str, float]


@dataclass(slots=True)
class Log:
    """What one console log says. `bar`: the last (line, epoch, done, of)."""

    settings: Settings = field(default_factory=dict)
    settings_line: int | None = None
    blocks: list[Block] = field(default_factory=list)
    trainable: tuple[int | None, int] | None = None
    bar: tuple[int | None, int, int, int] | None = None
    epochs: set[int] = field(default_factory=set)
    rows: dict[int, EpochRow] = field(default_factory=dict)
    val_losses: dict[int, tuple[int | None, float]] = field(default_factory=dict)
    end: tuple[str, Said] | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def tells(self) -> bool:
        """Whether the file is a training log at all."""
        return bool(self.settings or self.blocks or self.bar or self.end)


def read_log(path: Path) -> Log:
    """Read a console log of any size and encoding. Errors: `OSError`."""
    reader = _Reader()
    for number, line in _lines(path):
        reader.take(number, line)
    return reader.log


def name_stamp(name: str) -> datetime | None:
    """When a run began, by the time in its log's name; None where it holds none."""
    stamp = STAMP.search(name)
    try:
        return datetime.strptime(stamp[1] + stamp[2], "%Y%m%d%H%M%S") if stamp else None
    except ValueError:
        return None


class _Reader:
    def __init__(self) -> None:
        self.log = Log()
        self.validated = False
        self.block: Block | None = None
        self.traceback = False

    def take(self, number: int | None, line: bytes) -> None:
        """One line; several progress bars may stand in it."""
        if b"%|" in line:
            self._bars(number, line)
        if self.block is not None and self._entry(number, line):
            return
        if line.startswith(b"{'"):
            self._dump(number, line)
        elif BLOCK.match(line):
            self.block = Block()
            self.log.blocks.append(self.block)
        else:
            self._words(number, line)

    def _bars(self, number: int | None, line: bytes) -> None:
        validated = VALIDATED.search(line)
        for match in BAR.finditer(line):
            if validated and validated.start() < match.start():
                self.validated, validated = True, None
            self._bar(number, match)
        if validated:
            self.validated = True

    def _bar(self, number: int | None, match: re.Match[bytes]) -> None:
        epoch, done, of = int(match[1]), int(match[3]), int(match[4])
        self.log.bar = (number, epoch, done, of)
        if done < of:
            self.validated = False
            return
        self.log.epochs.add(epoch)
        values = dict(POSTFIX.findall(match[5]))
        self.log.rows[epoch] = _row(number, match[5], values, validated=self.validated)
        loss = _number(values.get(b"val_loss"))
        if self.validated and loss is not None:
            self.log.val_losses[epoch] = (number, loss)

    def _entry(self, number: int | None, line: bytes) -> bool:
        entry = ENTRY.match(line)
        if entry is None or self.block is None:
            self.block = None
            return False
        name = _text(entry[1])
        self.block.values[name], self.block.lines[name] = _text(entry[2]).strip(), number
        return True

    def _dump(self, number: int | None, line: bytes) -> None:
        if b"'exp_name'" not in line:
            return
        try:
            self.log.settings, problem = read_dump(_text(line))
        except ValueError as error:
            problem = str(error)
        self.log.settings_line = number
        if problem:
            self.log.problems.append(f"its configuration dump is {problem}")

    def _words(self, number: int | None, line: bytes) -> None:
        if match := STOPPED.search(line):
            self.log.end = ("finished", Said(number, _text(match[0])))
        elif line.startswith(TRACEBACK):
            self.traceback = True
        elif INTERRUPTED.search(line):
            self.log.end = ("killed", Said(number, _text(line)))
        elif self.traceback and EXCEPTION.match(line):
            self.traceback = False
            self.log.end = ("failed", Said(number, _text(line)))
        elif COMPLAINT.match(line):
            self.log.end = ("failed", Said(number, _text(line)))
        elif match := KILLED.match(line):
            self.log.end = ("killed", Said(number, _text(line)))
        elif match := TRAINABLE.match(line) or PARAMETERS.search(line):
            self._parameters(number, match)

    def _parameters(self, number: int | None, match: re.Match[bytes]) -> None:
        value = _number(match[1].replace(b",", b""))
        if value is not None:
            self.log.trainable = (number, round(value * UNITS[match[2]]))


def _lines(path: Path) -> Iterator[tuple[int | None, bytes]]:
    """Lines with their numbers; without them after the middle of a huge log."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= 2 * END:
            yield from _numbered(file.read())
            return
        yield from _numbered(file.read(END))
        left = size - 2 * END
        while left > 0 and (chunk := file.read(min(CHUNK, left))):
            left -= len(chunk)
            yield from ((None, line) for line in _whole_epochs(chunk))
        yield from ((None, line) for _, line in _numbered(file.read()))


def _numbered(data: bytes) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(data.split(b"\n"), 1):
        for part in line.rstrip(b"\r").split(b"\r"):
            if part:
                yield number, part[:LINE]


def _whole_epochs(chunk: bytes) -> Iterator[bytes]:
    """The bars at 100 % in a piece of a log."""
    place = chunk.find(b"100%|")
    while place >= 0:
        end = chunk.find(b"]", place, place + 2000)
        yield chunk[max(0, place - 60) : end + 1 if end > 0 else place + 2000]
        place = chunk.find(b"100%|", place + 5)


def _row(
    line: int | None, postfix: bytes, values: dict[bytes, bytes], *, validated: bool
) -> EpochRow:
    """Before validation, a bar still prints the validation values of the epoch before."""
    numbers = {
        _text(name): value
        for name, text in values.items()
        if (value := _number(text)) is not None and (validated or not name.startswith(b"val_"))
    }
    elapsed = ELAPSED.match(postfix)
    hours, minutes, seconds = (int(part or 0) for part in elapsed.groups()) if elapsed else (0,) * 3
    total = 3600.0 * hours + 60.0 * minutes + seconds
    return EpochRow(line, total if elapsed else None, numbers)


def _number(text: bytes | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
