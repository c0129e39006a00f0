"""Coverage of the training split: common key sequences and the range of actions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from mobile_vla.evaluation.metrics import Prediction, Speed, pressed_keys
from mobile_vla.evaluation.predictions import RecordedEpisode
from mobile_vla.runs.results import Span, TrainingSplit

BEYOND = 1.02
"""Share of the largest trained magnitude from which an action lies beyond it."""


def training_split(training: Sequence[RecordedEpisode], full_speed: Speed) -> TrainingSplit:
    """How many episodes of each direction press the direction's most common keys."""
    sequences: dict[str, Counter[bytes]] = {}
    for episode in training:
        keys = pressed_keys(episode.actions, full_speed).astype(np.int8)
        sequences.setdefault(episode.direction, Counter())[keys.tobytes()] += 1
    count = {side: keys_counter.total() for side, keys_counter in sorted(sequences.items())}
    return TrainingSplit(
        episodes=len(training),
        common_sequence={
            side: sequences[side].most_common(1)[0][1] / n for side, n in count.items()
        },
        count=count,
    )


def spans(
    predictions: Sequence[Prediction], names: Sequence[str], scale: Sequence[float]
) -> list[Span]:
    """Largest trained (`scale`, m/s or rad/s), recorded and predicted magnitude by dimension."""
    recorded = np.abs(np.concatenate([p.recorded for p in predictions]))
    predicted = np.abs(np.concatenate([p.predicted for p in predictions]))
    return [
        Span(
            name=name,
            trained=float(scale[column]),
            recorded=float(recorded[:, column].max()),
            predicted=float(predicted[:, column].max()),
            beyond=float((recorded[:, column] > BEYOND * scale[column]).mean()),
        )
        for column, name in enumerate(names)
    ]
