"""Divide actions by the full speed of the training split, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from mobile_vla.messages.errors import UserError
from mobile_vla.messages.record import Record

ACTION_NAMES = ("linear_x", "linear_y", "angular_z")


class ActionStatistics(Record, frozen=True, kw_only=True):
    """Statistics of the training split, a value for each action dimension, in m/s and rad/s.

    `scale` is the largest magnitude seen (1 for a dimension that never moves); actions are
    divided by it. Nothing is clipped: an action beyond training's goes beyond ±1.
    """

    names: tuple[str, ...]
    frames: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    min: tuple[float, ...]
    max: tuple[float, ...]
    scale: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("mean", "std", "min", "max", "scale"):
            values = getattr(self, name)
            if len(values) != len(self.names) or not np.isfinite(values).all():
                raise UserError(
                    f"The action statistics hold {name} {list(values)} for the dimensions "
                    f"{list(self.names)}: compute them again from the training split."
                )
        if min(self.scale) <= 0:
            raise UserError(
                f"The action scale {list(self.scale)} is not positive: "
                "compute the statistics again from the training split."
            )

    def normalise(self, actions: torch.Tensor) -> torch.Tensor:
        """Actions (…, A) in m/s and rad/s to shares of full speed, same shape and type."""
        self._check(actions)
        return actions / actions.new_tensor(self.scale)

    def denormalise(self, actions: torch.Tensor) -> torch.Tensor:
        """Shares of full speed (…, A) to m/s and rad/s; the inverse of `normalise`."""
        self._check(actions)
        return actions * actions.new_tensor(self.scale)

    def _check(self, actions: torch.Tensor) -> None:
        if actions.shape[-1] != len(self.names):
            raise UserError(
                f"The actions have {actions.shape[-1]} dimensions but the statistics have "
                f"{len(self.names)} ({', '.join(self.names)}): use episodes of the same robot."
            )


def select_columns(actions: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The columns of `names` of one episode's actions (T, 2 or 3), as (T, A).

    Raises:
        UserError: the episode has no such column.
    """
    indices = [ACTION_NAMES.index(name) for name in names]
    if max(indices) >= actions.shape[1]:
        raise UserError(
            f"An episode has fewer than {max(indices) + 1} action columns, so it lacks "
            f"{names[indices.index(max(indices))]}: import it with a map that names its columns."
        )
    return np.asarray(actions[:, indices])


def base_velocities(actions: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Actions (…, A) of `names` as (…, 3): m/s ahead, m/s left, rad/s; 0 where not named."""
    velocities = np.zeros((*actions.shape[:-1], len(ACTION_NAMES)), actions.dtype)
    velocities[..., [ACTION_NAMES.index(name) for name in names]] = actions
    return velocities


def action_statistics(
    actions: Iterable[np.ndarray], names: Sequence[str] = ACTION_NAMES[:2]
) -> ActionStatistics:
    """Statistics of the columns of `names` of training's actions, each (T, 2 or 3).

    No actions, or values that are not finite, are a `UserError`.
    """
    columns = [select_columns(np.asarray(episode), names) for episode in actions]
    if not columns or not sum(map(len, columns)):
        raise UserError("The training split holds no actions: choose more training episodes.")
    values = np.concatenate(columns).astype(np.float64)
    if not np.isfinite(values).all():
        raise UserError("The training actions hold NaN or infinity: check the episodes.")
    reach = np.abs(values).max(0)
    return ActionStatistics(
        names=tuple(names),
        frames=len(values),
        mean=_plain(values.mean(0)),
        std=_plain(values.std(0)),
        min=_plain(values.min(0)),
        max=_plain(values.max(0)),
        scale=_plain(np.where(reach > 0, reach, 1.0)),
    )


def _plain(values: Sequence[float] | np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
