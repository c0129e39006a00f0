"""LeRobotDatasets whose fields contradict each other, and layouts that others write."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobile_vla.episodes.dataset import build_manifest, load_dataset
from mobile_vla.episodes.export_lerobot import export_lerobot
from mobile_vla.episodes.formats.detect_format import find_sources
from mobile_vla.episodes.formats.hdf5 import write_episode
from mobile_vla.episodes.formats.import_source import RecordingOptions
from mobile_vla.episodes.formats.lerobot_files import CAMERA
from mobile_vla.episodes.formats.lerobot_meta import check_template
from mobile_vla.episodes.formats.validation import EpisodeError
from mobile_vla.episodes.import_dataset import ImportResult, import_episodes
from mobile_vla.episodes.manifest import write_manifest
from mobile_vla.messages.errors import UserError

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("av")

FRAMES = 6
TEXTS = ("go to the basket", "go to the bottle")
Edit = Callable[[list[dict[str, Any]]], None]


class Set:
    """An exported data set of 4 episodes with two instructions, whose files can be edited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = folder / "meta" / "episodes" / "chunk-000" / "file-000.parquet"
        self.frames = folder / "data" / "chunk-000" / "file-000.parquet"
        self.info = folder / "meta" / "info.json"

    def edit(self, file: Path, change: Edit) -> None:
        rows = parquet.read_table(file).to_pylist()
        change(rows)
        parquet.write_table(pa.Table.from_pylist(rows), file)

    def edit_info(self, **changes: Any) -> None:
        self.info.write_text(json.dumps({**json.loads(self.info.read_text()), **changes}))

    def bring(self, **options: Any) -> ImportResult:
        folder = self.folder.parent / "data"
        sources = find_sources(self.folder, RecordingOptions(**options))
        return import_episodes(sources, folder, seed=1, size=8, cache_dir=folder.parent / "cache")

    def texts(self) -> list[str]:
        dataset = load_dataset(self.folder.parent / "data")
        return [dataset.read(e.id).instruction for e in sorted(dataset.manifest.episodes, key=str)]


@pytest.fixture(params=["video", "images"])
def exported(request, tmp_path: Path, make_episode) -> Set:
    source = tmp_path / "source"
    for index in range(4):
        side = "right" if index % 2 else "left"
        name = f"ep{index}"
        episode = make_episode(index, side, id=name, instruction=TEXTS[index % 2])
        write_episode(source / f"{name}.h5", episode)
    manifest = build_manifest(source, name="set", seed=1, split=False)[0]
    write_manifest(source, manifest)
    export_lerobot(load_dataset(source), tmp_path / "set", video=request.param == "video")
    return Set(tmp_path / "set")


def codes(imported: ImportResult) -> dict[str, str]:
    return {
        finding.episode.rpartition("#")[2]: finding.reason.code.removeprefix("episode.")
        for finding in imported.findings
    }


def frames_of(rows: list[dict[str, Any]], episode: int) -> list[dict[str, Any]]:
    return [row for row in rows if row["episode_index"] == episode]


def set_frames(name: str, value: Callable[[dict[str, Any]], Any], episode: int = 1) -> Edit:
    def change(rows: list[dict[str, Any]]) -> None:
        for row in frames_of(rows, episode):
            row[name] = value(row)

    return change


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (set_frames("task_index", lambda row: 0), "tasks_disagree"),
        (set_frames("task_index", lambda row: 7), "task_unknown"),
        (set_frames("task_index", lambda row: row["frame_index"] % 2), "several_instructions"),
        (set_frames("task_index", lambda r: int(r["frame_index"] < 1)), "several_instructions"),
        (set_frames("timestamp", lambda row: row["timestamp"] + (row["frame_index"] > 3)),
            "timestamp_jump"),
        (set_frames("timestamp", lambda row: 0.0), "timestamp_jump"),
        (set_frames("timestamp", lambda row: -row["timestamp"]), "timestamp_jump"),
        (set_frames("timestamp", lambda row: float("nan")), "timestamp_jump"),
        (set_frames("timestamp", lambda row: row["timestamp"] * 1.24), "timestamp_drift"),
        (set_frames("frame_index", lambda row: row["frame_index"] + 1), "frame_numbers"),
        (set_frames("frame_index", lambda row: row["frame_index"] // 2 * 2), "frame_numbers"),
        (set_frames("episode_index", lambda row: 9), "no_frames"),
    ],
)  # fmt: skip
def test_frames_that_contradict_meta(exported: Set, change, code) -> None:
    exported.edit(exported.frames, change)
    imported = exported.bring()
    assert codes(imported) == {"1": code}
    assert imported.new == 3


def test_timestamps_that_jitter_less_than_a_quarter_of_a_step_are_taken(exported: Set) -> None:
    exported.edit(
        exported.frames,
        set_frames("timestamp", lambda r: r["timestamp"] + 0.02 * (-1) ** r["frame_index"]),
    )
    exported.edit(exported.frames, set_frames("timestamp", lambda r: r["timestamp"] + 1e6, 2))
    assert exported.bring().findings == []


