"""Console logs of training: configuration dumps, data-set blocks, progress, losses, endings.

Progress bars stand one after another, separated by carriage returns or by nothing. In a log of
more than 64 MB only the complete epochs of the middle are read. A new configuration dump begins a
new run: one log can hold several.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from mobile_vla.evidence.importers.formats.console_endings import (
    COMPLETE,
    EndingReader,
    Position,
    Quote,
)
from mobile_vla.evidence.importers.formats.console_metrics import (
    UNITS,
    LightningBars,
    add_step,
    read_plain_bar,
    read_step,
)
from mobile_vla.evidence.importers.formats.run_log import Block, RunLog
from mobile_vla.evidence.importers.formats.tolerant_config import Settings, read_dump
from mobile_vla.evidence.importers.formats.unreadable import UnreadableFile
from mobile_vla.messages.reason import reason

END = 32 * 1024 * 1024
CHUNK = 8 * 1024 * 1024
LINE = 256 * 1024
DUMP = re.compile(rb"^(?:INFO .{0,200}?)?(\{'.*)$")
DUMP_LINES = 2000
BLOCK = re.compile(rb"^(\w*)[Dd]ataset initialized:\s*$")
ENTRY = re.compile(rb"^\s+(\w+): (.*)$")
TRAINABLE = re.compile(rb"^\s*([\d.,]+)\s*([KMB]?)\s+Trainable params")
PARAMETERS = re.compile(rb"Model Parameters: ([\d.]+)([KMB])")
ANY_BAR = re.compile(rb".*%\|[^|\n]{0,400}\|[^\[\n]{0,80}\[[^\]\n]{0,2000}\]", re.DOTALL)
LIKE_TRAINING = re.compile(rb"(?i)\b(?:epoch|step|iter\w*)\b.{0,120}\bloss\b")
ESCAPE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
"""Terminal sequences, such as those that move the cursor between two bars."""


def read_log(path: Path) -> list[RunLog]:
    """Every run of a console log of any size and encoding; one without content where none.

    Raises: OSError.
    """
    reader = _Reader()
    for number, line in _lines(path):
        reader.take(number, line)
    return reader.finish()


class _Reader:
    def __init__(self) -> None:
        self.runs: list[RunLog] = []
        self.pending: list[bytes] = []
        self.dump_line: int | None = None
        self._begin()

    def _begin(self) -> None:
        self.log = RunLog()
        self.runs.append(self.log)
        self.endings, self.bars = EndingReader(), LightningBars(self.log)
        self.block: Block | None = None

    def finish(self) -> list[RunLog]:
        self._flush()
        self._close()
        return self.runs

    def _close(self) -> None:
        self.log.ending = self.endings.ending
        self.log.settle()

    def take(self, number: int | None, line: bytes) -> None:
        """One line; several progress bars may stand in it."""
        if self.pending:
            if line.startswith(b" ") and len(self.pending) < DUMP_LINES:
                self.pending.append(line)
                return
            self._flush()
        if b"%|" in line:
            self._progress(number, line)
            bar = ANY_BAR.match(line)
            line = line[bar.end() :] if bar else line
        if self.block is not None and self._entry(number, line):
            return
        self._text(number, line)

    def _progress(self, number: int | None, line: bytes) -> None:
        bars = list(self.bars.read(line))
        for bar in bars:
            self._advance(bar.position, last=bar.done >= bar.of)
            self.bars.add(number, bar)
        position = None if bars else read_plain_bar(self.log, number, line)
        if position is not None:
            self._advance(position)

    def _advance(self, position: Position, *, last: bool = False) -> None:
        """Training goes on. After its trainer's last line, from an earlier place, it is another.

        `last`: an epoch's last bar, which trainers print again when they close it.
        """
        ending = self.endings.ending
        if ending and ending.strength == COMPLETE and last:
            return
        if ending and ending.strength == COMPLETE and not ending.outlives(position):
            reached = ending.position or (0, 0)
            if (position[0] or 0) <= (reached[0] or 0):
                self._next_run()
        self.endings.progress(position)

    def _next_run(self) -> None:
        self._close()
        self._begin()

    def _text(self, number: int | None, line: bytes) -> None:
        if BLOCK.match(line):
            self.block = Block()
            self.log.blocks.append(self.block)
        elif match := TRAINABLE.match(line) or PARAMETERS.search(line):
            self._parameters(number, match)
        elif step := read_step(self.log, number, line):
            if step.position is not None:
                progress = step.progress
                self._advance(step.position, last=bool(progress and progress.done == progress.of))
            add_step(self.log, number, step)
            self.endings.take(number, line, self.log.position)
        elif dump := DUMP.match(line):
            self.dump_line, self.pending = number, [dump[1]]
        else:
            self.endings.take(number, line, self.log.position)
            if self.log.sample is None and LIKE_TRAINING.search(line):
                self.log.sample = Quote(number, _decode(line).strip()[:160])

    def _entry(self, number: int | None, line: bytes) -> bool:
        entry = ENTRY.match(line)
        if entry is None or self.block is None:
            self.block = None
            return False
        name = _decode(entry[1])
        self.block.values[name], self.block.lines[name] = _decode(entry[2]).strip(), number
        return True

    def _flush(self) -> None:
        """Read the configuration dump whose lines were collected."""
        text, self.pending = _decode(b"\n".join(self.pending)), []
        if "'exp_name'" not in text and not ("'policy'" in text and "'dataset'" in text):
            return
        try:
            settings, problem = read_dump(text)
        except UnreadableFile as error:
            settings, problem = {}, error.why
        if self._begins_run(settings):
            self._next_run()
        elif not self.log.progress:
            self.endings.ending = None
        self.log.settings, self.log.settings_line = settings, self.dump_line
        if problem:
            self.log.problems.append(reason("import.dump_problem", problem=problem))

    def _begins_run(self, settings: Settings) -> bool:
        """Whether a dump is of a next run. Every process of one run may print its dump."""
        log = self.log
        if log.settings and (log.settings != settings or self.endings.ending):
            return True
        return log.progress is not None

    def _parameters(self, number: int | None, match: re.Match[bytes]) -> None:
        try:
            count = round(float(match[1].replace(b",", b"")) * UNITS[match[2]])
        except (ValueError, OverflowError):
            return
        self.log.trainable = (number, count)


def _lines(path: Path) -> Iterator[tuple[int | None, bytes]]:
    """Lines with their numbers; without them after the start of a huge log."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= 2 * END:
            yield from _numbered(file.read(2 * END))
            return
        yield from _numbered(file.read(END))
        left = size - 2 * END
        while left > 0 and (chunk := file.read(min(CHUNK, left))):
            left -= len(chunk)
            yield from ((None, line) for line in _complete_epochs(chunk))
        yield from ((None, line) for _, line in _numbered(file.read(2 * END)))


def _numbered(data: bytes) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(data.split(b"\n"), 1):
        for part in line.rstrip(b"\r").split(b"\r"):
            plain = ESCAPE.sub(b"", part[:LINE]) if b"\x1b" in part else part[:LINE]
            if plain:
                yield number, plain


def _complete_epochs(chunk: bytes) -> Iterator[bytes]:
    """The bars at 100 % in a piece of a log."""
    place = chunk.find(b"100%|")
    while place >= 0:
        end = chunk.find(b"]", place, place + 2000)
        yield chunk[max(0, place - 60) : end + 1 if end > 0 else place + 2000]
        place = chunk.find(b"100%|", place + 5)


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "replace")
