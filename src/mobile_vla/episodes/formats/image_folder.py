"""Folders of pictures with an actions.csv each, as scripts and phones record them.

    SRC/<episode>/actions.csv   image,linear_x,linear_y[,angular_z][,instruction][,event]
    SRC/<episode>/0001.png …    named in the column `image`, relative to the episode's folder

Velocities are in m/s, m/s and rad/s. `instruction` may stand in the first row only.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from mobile_vla.episodes.episode import Episode
from mobile_vla.episodes.formats.import_source import RecordingOptions, Source, Sources, subfolders
from mobile_vla.episodes.formats.pictures import read_picture
from mobile_vla.episodes.formats.recording_map import ActionColumn, RecordingMap
from mobile_vla.episodes.formats.validation import (
    MAX_FRAMES,
    EpisodeError,
    episode_path,
    finite_actions,
    refuse_too_long,
    stack_frames,
)
from mobile_vla.messages.reason import reason

TABLE = "actions.csv"
COLUMNS = ("linear_x", "linear_y", "angular_z")
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
Row = dict[str, str]


def picture_sources(path: Path, options: RecordingOptions) -> Sources:
    """Every folder with an actions.csv, `path` itself or right below it."""
    single = (path / TABLE).is_file()
    folders, findings = ([path], []) if single else subfolders(path)
    with_table = [folder for folder in folders if (folder / TABLE).is_file()]
    episodes: list[Source] = [PictureSource(folder, options) for folder in with_table]
    return Sources(path, "pictures with actions.csv", episodes, findings)


@dataclass(frozen=True, slots=True)
class PictureSource(Source):
    """One folder of pictures."""

    path: Path
    options: RecordingOptions

    @property
    def name(self) -> str:
        """The folder's name."""
        return f"{self.path.absolute().name}.h5"

    @property
    def mapping(self) -> RecordingMap:
        """Where the recorder puts pictures, actions and texts."""
        return self.options.mapping

    def read(self) -> Episode:
        """Read the table and its pictures.

        Raises:
            EpisodeError: a missing column, a value that is no number, or a picture that is
                missing, unreadable, outside the folder or of another size.
        """
        rows = self._rows()
        actions = self._actions(rows)
        texts = {text for row in rows if (text := (row.get(self._text_column) or "").strip())}
        if len(texts) > 1:
            why = reason("episode.several_instructions", count=len(texts))
            raise EpisodeError(self.path, why)
        pictures = (read_picture(path, path) for path in self._pictures(rows))
        events = tuple(row["event"] or "" for row in rows) if "event" in rows[0] else None
        return Episode(
            id=self.path.name,
            images=stack_frames(self.path, pictures, len(rows)),
            actions=actions,
            instruction=texts.pop() if texts else self.options.instruction or "",
            step=self.options.step,
            event_types=events,
        )

    @property
    def _image_column(self) -> str:
        return self.mapping.images or "image"

    @property
    def _text_column(self) -> str:
        return self.mapping.instruction or "instruction"

    def _pictures(self, rows: list[Row]) -> Iterator[Path]:
        """Paths of the pictures; `\\` separates folders as `/` does."""
        for row in rows:
            name = (row[self._image_column] or "").strip().replace("\\", "/")
            yield episode_path(self.path, self.path, name)

    def _rows(self) -> list[Row]:
        table = self.path / TABLE
        try:
            with open(table, encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file, skipinitialspace=True)
                reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
                rows = list(islice(reader, MAX_FRAMES + 1))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            why = reason("episode.table_unreadable", error=str(error))
            raise EpisodeError(table, why, "unreadable") from error
        if reader.fieldnames or rows:
            self._check_columns(table, list(reader.fieldnames or ()))
        if not rows:
            raise EpisodeError(table, reason("episode.no_frames"))
        refuse_too_long(table, len(rows))
        return rows

    def _check_columns(self, table: Path, columns: list[str]) -> None:
        velocities = () if self.mapping.has_columns else COLUMNS[:2]
        missing = sorted({self._image_column, *velocities} - set(columns))
        if not missing:
            return
        for separator, name in SEPARATORS.items():
            if len(columns) == 1 and separator in columns[0]:
                raise EpisodeError(table, reason("episode.column_separator", separator=name))
        why = reason(
            "episode.lacks_columns", missing=", ".join(missing), columns=", ".join(columns)
        )
        raise EpisodeError(table, why)

    def _actions(self, rows: list[Row]) -> np.ndarray:
        columns = [name for name in COLUMNS if name in rows[0]]
        if self.mapping.has_columns:
            columns = self._mapped_columns(list(rows[0]))
        try:
            values = [[float(row[name]) for name in columns] for row in rows]
        except (ValueError, TypeError) as error:
            why = reason("episode.not_a_number", error=str(error))
            raise EpisodeError(self.path / TABLE, why) from error
        actions = finite_actions(self.path / TABLE, values)
        if not self.mapping.has_columns:
            return actions
        return self.mapping.velocities(self.path / TABLE, actions, columns)

    def _mapped_columns(self, present: list[str]) -> list[str]:
        """The columns that the map names, so that only they must hold numbers."""
        mapping, columns = self.mapping, []
        for axis in (mapping.linear_x, mapping.linear_y, mapping.angular_z):
            column = axis.column if isinstance(axis, ActionColumn) else axis
            if column in present:
                columns.append(str(column))
        return columns
