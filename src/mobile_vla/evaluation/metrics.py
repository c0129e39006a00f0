"""Offline metrics: each a name, a definition, a unit and a value for every episode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mobile_vla.runs.results import EpisodeScore, Metric, Scored

Speed = float | np.ndarray
"""Full speed in m/s, or (A,) of each action dimension in m/s (rad/s)."""
KEY_THRESHOLD = 0.5
"""Share of full speed from which an action counts as a pressed key."""
PHASES = {"start": (0, 5), "middle": (5, 14), "end": (14, None)}


@dataclass(frozen=True, slots=True)
class Prediction:
    """Predicted and recorded actions (T, A) of one episode, in m/s (rad/s)."""

    episode: str
    direction: str
    predicted: np.ndarray
    recorded: np.ndarray


def definitions(names: Sequence[str], full_speed: Speed) -> dict[str, tuple[str, str]]:
    """Definition and unit of every metric that `episode_values` gives."""
    units = {"angular_z": "rad/s"}
    table = {
        "mae": ("mean absolute error of the executed action over frames and dimensions", "m/s")
    }
    for name in names:
        unit = units.get(name, "m/s")
        table[f"mae_{name}"] = (f"mean absolute error of {name} of the executed action", unit)
        table[f"rmse_{name}"] = (f"root mean square error of {name} of the executed action", unit)
    for phase, (first, last) in PHASES.items():
        span = f"frames {first} to {last - 1}" if last else f"frames from {first}"
        table[f"phase_{phase}_mae"] = (f"mean absolute error over {span}", "m/s")
    table["direction_accuracy"] = (
        f"share of episodes whose predicted {names[1]}, over the frames of the recorded first "
        f"{'turn' if names[1] == 'angular_z' else 'sideways manoeuvre'}, points to the recorded "
        "side",
        "1",
    )
    pressed = KEY_THRESHOLD * np.ravel(full_speed)[0]
    table["perfect_match"] = (
        f"share of frames whose keys (beyond {pressed:.3g} m/s) are the "
        "recorded ones in every dimension",
        "1",
    )
    return table


def episode_values(
    prediction: Prediction, names: Sequence[str], full_speed: Speed
) -> dict[str, float]:
    """All metrics of one episode. Squared errors are kept under `mse_…`: roots do not average."""
    error = prediction.predicted - prediction.recorded
    values = {"mae": float(np.abs(error).mean())}
    for column, name in enumerate(names):
        values[f"mae_{name}"] = float(np.abs(error[:, column]).mean())
        values[f"mse_{name}"] = float(np.square(error[:, column]).mean())
    for phase, (first, last) in PHASES.items():
        part = error[first:last]
        if len(part):
            values[f"phase_{phase}_mae"] = float(np.abs(part).mean())
    side = sideways(prediction.predicted, prediction.recorded, full_speed)
    if side is not None:
        values["direction_accuracy"] = float(side > 0)
    keys = pressed_keys(prediction.predicted, full_speed) == pressed_keys(
        prediction.recorded, full_speed
    )
    values["perfect_match"] = float(keys.all(1).mean())
    return values


def sideways(predicted: np.ndarray, recorded: np.ndarray, full_speed: Speed) -> float | None:
    """Mean predicted linear_y (m/s) during the recorded first sideways manoeuvre.

    Of a differential drive, angular_z (rad/s) during its first turn.
    Positive towards the recorded side; None where the recording never goes aside.
    """
    keys = pressed_keys(recorded, full_speed)[:, 1]
    moving = np.flatnonzero(keys)
    if not len(moving):
        return None
    first, side = moving[0], keys[moving[0]]
    ends = np.flatnonzero(keys[first:] != side)
    last = first + ends[0] if len(ends) else len(keys)
    return float(predicted[first:last, 1].mean() * side)


def score(
    name: str,
    predictions: Sequence[Prediction],
    names: Sequence[str],
    full_speed: Speed,
) -> Scored:
    """A policy's or a baseline's metrics, in all, by direction and by episode."""
    rows = [
        EpisodeScore(
            episode=prediction.episode,
            direction=prediction.direction,
            values=episode_values(prediction, names, full_speed),
        )
        for prediction in predictions
    ]
    defined = definitions(names, full_speed)
    directions = sorted({row.direction for row in rows})
    return Scored(
        name=name,
        metrics=_metrics(rows, defined),
        by_direction={
            side: _metrics([row for row in rows if row.direction == side], defined)
            for side in directions
        },
        episodes=rows,
    )


def _metrics(rows: Sequence[EpisodeScore], defined: Mapping[str, tuple[str, str]]) -> list[Metric]:
    metrics = []
    for name, (definition, unit) in defined.items():
        key = name.replace("rmse_", "mse_")
        values = [row.values[key] for row in rows if key in row.values]
        if not values:
            continue
        mean = float(np.mean(values))
        value = mean**0.5 if key != name else mean
        metrics.append(
            Metric(name=name, definition=definition, unit=unit, value=value, n=len(values))
        )
    return metrics


def pressed_keys(actions: np.ndarray, full_speed: Speed) -> np.ndarray:
    """Actions (T, A) as pressed keys, (T, A) int: -1, 0 or 1 in each dimension."""
    pressed = np.abs(actions) > KEY_THRESHOLD * full_speed
    return np.where(pressed, np.sign(actions), 0).astype(int)
