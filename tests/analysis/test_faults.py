"""The lab's faults, as numbers in the evidence: each is named, and a sound run has none."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from mobile_vla.analysis.diagnostics import diagnose, name_of
from mobile_vla.analysis.headline_metrics import beats_replay, unbeaten_replays
from mobile_vla.messages.catalogue import sentence
from mobile_vla.runs.results import (
    EpisodeSet,
    Hearing,
    Metric,
    Offline,
    Scored,
    Span,
    Swap,
    TrainingSplit,
)
from mobile_vla.study.models import Counts


def scored(name: str, mae: float) -> Scored:
    metric = Metric(name="mae", definition="", unit="m/s", value=mae, n=20)
    return Scored(name=name, metrics=[metric], by_direction={}, episodes=[])


def run(
    *,
    swap: tuple[float, float] = (0.5, 1.0),
    mirrored: float = 0.0,
    blind: float = 0.5,
    replay: float = 0.3,
    trained: float = 1.15,
    beyond: float = 0.0,
    common: float = 0.1,
    held: tuple[int, int] = (10, 10),
    validation: tuple[int, int] = (5, 5),
    right: int = 20,
) -> Any:
    """A sound run of mean error 0.2 m/s, but for what is given."""
    offline = Offline(
        time=datetime.now(UTC),
        checkpoint="c",
        checkpoint_blake3="",
        set=EpisodeSet(name="e", hash="", episodes=[], left=held[0], right=held[1]),
        policy=scored("policy", 0.2),
        baselines=[
            scored("mean_action", 0.4),
            scored("replay_by_step_and_instruction", replay),
            scored("blind", blind),
        ],
        swap=Swap(change=swap[0], follows=swap[1], n=20),
        hearing=[Hearing(series="policy", test="swapped", text="", mirrored=mirrored, n=20)],
        spans=[
            Span(name="linear_x", trained=trained, recorded=1.15, predicted=1, beyond=beyond),
        ],
        training=TrainingSplit(
            episodes=40, common_sequence={"left": 0.1, "right": common},
            count={"left": 20, "right": 20},
        ),
    )  # fmt: skip
    return SimpleNamespace(
        rollouts=None,
        offline=offline,
        train=Counts(left=20, right=right),
        validation=Counts(left=validation[0], right=validation[1]),
    )


def test_a_sound_run_has_no_fault_and_one_not_evaluated_says_nothing() -> None:
    assert diagnose(run()) == []
    assert diagnose(SimpleNamespace(rollouts=None, offline=None)) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("what", "name", "words"),
    [
        ({"swap": (0.0, 0.5)}, "instruction_does_not_reach", "image may cover its text"),
        ({"swap": (0.2, 0.5)}, "instruction_not_followed", "50 % of 20"),
        ({"mirrored": 1.0}, "direction_by_rule", "by a rule"),
        ({"blind": 0.205}, "does_not_look", "without its image"),
        ({"replay": 0.18}, "does_not_beat_replay_by_step_and_instruction", "0.2 against 0.18"),
        ({"trained": 1.0, "beyond": 0.6}, "actions_clipped", "1 against 1.15"),
        ({"common": 0.98}, "one_key_sequence", "98 % of its 20 right"),
        ({"validation": (0, 100)}, "validation_one_direction", "all 100 validation episodes"),
        ({"held": (0, 10)}, "evaluation_one_direction", "right only"),
    ],
)
def test_each_fault_is_named_alone_in_both_languages(what: Any, name: str, words: str) -> None:
    (found,) = diagnose(run(**what))
    assert name_of(found) == name
    assert words in sentence(found, "en")
    assert any("가" <= letter <= "힣" for letter in sentence(found, "ko"))


def test_a_left_only_policy_is_not_blamed_for_what_it_never_heard() -> None:
    assert diagnose(run(swap=(0.2, 0.0), right=0)) == []


def test_every_replay_that_does_as_well_is_named() -> None:
    """The lab's table knew one tape recorder; the stronger one knows the instruction too."""
    offline = run(replay=0.2).offline
    step = scored("replay_by_step", 0.3)
    both = msgspec.structs.replace(offline, baselines=[step, *offline.baselines])
    assert unbeaten_replays(both) == ["replay_by_step_and_instruction"]
    assert beats_replay(both) is False
    assert beats_replay(run(replay=0.21).offline) is True
    bare = msgspec.structs.replace(offline, baselines=[scored("blind", 0.1)])
    assert (unbeaten_replays(bare), beats_replay(bare), beats_replay(None)) == (None, None, None)
