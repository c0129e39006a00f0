"""`mvla episodes import --map FILE`: where another recorder puts pictures, actions and texts.

    images: observations/images/cam_high    # HDF5 key, CSV column, LeRobot camera or ROS topic
    actions: base_action                    # HDF5 key, LeRobot feature or ROS topic
    instruction: task                       # HDF5 key or attribute, CSV column or ROS topic
    linear_x: 0                             # a column by number or name
    linear_y: {column: vy, flip: true}      # measured to the right
    angular_z: {column: 1, unit: deg/s}
    step: 0.1                               # seconds

Every key is optional. Without `linear_y`, a robot with `linear_x` and `angular_z` never moves
sideways.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from mobile_vla.episodes.formats.validation import EpisodeError
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.reason import reason
from mobile_vla.study.strict_yaml import convert, read_yaml

LINEAR = {"m/s": 1.0, "cm/s": 0.01, "mm/s": 0.001, "km/h": 1 / 3.6}
ANGULAR = {"rad/s": 1.0, "deg/s": float(np.pi / 180)}
Unit = Literal["m/s", "cm/s", "mm/s", "km/h", "rad/s", "deg/s"]


class ActionColumn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One column of the actions. `flip` turns its sign; without `unit` it is m/s or rad/s."""

    column: int | str
    unit: Unit | None = None
    flip: bool = False


class RecordingMap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a map file; None where the format's own name holds."""

    images: str | None = None
    actions: str | None = None
    instruction: str | None = None
    linear_x: int | str | ActionColumn | None = None
    linear_y: int | str | ActionColumn | None = None
    angular_z: int | str | ActionColumn | None = None
    step: float | None = None

    @property
    def has_columns(self) -> bool:
        """Whether the map says which columns are velocities."""
        return self.linear_x is not None

    def velocities(self, where: Path, actions: np.ndarray, names: Sequence[str] = ()) -> np.ndarray:
        """(T, 2 or 3) float32 m/s, m/s, rad/s of (T, N) `actions` whose columns have `names`.

        Raises:
            EpisodeError: about `where`: there is no such column.
        """
        x, y, turn = (
            _values(where, axis, units, actions, names)
            for axis, units in (
                (self.linear_x, LINEAR), (self.linear_y, LINEAR), (self.angular_z, ANGULAR),
            )
        )  # fmt: skip
        columns = [x, np.zeros(len(actions)) if y is None else y, *([] if turn is None else [turn])]
        with np.errstate(over="ignore"):
            return np.stack(columns, axis=1).astype(np.float32)  # type: ignore[arg-type]


NO_MAP = RecordingMap()


def read_map(path: Path) -> RecordingMap:
    """Read a map file.

    Raises:
        UserError: no such file, not YAML, an unknown key, a unit of another kind of velocity,
            no `linear_x`, or a step that is not positive.
    """
    mapping = convert(read_yaml(path) or {}, RecordingMap, path)
    for name, units in (("linear_x", LINEAR), ("linear_y", LINEAR), ("angular_z", ANGULAR)):
        axis = getattr(mapping, name)
        if isinstance(axis, ActionColumn) and axis.unit and axis.unit not in units:
            raise UserError(
                f"{path}: {name} cannot be in {axis.unit}: use one of {', '.join(units)}."
            )
    if mapping.linear_x is None and (mapping.linear_y, mapping.angular_z) != (None, None):
        raise UserError(f"{path} names columns but no linear_x: say which one drives ahead.")
    if mapping.linear_x is not None and (mapping.linear_y, mapping.angular_z) == (None, None):
        raise UserError(f"{path} names linear_x alone: add linear_y or angular_z.")
    if mapping.step is not None and not 0 < mapping.step < 60:
        raise UserError(f"{path}: step is {mapping.step:g}: give seconds between 0 and 60.")
    return mapping


def _values(
    where: Path,
    axis: int | str | ActionColumn | None,
    units: dict[str, float],
    actions: np.ndarray,
    names: Sequence[str],
) -> np.ndarray | None:
    if axis is None:
        return None
    axis = axis if isinstance(axis, ActionColumn) else ActionColumn(column=axis)
    index = axis.column
    if isinstance(index, str) and index in names:
        index = list(names).index(index)
    if not isinstance(index, int) or not 0 <= index < actions.shape[1]:
        columns = ", ".join(names) or f"0 to {actions.shape[1] - 1}"
        why = reason("episode.column_missing", column=str(axis.column), columns=columns)
        raise EpisodeError(where, why)
    factor = units[axis.unit] if axis.unit else 1.0
    values: np.ndarray = actions[:, index] * (-factor if axis.flip else factor)
    return values
