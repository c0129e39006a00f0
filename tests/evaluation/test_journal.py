"""Drives noted as they end: what a kill leaves is taken up, and nothing is driven twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from mobile_vla.evaluation.rollout_images import draw_gif, draw_paths
from mobile_vla.evaluation.rollout_log import RolloutLog, RolloutLogHeader
from mobile_vla.figures import ending_of
from mobile_vla.runs.results import Rollout
from mobile_vla.simulator.scene import sample_scene

HEADING = RolloutLogHeader(checkpoint_blake3="a", simulator="s", max_steps=25, image_size=(8, 8))


def drive(scene: int, **changed: object) -> Rollout:
    told = {
        "success": True, "collision": False, "side": "left", "direction": "left",
        "path_length": 1.0, "steps": 2, "path": [(0.0, 0.0), (1.0, 0.5)],
    }  # fmt: skip
    return Rollout(scene=scene, **{**told, **changed})  # type: ignore[arg-type]


def test_noted_drives_are_taken_up_again(tmp_path: Path) -> None:
    file = tmp_path / "evaluation" / "rollouts.jsonl"
    log = RolloutLog(file, HEADING)
    assert log.drives == []
    log.append([drive(1), drive(2)])
    log.append([drive(3)])
    again = RolloutLog(file, HEADING)
    assert again.drives == [drive(1), drive(2), drive(3)]
    again.truncate(2)
    assert RolloutLog(file, HEADING).drives == [drive(1), drive(2)]
    again.close()
    assert not file.exists()


@pytest.mark.parametrize("lost", range(1, 60, 7))
def test_a_kill_amid_a_line_costs_that_line_alone(tmp_path: Path, lost: int) -> None:
    file = tmp_path / "rollouts.jsonl"
    RolloutLog(file, HEADING).append([drive(1), drive(2)])
    file.write_bytes(file.read_bytes()[:-lost])
    log = RolloutLog(file, HEADING)
    assert log.drives == [drive(1)]
    log.truncate(1)
    log.append([drive(5)])
    assert RolloutLog(file, HEADING).drives == [drive(1), drive(5)]


def test_another_checkpoint_begins_anew(tmp_path: Path) -> None:
    file = tmp_path / "rollouts.jsonl"
    RolloutLog(file, HEADING).append([drive(1)])
    other = RolloutLogHeader(checkpoint_blake3="b", simulator="s", max_steps=25, image_size=(8, 8))
    assert RolloutLog(file, other).drives == []
    assert RolloutLog(file, HEADING).drives == []


def test_endings() -> None:
    failed = {"success": False}
    assert ending_of(drive(1)) == "success"
    assert ending_of(drive(1, **failed, collision=True)) == "collision"
    assert ending_of(drive(1, **failed, side="right")) == "other_side"
    assert ending_of(drive(1, **failed, side=None)) == "not_reached"


def test_paths_from_above_and_a_drive_in_motion(tmp_path: Path) -> None:
    scene = sample_scene(9_000_000)
    draw_paths(tmp_path / "paths.png", [drive(9_000_000)], [scene])
    with Image.open(tmp_path / "paths.png") as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(10**6)}
    assert {(0x1A, 0x7F, 0x37), (0x90, 0xA4, 0xAE), (255, 255, 255)} <= colours

    import numpy as np

    draw_gif(tmp_path / "drive.gif", [np.full((8, 8, 3), i * 60, np.uint8) for i in range(4)])
    with Image.open(tmp_path / "drive.gif") as gif:
        assert (gif.n_frames, gif.info["duration"]) == (4, 400)
