"""`mvla study new`: a first study from a folder of episodes, which trains as it stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mobile_vla.cli.main import main
from mobile_vla.episodes.draft_study import draft, read_recordings
from mobile_vla.evidence.run_factors import planned_factors
from mobile_vla.simulator.simulate import simulate_dataset
from mobile_vla.study.load_study import case_of, load_study, resolve


def record(folder: Path, left: int, right: int) -> Path:
    simulate_dataset(folder, left=left, right=right, seed=1, image_size=(32, 32), split=True)
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_study_plans_what_the_folder_holds(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = record(folder / "workspace/data/mine", 12, 31)
    assert main(["study", "new", "mine", "--data", str(data), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["episodes"] == {"left": 12, "right": 31}
    assert answer["remarks"] == [
        "angular_z never moves in any episode.", "The directions are uneven: left: 12, right: 31.",
    ]  # fmt: skip
    path = folder / "studies/mine/study.yaml"
    study = load_study(path)
    assert study.robot.action == ("linear_x", "linear_y")
    assert (study.robot.step, study.robot.full_speed) == (0.4, 1.15)
    assert (study.data.train, study.data.evaluation) == ("mine", "mine_eval")
    for profile in ("laptop", "full"):
        factors = [
            planned_factors(resolve(study, case_of(study, name, path), profile, 0, path))
            for name in ("all_data", "half_data")
        ]
        moved = {name for name in factors[0] if factors[0][name] != factors[1][name]}
        assert moved == {"data_amount", "epochs"}, profile


def test_few_episodes_make_one_case_and_no_question(folder: Path) -> None:
    data = record(folder / "few", 3, 12)
    assert main(["study", "new", "few", "--data", str(data), "--evaluation", "held_out"]) == 0
    study = load_study(folder / "studies/few/study.yaml")
    assert [case.data.by_direction() for case in study.cases] == [{"left": 3, "right": 12}]
    assert (study.questions, study.data.evaluation) == ((), "held_out")


def test_names_that_yaml_would_read_as_numbers_or_words(folder: Path) -> None:
    data = record(folder / "20261105", 2, 2)
    assert main(["study", "new", "1e3", "--data", str(data), "--evaluation", "null"]) == 0
    study = load_study(folder / "studies/1e3/study.yaml")
    assert (study.study, study.title.en) == ("1e3", "1e3")
    assert (study.data.train, study.data.evaluation) == ("20261105", "null")


def test_a_robot_that_turns_gets_a_turning_speed(folder: Path) -> None:
    recordings = read_recordings(record(folder / "few", 2, 2))
    for episode in recordings.episodes:
        episode.actions[:, 1], episode.actions[:, 2] = 0, -0.702
    text = draft("turner", recordings)
    assert (
        "robot: {action: [linear_x, angular_z], step: 0.4, full_speed: 1.15, full_turn: 0.71}"
        in text
    )
    assert "# linear_y never moves in any episode." in text


def test_nothing_is_replaced_or_half_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = record(folder / "few", 2, 2)
    path = folder / "studies/few/study.yaml"
    assert main(["study", "new", "few", "--data", str(data), "--evaluation", "a b"]) == 2
    assert list(folder.rglob("*study.yaml*")) == []
    assert main(["study", "new", "few", "--data", str(data)]) == 0
    before = path.read_bytes()
    assert main(["study", "new", "few", "--data", str(data)]) == 2
    assert "exists: give another name" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert main(["study", "new", "../out", "--data", str(data)]) == 2
    assert main(["study", "new", "none", "--data", str(folder / "nowhere")]) == 2
    assert not (folder / "out").exists()
    assert not (folder / "studies/none").exists()


def test_a_folder_without_a_usable_episode_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "bad").mkdir()
    (folder / "bad/episode.h5").write_bytes(b"no HDF5")
    assert main(["study", "new", "bad", "--data", "bad"]) == 2
    assert "None of the 1 files of bad is a usable episode" in capsys.readouterr().err