def put(column: str, value: object) -> Edit:
    def change(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row[column] = value

    return change


ODD = [None, True, -1, float("nan"), "", "x", [], ["a"], {"a": 1}, 10**18, "\0", [[1]]]


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_values_of_any_kind_in_any_table_are_told_and_raise_nothing_else(
    exported: Set, value
) -> None:
    for file in (exported.rows, exported.frames):
        content = file.read_bytes()
        for column in parquet.read_schema(file).names:
            if column.startswith("stats/"):
                continue
            with contextlib.suppress(pa.ArrowException, OverflowError):
                exported.edit(file, put(column, value))
            with contextlib.suppress(UserError):
                for source in find_sources(exported.folder).episodes[:2]:
                    assert isinstance(source.stamp, str) and isinstance(source.name, str)
                    with contextlib.suppress(EpisodeError):
                        assert len(source.read()) == FRAMES
            file.write_bytes(content)


@pytest.mark.parametrize("meta", [None, [], "absent"])
def test_the_text_of_an_episode_is_the_task_of_its_frames(exported: Set, meta) -> None:
    def forget(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if meta == "absent":
                del row["tasks"]
            elif row["episode_index"] > 0:
                row["tasks"] = meta

    exported.edit(exported.rows, forget)
    assert exported.bring().findings == []
    assert exported.texts() == [TEXTS[0], TEXTS[1], TEXTS[0], TEXTS[1]]


def test_older_tables_of_tasks_and_none_at_all(exported: Set) -> None:
    def forget(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            del row["tasks"]

    (exported.folder / "meta" / "tasks.parquet").unlink()
    assert codes(exported.bring()) == {"": "no_task_table"}
    exported.edit(exported.rows, forget)
    assert codes(exported.bring()) == {"": "no_instruction_in_set"}
    lines = [{"task_index": i, "task": text} for i, text in enumerate(TEXTS)]
    older = exported.folder / "meta" / "tasks.jsonl"
    older.write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    (exported.folder.parent / "data" / "import.jsonl").unlink()
    assert codes(exported.bring()) == {}
    assert exported.texts() == [TEXTS[0], TEXTS[1], TEXTS[0], TEXTS[1]]
    older.write_text('{"task": "go"}\n')
    with pytest.raises(UserError, match=r"tasks.jsonl cannot be read"):
        exported.bring()


def test_a_finding_on_the_whole_set_is_no_episode_left_out(exported: Set) -> None:
    (exported.folder / "meta" / "tasks.parquet").unlink()
    exported.frames.write_bytes(exported.frames.read_bytes()[:-8])
    sentence = r"No sound episode was found and 4 were left out, for example the data set \w"
    with pytest.raises(UserError, match=sentence):
        exported.bring()


def test_an_instruction_for_a_set_that_has_none(exported: Set) -> None:
    (exported.folder / "meta" / "tasks.parquet").unlink()
    exported.edit(exported.rows, lambda rows: [row.pop("tasks") for row in rows] and None)
    assert codes(exported.bring(instruction="keep going")) == {"": "no_task_table"}
    assert set(exported.texts()) == {"keep going"}


def shift(name: str, seconds: float, *episodes: int) -> Edit:
    def change(rows: list[dict[str, Any]]) -> None:
        for index in episodes:
            if name in rows[index]:
                rows[index][name] += seconds

    return change


START, END = f"videos/{CAMERA}/from_timestamp", f"videos/{CAMERA}/to_timestamp"
STEP = 0.4


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([shift(START, STEP, 1, 2)], {"1": "video_span", "2": "video_span"}),
        ([shift(END, STEP, 3)], {"3": "video_span"}),
        ([shift(END, -2 * STEP, 0)], {"0": "video_span"}),
        ([shift(START, -FRAMES * STEP, 2), shift(END, -FRAMES * STEP, 2)],
            {"1": "video_spans_overlap", "2": "video_spans_overlap"}),
        ([shift(START, -STEP, 3), shift(END, -STEP, 3)],
            {"2": "video_spans_overlap", "3": "video_spans_overlap"}),
        ([shift("dataset_to_index", 1, 1)], {"1": "index_span"}),
        ([shift("dataset_from_index", -2, 2)], {"2": "index_span"}),
        ([shift(START, 0.1, 0, 1, 2, 3), shift(END, 0.1, 0, 1, 2, 3)], {}),
    ],
)  # fmt: skip
def test_spans_of_episodes(exported: Set, changes, expected) -> None:
    video = json.loads(exported.info.read_text())["video_path"]
    if not video:
        expected = {k: v for k, v in expected.items() if v == "index_span"}
    for change in changes:
        exported.edit(exported.rows, change)
    assert codes(exported.bring()) == expected


def test_frames_in_another_file_than_meta_says(exported: Set) -> None:
    rows = parquet.read_table(exported.frames)
    parquet.write_table(rows.slice(0, 3 * FRAMES), exported.frames)
    parquet.write_table(rows.slice(3 * FRAMES), exported.frames.with_name("file-001.parquet"))
    imported = exported.bring()
    assert codes(imported) == {"3": "stale_file"}
    assert "file-001, not in file-000" in imported.findings[0].what


def test_placeholders_of_large_files_are_named(exported: Set) -> None:
    video = sorted(exported.folder.glob("videos/**/*.mp4"))
    file = video[0] if video else exported.frames
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:11\nsize 9\n")
    with pytest.raises(UserError, match="git lfs pull"):
        exported.bring()


def test_the_name_of_the_folder_says_nothing_of_an_episode(exported: Set, tmp_path: Path) -> None:
    exported.edit(exported.rows, lambda rows: [row.pop("mobile_vla_id") for row in rows] and None)
    names = set()
    for name in ("nav_right_camera", "nav_left_camera", "왼쪽 방", "nav"):
        exported.folder = exported.folder.rename(tmp_path / name)
        sources = find_sources(exported.folder)
        result = import_episodes(
            sources, tmp_path / f"data of {len(names)}", seed=1, size=8, cache_dir=tmp_path
        )
        assert result.findings == []
        assert result.manifest.counts() == {"left": 2, "right": 2}
        names |= {source.name for source in sources.episodes}
    assert len(names) == 16, "sets of one folder do not take each other's names"


def test_pictures_by_path(exported: Set) -> None:
    if json.loads(exported.info.read_text())["video_path"]:
        pytest.skip("of pictures in tables")
    pictures = exported.folder / "images"
    pictures.mkdir()

    def move(rows: list[dict[str, Any]]) -> None:
        for index, row in enumerate(rows):
            (pictures / f"{index}.png").write_bytes(row[CAMERA]["bytes"])
            row[CAMERA] = {"bytes": None, "path": f"images/{index}.png"}
        rows[FRAMES][CAMERA]["path"] = "images/gone.png"
        rows[2 * FRAMES][CAMERA]["path"] = str(pictures / "0.png")
        rows[3 * FRAMES][CAMERA]["path"] = "../set/images/0.png"

    exported.edit(exported.frames, move)
    assert codes(exported.bring()) == {
        "1": "image_without_bytes", "2": "path_outside", "3": "path_outside",
    }  # fmt: skip


@pytest.mark.parametrize(
    "template",
    [
        "data/{chunk_index:3000000000d}/{file_index}.parquet",
        "data/{chunk_index:>9999d}.parquet",
        "data/{chunk_index:0500d}.parquet",
        "data/{chunk_index.__class__}.parquet",
        "data/{chunk_index!r}.parquet",
        "data/{0}.parquet",
        "data/{episode_index}.parquet",
        "data/{chunk_index:{file_index}}.parquet",
        "data/{chunk_index",
    ],
)
def test_templates_of_paths_hold_what_lerobot_writes_and_no_more(exported: Set, template) -> None:
    exported.edit_info(data_path=template)
    with pytest.raises(UserError, match="does not describe a LeRobotDataset"):
        find_sources(exported.folder)
    with pytest.raises((ValueError, TypeError)):
        check_template(template)


@pytest.mark.parametrize("key", ["data_path", "video_path"])
@pytest.mark.parametrize("template", ["/etc/{chunk_index:03d}", "../{video_key}/{file_index:03d}"])
def test_templates_of_paths_stay_in_the_data_set(exported: Set, key, template) -> None:
    if key == "video_path" and not json.loads(exported.info.read_text())["video_path"]:
        pytest.skip("there is no video")
    exported.edit_info(**{key: template})
    with pytest.raises(UserError, match="outside its folder"):
        exported.bring()


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (["linear_velocity", "angular_velocity", "lamp"], (0, None, 1)),
        (["angular.z", "linear.x", "arm"], (1, None, 0)),
        (["vx", "vy", "wz"], (0, 1, 2)),
        ({"motors": ["linear_x", "linear_y", "angular_z"]}, (0, 1, 2)),
    ],
)
def test_names_of_action_columns(exported: Set, names, columns) -> None:
    features = json.loads(exported.info.read_text())["features"]
    features["action"]["names"] = names
    exported.edit_info(features=features)
    source = find_sources(exported.folder).episodes[0]
    raw = np.array(parquet.read_table(exported.frames)["action"].to_pylist()[:FRAMES], np.float32)
    expected = [np.zeros(FRAMES) if c is None else raw[:, c] for c in columns]
    np.testing.assert_array_equal(source.read().actions, np.stack(expected, axis=1))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"codebase_version": "v2.1", "data_path": "{episode_chunk:03d}.parquet"}, "v21_to_v30"),
        ({"codebase_version": "v2.0", "video_path": "{episode_index}.mp4"}, "v2.0, and v3.0"),
        ({"storage_format": "lance"}, "storage_format 'lance'"),
        ({"storage_format": "zarr"}, "parquet is read"),
        ({"fps": 1e30}, "fps"),
        ({"fps": 0}, "fps"),
        ({"fps": "ten"}, "does not describe"),
        (
            {"features": {"action": {"names": ["angular_velocity"]}, "c": {"dtype": "image"}}},
            "x.vel",
        ),
    ],
)
def test_other_layouts_are_named(exported: Set, changes, says) -> None:
    exported.edit_info(**changes)
    with pytest.raises(UserError, match=says):
        find_sources(exported.folder)
    exported.edit_info(storage_format="parquet")
