"""Whatever is wrong with a study is said with its line and the nearest thing that is right."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mobile_vla.messages.errors import UserError
from mobile_vla.study.load_study import load_study
from mobile_vla.study.strict_yaml import read_yaml
from mobile_vla.study.yaml_text import dump_yaml, load_yaml
from small_lab import STUDY

Place = tuple[str | int, ...]
PLACES: list[Place] = [
    (),
    ("title",),
    ("robot",),
    ("data",),
    ("base",),
    ("base", "lora"),
    ("base", "head"),
    ("profiles", "laptop"),
    ("profiles", "laptop", "evaluation"),
    ("cases", 0),
    ("cases", 0, "data"),
    ("cases", 1, "attempts", 0),
]


def content() -> Any:
    return load_yaml(STUDY)


def at(study: Any, place: Place) -> Any:
    for key in place:
        study = study[key]
    return study


def put(folder: Path, study: Any) -> Path:
    path = folder / "study.yaml"
    path.write_bytes(dump_yaml(study))
    return path


def complaint(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        load_study(path)
    said = str(caught.value)
    assert said.startswith(str(path)), said
    assert "\n" not in said
    assert caught.value.exit_code == 2
    return said


def test_the_study_itself_is_sound(tmp_path: Path) -> None:
    assert len(load_study(put(tmp_path, content())).cases) == 4


@given(data=st.data())
def test_a_misspelt_key_is_named_with_the_right_one_and_its_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    study = content()
    place = data.draw(st.sampled_from(PLACES))
    mapping = at(study, place)
    key = data.draw(st.sampled_from([k for k in mapping if len(k) > 3] or ["left"]))
    assume(key in mapping)
    spot = data.draw(st.integers(1, len(key) - 2))
    wrong = key[:spot] + "zq" + key[spot + 1 :]
    items = [(wrong if k == key else k, v) for k, v in mapping.items()]
    mapping.clear()
    mapping.update(items)
    path = put(tmp_path_factory.mktemp("typo"), study)
    said = complaint(path)
    if f"unknown key `{wrong}`" not in said:  # a required key's absence may be found first
        assert f"missing required field `{key}`" in said
        return
    assert f"did you mean `{key}`?" in said
    line = int(said.removeprefix(f"{path}:").split(":")[0])
    assert f"{wrong}:" in path.read_text().splitlines()[line - 1]


@given(
    place=st.sampled_from(PLACES),
    key=st.from_regex(r"[a-z]{3,12}", fullmatch=True),
)
def test_any_further_key_is_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, place: Place, key: str
) -> None:
    study = content()
    known = {"label", "role", "epochs_share", "attempts", "after", "note", "init", "recipe", "seed",
             "nuisance", "questions", "episodes", "straight", "right", "window", "layers", "kind",
             "parts", "precision", "action_dim", "warmup_steps", "clip_norm", "weight_decay",
             "huber_delta", "first_action_weight"}  # fmt: skip
    assume(key not in at(study, place) and key not in known)
    at(study, place)[key] = 1
    assert f"unknown key `{key}`" in complaint(put(tmp_path_factory.mktemp("more"), study))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("window: 8", "window: eight", "Expected `int`, got `str`"),
        ("window: 8", "window: 0", "Expected `int` >= 1"),
        ("seed: 1", "seed: -1", "Expected `int` >= 0"),
        ("learning_rate: 3e-3", "learning_rate: 0", "> 0"),
        ("learning_rate: 3e-3", 'learning_rate: "3e-3"', "Expected `float`, got `str`"),
        ("dropout: 0.1", "dropout: 1.0", "< 1"),
        ("step: 0.4", "step: 0", "> 0"),
        ("rollout_scenes: 2", "rollout_scenes: -1", ">= 0"),
        ("rollout_scenes: 2", "rollout_scenes: 2\n    devices: 0", "Expected `int` >= 1"),
        ("rollout_scenes: 2", "rollout_scenes: 2\n    nodes: 0", "Expected `int` >= 1"),
        ("name: left_10", "name: ../left", "matching regex"),
        ("data: {left: 10}}", "data: {left: -3}}", ">= 0"),
        ("  - {name: left_10, label: Case 1,", "  - {name: left_10, role: judge,", "Invalid enum"),
        ("cases:", "cases: 3\nmore:", ""),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in STUDY
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.replace(old, new, 1))
    assert said in complaint(path)


def test_a_wrong_value_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.replace("accumulate: 2", "accumulate: none"))
    lines = path.read_text().splitlines()
    line = 1 + next(i for i, text in enumerate(lines) if "accumulate" in text)
    assert complaint(path).startswith(f"{path}:{line}: ")


def test_a_key_that_stands_twice_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.replace("window: 8", "window: 8\n  window: 9"))
    said = complaint(path)
    assert "the key 'window' stands twice" in said
    assert said.split(":")[2] == "3"
    assert path.read_text().splitlines()[int(said.split(":")[1]) - 1].strip() == "window: 9"


@pytest.mark.parametrize("names", [("left_10", None), ("new", "Case 1"), ("new", "left_10")])
def test_two_cases_of_one_name(tmp_path: Path, names: tuple[str, str | None]) -> None:
    """A label counts as a name: either may be typed."""
    study = content()
    again = copy.deepcopy(study["cases"][2])
    again["name"], again["label"] = names
    study["cases"].append(again)
    assert "two cases are called" in complaint(put(tmp_path, study))


@pytest.mark.parametrize("circle", [1, 2, 3])
def test_cases_that_wait_for_each_other(tmp_path: Path, circle: int) -> None:
    study = content()
    for index in range(circle):
        case = study["cases"][index]
        case["after"] = [study["cases"][(index + 1) % circle]["name"]]
    said = complaint(put(tmp_path, study))
    assert "comes after itself" in said
    assert "take one `after` out" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"after": ["left_1O"]}, "which is no case: did you mean `left_10`?"),
        ({"vlm": "tinny"}, "has no VLM 'tinny' for both_20: did you mean `tiny`?"),
        ({"init": "robott"}, "no initial weights 'robott' for both_20: did you mean `robot`?"),
        (
            {"recipe": {"windw": 4}},
            "recipe of both_20: unknown key `windw`: did you mean `win",
        ),
        ({"recipe": {"lora": {"rank": 4}}}, "unknown key `rank`"),
    ],
)
def test_what_a_case_names_must_be_there(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    study = content()
    study["cases"][2].update(change)
    assert said in complaint(put(tmp_path, study))


def test_a_question_about_no_case(tmp_path: Path) -> None:
    study = content()
    study["questions"] = [
        {"name": "amount", "title": {"en": "a", "ko": "b"}, "factor": "data_amount",
         "pair": ["left_10", "both_2"]}
    ]  # fmt: skip
    said = complaint(put(tmp_path, study))
    assert "question amount names 'both_2', which is no case: did you mean `both_20`?" in said


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "holds no keys"),
        (b"[]", "holds no keys"),
        (b"study: [\n", "not valid YAML"),
        (b"study: \xff\xfe", "is not UTF-8 at byte 7"),
        (b"study: a\n\tb: c", "not valid YAML"),
        (b"a: !!python/object/apply:os.system ['true']", ""),
    ],
)
def test_what_is_no_study_at_all(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(data)
    assert said in complaint(path)


@given(st.binary(max_size=80))
def test_no_bytes_bring_the_reader_down(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("bytes") / "study.yaml"
    path.write_bytes(data)
    try:
        read_yaml(path)
    except UserError as error:
        assert str(path) in str(error)


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    put(tmp_path, content())
    told = r"There is no file .*studdy.yaml.*nearest that exists is .*study.yaml"
    with pytest.raises(UserError, match=told):
        load_study(tmp_path / "studdy.yaml")
    with pytest.raises(UserError, match="is a folder"):
        load_study(tmp_path)


def test_models_are_frozen(tmp_path: Path) -> None:
    study = load_study(put(tmp_path, content()))
    with pytest.raises(AttributeError):
        study.cases[0].name = "other"  # type: ignore[misc]
    assert msgspec.convert(msgspec.to_builtins(study), type(study)) == study
