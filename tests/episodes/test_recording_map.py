"""`--map`: recordings of other recorders by their own keys, columns, units and signs."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from mobile_vla.cli.main import main
from mobile_vla.episodes.dataset import load_dataset
from mobile_vla.episodes.formats.detect_format import find_sources
from mobile_vla.episodes.formats.import_source import RecordingOptions
from mobile_vla.episodes.formats.recording_map import ActionColumn, RecordingMap, read_map
from mobile_vla.episodes.formats.validation import EpisodeError
from mobile_vla.messages.errors import UserError

FRAMES = 6
ACTIONS = np.arange(24, dtype=np.float32).reshape(FRAMES, 4) + 1


def velocities(**keys) -> np.ndarray:
    return RecordingMap(**keys).velocities(Path("a"), ACTIONS, ["vx", "vy", "w", "grip"])


def test_columns_by_number_and_name_with_units_and_signs() -> None:
    x, y, w = ACTIONS.T[:3]
    np.testing.assert_array_equal(velocities(linear_x=0, linear_y=1), np.stack([x, y], 1))
    np.testing.assert_array_equal(
        velocities(linear_x="vx", angular_z="w"), np.stack([x, 0 * x, w], 1)
    )
    turned = velocities(
        linear_x=ActionColumn(column="vx", unit="cm/s"),
        linear_y=ActionColumn(column=1, unit="km/h", flip=True),
        angular_z=ActionColumn(column="w", unit="deg/s"),
    )
    expected = np.stack([x / 100, -y / 3.6, np.deg2rad(w)], 1)
    np.testing.assert_allclose(turned, expected, rtol=1e-6)


@pytest.mark.parametrize("column", [4, -1, "vz", "0"])
def test_a_column_that_is_missing_is_named(column) -> None:
    with pytest.raises(EpisodeError, match=rf"no column {column} \(its columns are vx, vy"):
        velocities(linear_x=column, linear_y=1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("linear_z: 0", "unknown key `linear_z`"),
        ("linear_x: {column: 0, unit: deg/s}\nangular_z: 1", "linear_x cannot be in deg/s"),
        ("linear_x: 0\nangular_z: {column: 1, unit: m/s}", "angular_z cannot be in m/s"),
        ("linear_x: {column: 0, unit: knots}\nangular_z: 1", "Invalid enum value 'knots'"),
        ("linear_x: {unit: m/s}\nangular_z: 1", "missing required field `column`"),
        ("angular_z: 1", "no linear_x"),
        ("linear_x: 1", "linear_x alone"),
        ("step: 0", "between 0 and 60"),
        ("step: fast", "step"),
        ("- a", "Expected `object`"),
        ("a: [", "not valid YAML"),
    ],
)
def test_a_map_that_cannot_be_used_says_why(tmp_path: Path, text, says) -> None:
    file = tmp_path / "map.yaml"
    file.write_text(text + "\n")
    with pytest.raises(UserError) as caught:
        read_map(file)
    assert says in str(caught.value)
    with pytest.raises(UserError, match="no file"):
        read_map(tmp_path / "none.yaml")


def test_an_aloha_recording(tmp_path: Path, make_episode, capsys) -> None:
    source = tmp_path / "recordings"
    source.mkdir()
    for index, side in enumerate(("left", "right")):
        episode = make_episode(index, side)
        with h5py.File(source / f"ep{index}.hdf5", "w") as file:
            file["action"] = np.zeros((FRAMES, 14))
            file["base_action"] = np.hstack([-episode.actions[:, :2] * 100, np.ones((FRAMES, 1))])
            file["observations/images/cam_high"] = episode.images
            file.attrs["task_text"] = episode.instruction
    out, map_file = tmp_path / "ws" / "data", tmp_path / "map.yaml"
    command = ["episodes", "import", str(source), str(out), "--size", "8"]
    command += ["--workspace", str(tmp_path / "ws")]
    assert main(command) == 1
    assert "ALOHA" in capsys.readouterr().err
    map_file.write_text(
        "images: observations/images/cam_high\nactions: base_action\ninstruction: task_text\n"
        "linear_x: {column: 0, unit: cm/s, flip: true}\n"
        "linear_y: {column: 1, unit: cm/s, flip: true}\nstep: 0.3\n"
    )
    assert main([*command, "--map", str(map_file)]) == 0
    dataset = load_dataset(out)
    for index, side in enumerate(("left", "right")):
        again, episode = dataset.read(f"ep{index}"), make_episode(index, side)
        np.testing.assert_array_equal(again.images, episode.images)
        np.testing.assert_allclose(again.actions, episode.actions[:, :2], rtol=1e-6)
        assert (again.instruction, again.step) == (episode.instruction, 0.3)


def test_unnamed_columns_of_a_lerobot_set(tmp_path: Path, make_folder) -> None:
    pytest.importorskip("pyarrow")
    import json

    from mobile_vla.episodes.dataset import build_manifest
    from mobile_vla.episodes.export_lerobot import export_lerobot
    from mobile_vla.episodes.manifest import write_manifest

    source = make_folder(1, 1)
    write_manifest(source, build_manifest(source, name="set", seed=1)[0])
    dataset = load_dataset(source)
    export_lerobot(dataset, tmp_path / "out", video=False)
    info = tmp_path / "out" / "meta" / "info.json"
    content = json.loads(info.read_text())
    content["features"]["action"]["names"] = None
    info.write_text(json.dumps(content))
    with pytest.raises(UserError, match="--map"):
        find_sources(tmp_path / "out")
    flipped = RecordingMap(linear_x=0, linear_y=ActionColumn(column=1, flip=True))
    for episode in find_sources(tmp_path / "out", RecordingOptions(mapping=flipped)).episodes:
        expected = dataset.read(episode.name.removesuffix(".h5")).actions
        np.testing.assert_array_equal(episode.read().actions, expected[:, :2] * [1, -1])
    with pytest.raises(UserError, match="leave `step`"):
        find_sources(tmp_path / "out", RecordingOptions(mapping=RecordingMap(step=0.1)))


def test_columns_of_a_table(tmp_path: Path, make_episode) -> None:
    from PIL import Image

    episode, folder = make_episode(), tmp_path / "drive"
    folder.mkdir()
    lines = ["time,file,v,w,say"]
    for index, image in enumerate(episode.images):
        Image.fromarray(image).save(folder / f"{index}.png")
        lines.append(f"noon,{index}.png,0.5,90,go left")
    (folder / "actions.csv").write_text("\n".join(lines))
    mapping = RecordingMap(
        images="file", instruction="say", linear_x="v",
        angular_z=ActionColumn(column="w", unit="deg/s"),
    )  # fmt: skip
    again = find_sources(folder, RecordingOptions(mapping=mapping)).episodes[0].read()
    np.testing.assert_allclose(again.actions, [[0.5, 0, np.pi / 2]] * FRAMES, rtol=1e-6)
    assert again.instruction == "go left"
    absent = RecordingMap(images="file", linear_x="v", linear_y="vy")
    with pytest.raises(EpisodeError, match="no column vy"):
        find_sources(folder, RecordingOptions(mapping=absent)).episodes[0].read()
