"""A case resolved: base, profile and case merged, counts scaled, one attempt applied."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.cli.main import main
from mobile_vla.messages.errors import UserError
from mobile_vla.study.case_file import read_case, write_case
from mobile_vla.study.factors import QUESTIONS, is_factor
from mobile_vla.study.load_study import case_of, find_study, load_study, profile_of, resolve
from mobile_vla.study.models import Counts, Study
from run_folders import Maker
from small_lab import STUDY


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "study.yaml").write_text(STUDY)
    return tmp_path / "study.yaml"


def changed(path: Path, old: str, new: str) -> Study:
    assert old in STUDY
    path.write_text(STUDY.replace(old, new))
    return load_study(path)


def test_case_over_profile_over_base(path: Path) -> None:
    changed(path, "label: Case 3,", "label: Case 3, recipe: {window: 3, lora: {r: 2}},")
    path.write_text(
        path.read_text().replace(
            "rollout_scenes: 2",
            "rollout_scenes: 2\n    recipe: {window: 5, chunk: 6, lora: {r: 8}}",
        )
    )
    study = load_study(path)
    found = resolve(study, case_of(study, "Case 3", path), "laptop", 0, path).recipe
    assert (found.window, found.chunk, found.lora.r) == (3, 6, 2)
    assert (found.lora.alpha, found.lora.dropout, found.head.hidden) == (8, 0.1, 16)


def asking(path: Path, factor: str) -> Study:
    title = "title: {en: effect, ko: 효과}"
    pair = "pair: [both_20, both_20]"
    path.write_text(f"{STUDY}questions:\n  - {{name: q, {title}, factor: {factor}, {pair}}}\n")
    return load_study(path)


@pytest.mark.parametrize("factor", QUESTIONS)
def test_a_question_may_ask_of_any_factor_that_a_study_varies(path: Path, factor: str) -> None:
    study = asking(path, factor)
    assert study.questions[0].factor == factor


@pytest.mark.parametrize(
    ("factor", "hint"),
    [
        ("recipe.lora.rank", "recipe.lora.r"),
        ("recipe.lora", "recipe.lora"),
        ("recipe.seed", "use seed"),
        ("recipe.epochs", "use optimiser_steps"),
        ("validation_set", ""),
        ("ballance", ""),
    ],
)
def test_a_question_of_no_factor_is_refused_with_a_name_that_is_one(
    path: Path, factor: str, hint: str
) -> None:
    with pytest.raises(UserError, match=f"asks of '{factor}', which is no factor.*{hint}"):
        asking(path, factor)


def test_an_attempt_changes_its_path_and_seed_and_the_last_one_stays(path: Path) -> None:
    study = changed(
        path,
        "attempts: [{init_path: wieghts/robto.pt}]",
        "attempts: [{init_path: no.pt, note: first}, {seed: 9}]",
    )
    case = case_of(study, "Case 2", path)
    tries = [resolve(study, case, "laptop", attempt, path) for attempt in range(3)]
    paths = [t.init.path for t in tries if t.init]
    assert paths == ["no.pt", "weights/robot.pt", "weights/robot.pt"]
    assert [t.recipe.seed for t in tries] == [1, 9, 9]
    assert [t.attempt for t in tries] == [0, 1, 2]
    assert tries[0].note == "first"


def test_what_a_checkpoint_may_miss_needs_a_checkpoint(path: Path) -> None:
    study = changed(path, "    init: robot\n", "    init: robot\n    may_miss: [text, a.*]\n")
    init = resolve(study, case_of(study, "Case 2", path), "laptop", 0, path).init
    assert init is not None and init.may_miss == ("text", "a.*")
    with pytest.raises(UserError, match="left_10 says what its initial checkpoint may miss but"):
        changed(path, "label: Case 1,", "label: Case 1, may_miss: [text],")


def test_epochs_are_shared_and_never_none(path: Path) -> None:
    study = changed(path, "label: Case 1,", "label: Case 1, epochs_share: 0.1,")
    assert resolve(study, case_of(study, "left_10", path), "laptop", 0, path).recipe.epochs == 1


@given(
    st.integers(0, 500), st.integers(0, 500), st.integers(0, 500),
    st.floats(0.001, 1.0, exclude_min=True),
)  # fmt: skip
def test_scaled_counts_keep_every_direction(
    left: int, right: int, straight: int, share: float
) -> None:
    counts = Counts(left=left, right=right, straight=straight)
    scaled = counts.scaled(share)
    assert scaled.by_direction().keys() == counts.by_direction().keys()
    for direction, count in counts.by_direction().items():
        assert abs(scaled.by_direction()[direction] - count * share) <= 1
    assert counts.scaled(1.0) == counts
    assert counts.total == left + right + straight


def test_names_are_helped(path: Path) -> None:
    study = load_study(path)
    with pytest.raises(UserError, match=r"no case 'Case 4': did you mean `Case [123]`"):
        case_of(study, "Case 4", path)
    with pytest.raises(UserError, match=r"no profile 'laptp': did you mean `laptop`"):
        profile_of(study, "laptp", path)
    with pytest.raises(UserError, match=r"no study left_rigth: did you mean `left_right`"):
        find_study("left_rigth")


def test_a_study_is_found_by_file_folder_or_name(path: Path) -> None:
    assert find_study(str(path)) == path
    assert find_study(str(path.parent)) == path
    assert load_study(find_study("left_right")).study == "left_right"


@pytest.mark.parametrize("name", ["left_10", "robovlms_10", "both_20"])
def test_a_resolved_case_is_read_back_whole(path: Path, tmp_path: Path, name: str) -> None:
    study = load_study(path)
    case = resolve(study, case_of(study, name, path), "laptop", 0, path)
    write_case(tmp_path / "case.yaml", case)
    assert read_case(tmp_path / "case.yaml") == case
    (tmp_path / "case.yaml").write_text("study: 3")
    with pytest.raises(UserError, match="is no resolved case"):
        read_case(tmp_path / "case.yaml")
    with pytest.raises(UserError, match="cannot be read"):
        read_case(tmp_path / "none.yaml")


def test_all_that_is_wrong_with_a_study_is_said_and_a_line_each(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = STUDY
    for old, new in (
        ("label: Case 1,", "label: Case 1, after: [left_01],"),
        ("label: Case 3", "recipe: {lora: {rank: 4}}, label: Case 1"),
        ("init: robot\n", "init: r\n"),
        ("  epochs: 3", "  epohs: 3"),
    ):
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    assert main(["plan", "--study", str(path)]) == 2
    parts = (
        "two cases are called 'Case 1'",
        "'left_01', which is no case",
        "initial weights 'r'",
        "base: unknown key `epohs`: did you mean `epochs`?",
        "recipe of both_20: unknown key `rank`",
    )
    said = capsys.readouterr().err.splitlines()
    assert len(said) == len(parts)
    for part in parts:
        (fault,) = [line for line in said if part in line]
        assert fault.startswith(f"mvla: {path}:")


def test_a_misspelt_nuisance_is_refused_when_the_study_is_read(path: Path) -> None:
    with pytest.raises(UserError, match="nuisance 'hots' is no factor: did you mean `host`"):
        changed(path, "\nrobot:", "\nnuisance: [note, hots]\nrobot:")
    changed(path, "\nrobot:", "\nnuisance: [recipe.lora, setting.any_thing]\nrobot:")


def test_every_factor_of_a_run_can_be_declared_a_nuisance(whole_study: Maker) -> None:
    names = {name for run in whole_study.book().runs() for name in run.factors}
    assert {"data_amount", "recipe.lora.r"} <= names
    assert not [name for name in names if not is_factor(name)]
