"""Folders of pictures with an actions.csv each: what a script or a phone recorded.

    SRC/<episode>/actions.csv   image,linear_x,linear_y[,angular_z][,instruction][,event]
    SRC/<episode>/0001.png …    named in the column `image`, relative to the episode's folder

Velocities are in m/s, m/s and rad/s. `instruction` may stand in the first row only.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from mobile_vla.episodes.episode import Episode
from mobile_vla.episodes.formats.import_source import (
    Choice,
    Source,
    Sources,
    entered,
    folder_stamp,
    read_picture,
    write_new,
)
from mobile_vla.episodes.formats.validation import (
    LARGEST_FRAMES,
    EpisodeError,
    refuse_long,
    sound_actions,
    stack_frames,
)

TABLE = "actions.csv"
COLUMNS = ("linear_x", "linear_y", "angular_z")


def picture_sources(path: Path, choice: Choice) -> Sources:
    """Every folder with an actions.csv, `path` itself or right below it."""
    alone = (path / TABLE).is_file()
    folders, findings = ([path], []) if alone else entered(path)
    episodes: list[Source] = [
        PictureSource(folder, choice.step, choice.instruction)
        for folder in folders
        if (folder / TABLE).is_file()
    ]
    return Sources(path, "pictures with actions.csv", episodes, findings)


@dataclass(frozen=True, slots=True)
class PictureSource:
    """One folder of pictures. `step` in s; `instruction` counts where the table has none."""

    folder: Path
    step: float
    instruction: str | None

    @property
    def name(self) -> str:
        """The folder's own name."""
        return f"{self.folder.absolute().name}.h5"

    @property
    def origin(self) -> str:
        """The folder."""
        return str(self.folder.absolute())

    @property
    def stamp(self) -> str:
        """That of the folder."""
        return folder_stamp(self.folder)

    def bring(self, file: Path) -> Episode:
        """See `Source.bring`."""
        return write_new(file, self.read())

    def read(self) -> Episode:
        """The table and its pictures.

        Raises:
            EpisodeError: no such column, a value that is no number, a picture that is missing,
                unreadable or of another size.
        """
        rows = self._rows()
        actions = self._actions(rows)
        told = [
            row["instruction"].strip() for row in rows if (row.get("instruction") or "").strip()
        ]
        if len(set(told)) > 1:
            raise EpisodeError(self.folder, f"holds {len(set(told))} different instructions")
        names = [row["image"] or "" for row in rows]
        paths = [self.folder / name for name in names]
        pictures = (read_picture(path, path) for path in paths)
        events = tuple(row["event"] or "" for row in rows) if "event" in rows[0] else None
        return Episode(
            id=self.folder.name,
            images=stack_frames(self.folder, pictures, len(names)),
            actions=actions,
            instruction=told[0] if told else self.instruction or "",
            step=self.step,
            event_types=events,
        )

    def _rows(self) -> list[dict[str, str]]:
        table = self.folder / TABLE
        try:
            with open(table, encoding="utf-8-sig", newline="") as file:
                rows = list(islice(csv.DictReader(file), LARGEST_FRAMES + 1))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise EpisodeError(table, f"cannot be read ({error})", "unreadable") from error
        missing = {"image", *COLUMNS[:2]} - set(rows[0] if rows else ())
        if missing:
            what = f"lacks the columns {', '.join(sorted(missing))}" if rows else "holds no frames"
            raise EpisodeError(table, what)
        refuse_long(table, len(rows))
        return rows

    def _actions(self, rows: list[dict[str, str]]) -> np.ndarray:
        columns = [name for name in COLUMNS if name in rows[0]]
        try:
            values = [[float(row[name]) for name in columns] for row in rows]
        except (ValueError, TypeError) as error:
            raise EpisodeError(
                self.folder / TABLE, f"has an action that is no number ({error})"
            ) from error
        return sound_actions(self.folder / TABLE, values)
