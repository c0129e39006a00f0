"""Log of finished rollouts: an interrupted evaluation continues and repeats no scene."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from mobile_vla.messages.record import Record
from mobile_vla.runs.files import explain_os_error
from mobile_vla.runs.results import Rollout


class RolloutLogHeader(Record, frozen=True, kw_only=True):
    """The settings of the rollouts below; a log with another header is started again."""

    checkpoint_blake3: str
    simulator: str
    max_steps: int
    image_size: tuple[int, int]


class RolloutLog:
    """`rollouts.jsonl`: a header, then one rollout a line, appended in batches."""

    def __init__(self, path: Path, heading: RolloutLogHeader) -> None:
        """Continue the log with that header, or start it."""
        self._path, self._heading = path, heading
        self.drives = self._read()

    def append(self, drives: Sequence[Rollout]) -> None:
        """Append drives in one write, on the disk when this returns."""
        text = b"".join(msgspec.json.encode(drive) + b"\n" for drive in drives)
        try:
            with open(self._path, "ab") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise explain_os_error(error, self._path) from error
        self.drives += drives

    def truncate(self, count: int) -> None:
        """Keep the first `count` rollouts; a kill may have left part of a batch."""
        if self.drives[:count] == self.drives and self._complete:
            return
        self.drives, complete = [], self.drives[:count]
        self._begin()
        self.append(complete)

    def close(self) -> None:
        """Delete the log; the rollouts are in `rollouts.json` now."""
        self._path.unlink(missing_ok=True)

    def _read(self) -> list[Rollout]:
        self._complete = True
        lines = self._path.read_bytes().split(b"\n") if self._path.exists() else []
        try:
            if not lines or msgspec.json.decode(lines[0], type=RolloutLogHeader) != self._heading:
                return self._begin()
        except msgspec.DecodeError:
            return self._begin()
        rollouts: list[Rollout] = []
        for line in lines[1:-1]:
            try:
                rollouts.append(msgspec.json.decode(line, type=Rollout))
            except msgspec.DecodeError:
                self._complete = False
                return rollouts
        self._complete = not lines[-1]  # text after the last newline is incomplete
        return rollouts

    def _begin(self) -> list[Rollout]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_bytes(msgspec.json.encode(self._heading) + b"\n")
        except OSError as error:
            raise explain_os_error(error, self._path) from error
        self._complete = True
        return []
