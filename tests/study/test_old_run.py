"""A run folder written by an earlier version is read: keys and formats on disk do not change.

`old_run` holds the files of one run, long lists cut short. It is not to be made anew: a file that
is no longer read needs a reader, not another file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mobile_vla.episodes.manifest import Manifest
from mobile_vla.evaluation.rollout_log import RolloutLog, RolloutLogHeader
from mobile_vla.policy.checkpoints.policy_checkpoint import CheckpointInfo
from mobile_vla.runs.environment import Environment
from mobile_vla.runs.events import decode_events
from mobile_vla.runs.load_report import LoadReport
from mobile_vla.runs.metrics_csv import read_metrics
from mobile_vla.runs.results import Offline, Rollouts
from mobile_vla.study.case_file import read_case, write_case

OLD = Path(__file__).parent / "old_run"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("manifest.json", Manifest),
        ("environment.json", Environment),
        ("load_report.json", LoadReport),
        ("offline.json", Offline),
        ("rollouts.json", Rollouts),
        ("policy_header.json", CheckpointInfo),
    ],
)
def test_every_file_is_read_with_all_its_keys(name: str, kind: Any) -> None:
    data = (OLD / name).read_bytes()
    value = msgspec.json.decode(data, type=kind)
    assert_covers(msgspec.to_builtins(value), json.loads(data))


def assert_covers(new: Any, old: Any) -> None:
    """Every key and value of the old content is in the new, which may have more keys."""
    if isinstance(old, dict):
        assert isinstance(new, dict)
        for key, value in old.items():
            assert_covers(new[key], value)
    elif isinstance(old, list):
        assert len(new) == len(old)
        for new_item, old_item in zip(new, old, strict=True):
            assert_covers(new_item, old_item)
    else:
        assert new == old


def test_events_and_metrics_are_read() -> None:
    lines = decode_events((OLD / "events.jsonl").read_bytes())
    assert [line.problem for line in lines] == [None] * len(lines)
    kinds = [type(line.event).__name__ for line in lines]
    assert kinds[:2] == ["Start", "Preflight"]
    assert kinds[-1] == "Exit"
    assert read_metrics(OLD / "metrics.csv")


def test_the_case_is_read_and_written_as_it_was(tmp_path: Path) -> None:
    case = read_case(OLD / "case.yaml")
    assert (case.case, case.recipe.learning_rate, case.vlm.name) == ("both_20", 3e-3, "tiny")
    write_case(tmp_path / "case.yaml", case)
    since = b"devices: 1\nnodes: 1\n"  # keys that came later
    assert (tmp_path / "case.yaml").read_bytes() == (OLD / "case.yaml").read_bytes() + since


def test_later_keys_are_kept_where_they_say_something(tmp_path: Path) -> None:
    case = read_case(OLD / "case.yaml")
    level = msgspec.structs.replace(case.recipe, schedule="constant", final_rate=0.5)
    write_case(tmp_path / "case.yaml", msgspec.structs.replace(case, recipe=level))
    assert read_case(tmp_path / "case.yaml").recipe == level


def test_an_interrupted_evaluation_is_taken_up(tmp_path: Path) -> None:
    file = tmp_path / "rollouts.jsonl"
    rollout = json.loads((OLD / "rollouts.json").read_bytes())["rollouts"][0]
    header = {"checkpoint_blake3": "1" * 64, "simulator": "s", "max_steps": 25,
              "image_size": [64, 64]}  # fmt: skip
    file.write_text(f"{json.dumps(header)}\n{json.dumps(rollout)}\n")
    current = msgspec.convert(header, RolloutLogHeader)
    assert [drive.scene for drive in RolloutLog(file, current).drives] == [rollout["scene"]]
