"""Find a study, read and check it, and resolve one case for one profile and attempt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec

from mobile_vla.messages.errors import Faults, UserError, reason_of
from mobile_vla.runs.outside_files import read_regular
from mobile_vla.study.factors import ELSEWHERE, FACTORS, QUESTIONS, RECIPE, is_factor
from mobile_vla.study.models import (
    ACTIONS,
    Case,
    Counts,
    InitialSource,
    Profile,
    Question,
    Recipe,
    ResolvedCase,
    Study,
    WeightSource,
)
from mobile_vla.study.strict_yaml import convert, nearest, read_yaml

DEFAULT_STUDY = "left_right"
DEFAULT_PROFILE = "laptop"
CHOSEN_STUDY = Path(".mvla-study")
"""The file in which `mvla study use` keeps the default study of a folder."""


def default_study() -> str:
    """The study that is meant where none is named.

    That of `mvla study use` in this folder, else `study.yaml` here, else the lab's.

    Raises:
        UserError: the choice cannot be read, or the study that it names is gone.
    """
    chosen = _chosen()
    if chosen:
        try:
            if find_study(chosen).is_file():
                return chosen
        except UserError:
            pass
        raise UserError(
            f"{CHOSEN_STUDY} in this folder chooses the study {chosen}, which is not there: choose "
            "another with `mvla study use`, or remove that file."
        )
    return "study.yaml" if Path("study.yaml").is_file() else DEFAULT_STUDY


def _chosen() -> str:
    """What `mvla study use` kept here; empty where it kept nothing."""
    try:
        return read_regular(CHOSEN_STUDY, 4096).decode().strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{CHOSEN_STUDY} in this folder cannot be read ({reason_of(error)}): remove it, or "
            "choose a study with `mvla study use`."
        ) from error


def find_study(name: str | None = None) -> Path:
    """Path of a study by file path, folder, or name (`./studies`, then those shipped).

    Raises:
        UserError: there is no such study; the message lists the studies.
    """
    name = name or default_study()
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return path
    folders = [Path("studies"), *shipped_studies()]
    for candidate in (path / "study.yaml", *(folder / name / "study.yaml" for folder in folders)):
        if candidate.is_file():
            return candidate
    studies = sorted(
        {study_file.parent.name for folder in folders for study_file in folder.glob("*/study.yaml")}
    )
    raise UserError(f"There is no study {name}: {nearest(name, studies)}")


def shipped_studies() -> list[Path]:
    """Folders of the studies that come with the package (installed, or a checkout's)."""
    package = Path(__file__).resolve().parents[1]
    return [package / "studies", package.parents[1] / "studies"]


def load_study(path: Path) -> Study:
    """Read and check a study file, every recipe in it included.

    Raises:
        UserError: the first wrong key of the study, or else every name that does not fit and the
            first wrong key of each recipe.
    """
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no keys: a study starts with `study: NAME`.")
    study = convert(content, Study, path)
    faults = Faults()
    faults.sentences += [f"{path}: {fault}" for fault in _faults(study)]
    for where, recipe in _recipes(study):  # merged, what fits alone fits too
        faults.of(convert, recipe, Recipe, path, where)
    faults.refuse()
    return study


def resolve(study: Study, case: Case, profile_name: str, attempt: int, path: Path) -> ResolvedCase:
    """The case as run number `attempt` (from 0) trains it with a profile's weights and counts."""
    profile = profile_of(study, profile_name, path)
    change = case.attempts[min(attempt, len(case.attempts) - 1)]
    recipe = _recipe(study, profile, case, path)
    if change.seed is not None:
        recipe = msgspec.structs.replace(recipe, seed=change.seed)
    init = None
    if case.init is not None:
        path_of_init = change.init_path or profile.inits.get(case.init)
        init = InitialSource(name=case.init, path=path_of_init, may_miss=case.may_miss)
    return ResolvedCase(
        study=study.study,
        profile=profile_name,
        case=case.name,
        label=case.label,
        role=case.role,
        attempt=attempt,
        note=change.note,
        vlm=WeightSource(name=case.vlm, path=profile.vlms.get(case.vlm)),
        init=init,
        data=case_counts(case, profile),
        train_data=study.data.train,
        evaluation_data=study.data.evaluation,
        robot=study.robot,
        recipe=recipe,
        record=profile.record,
        devices=profile.devices,
        nodes=profile.nodes,
    )


def case_counts(case: Case, profile: Profile) -> Counts:
    """Episodes by direction after the profile's share."""
    return case.data.scaled(profile.episodes)


def case_of(study: Study, name: str, path: Path) -> Case:
    """The case with this name or label.

    Raises:
        UserError: there is none; the message names the nearest.
    """
    case = study.case(name)
    if case is None:
        names = [c.name for c in study.cases] + [c.label for c in study.cases if c.label]
        raise UserError(f"{path} has no case {name!r}: {nearest(name, names)}")
    return case


def profile_of(study: Study, name: str, path: Path) -> Profile:
    """The profile with this name.

    Raises:
        UserError: there is none; the message names the nearest.
    """
    if name not in study.profiles:
        raise UserError(f"{path} has no profile {name!r}: {nearest(name, list(study.profiles))}")
    return study.profiles[name]


def _recipe(study: Study, profile: Profile, case: Case, path: Path) -> Recipe:
    """Base, then profile, then case; nested mappings are merged key by key."""
    merged: dict[str, object] = {}
    for layer in (study.base, profile.recipe, case.recipe):
        merged = _merge(merged, layer)
    recipe = convert(merged, Recipe, path, where=f"recipe of {case.name}: ")
    if recipe.action_dim > len(study.robot.action):
        raise UserError(
            f"{path}: the recipe of {case.name} trains {recipe.action_dim} action dimensions, but "
            f"the robot has {len(study.robot.action)}: lower action_dim, or name more in "
            "robot.action."
        )
    epochs = max(1, round(recipe.epochs * case.epochs_share))
    return msgspec.structs.replace(recipe, epochs=epochs)


def _recipes(study: Study) -> Iterator[tuple[str, dict[str, object]]]:
    yield "base: ", study.base
    for name, profile in study.profiles.items():
        yield f"recipe of profile {name}: ", profile.recipe
    for case in study.cases:
        yield f"recipe of {case.name}: ", case.recipe


def _merge(below: dict[str, object], above: dict[str, object]) -> dict[str, object]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _faults(study: Study) -> Iterator[str]:
    """What is wrong with the names in a study, each in a sentence."""
    if study.robot.action not in ACTIONS:
        choices = "; ".join(", ".join(action) for action in ACTIONS)
        yield f"robot.action is [{', '.join(study.robot.action)}]: use one of {choices}."
    names = [case.name for case in study.cases]
    labels = [case.label for case in study.cases if case.label]
    for name, times in Counter(names + labels).items():
        if times > 1:
            yield f"two cases are called {name!r}: give one another name."
    for case in study.cases:
        yield from _weight_faults(study, case)
        for needed in case.after:
            if needed not in names:
                yield (
                    f"{case.name} comes after {needed!r}, which is no case: "
                    f"{nearest(needed, names)}"
                )
    for name in study.nuisance:
        if not is_factor(name):
            yield f"nuisance {name!r} is no factor: {nearest(name, [*FACTORS, *RECIPE])}"
    cycles = (_cycle(study, case) for case in study.cases)
    yield from islice(filter(None, cycles), 1)  # every case of a cycle has the same cycle
    for question in study.questions:
        yield from _factor_faults(question)
        for name in (*question.pair, *(question.fair_pair or ())):
            if name not in names:
                yield (
                    f"question {question.name} names {name!r}, which is no case: "
                    f"{nearest(name, names)}"
                )


def _factor_faults(question: Question) -> Iterator[str]:
    if question.factor in QUESTIONS:
        return
    meant = ELSEWHERE.get(question.factor)
    hint = f"use {meant}." if meant else nearest(question.factor, list(QUESTIONS))
    yield (
        f"question {question.name} asks of {question.factor!r}, which is no factor that a study "
        f"varies by itself: {hint}"
    )


def _weight_faults(study: Study, case: Case) -> Iterator[str]:
    if case.may_miss and case.init is None:
        yield (
            f"{case.name} says what its initial checkpoint may miss but has none: "
            "name one under `init`, or take `may_miss` out."
        )
    for name, profile in study.profiles.items():
        if case.vlm not in profile.vlms:
            yield (
                f"profile {name} has no VLM {case.vlm!r} for {case.name}: "
                f"{nearest(case.vlm, list(profile.vlms))}"
            )
        if case.init is not None and case.init not in profile.inits:
            yield (
                f"profile {name} has no initial weights {case.init!r} for {case.name}: "
                f"{nearest(case.init, list(profile.inits))}"
            )


def _cycle(study: Study, case: Case) -> str | None:
    """How a case comes after itself; None where it does not."""
    after = {other.name: other.after for other in study.cases}
    visited: list[str] = [case.name]
    waiting = list(case.after)
    while waiting:
        name = waiting.pop()
        if name == case.name:
            through = " after ".join(visited)
            return f"{case.name} comes after itself, through {through}: take one `after` out."
        if name not in visited:
            visited.append(name)
            waiting.extend(after.get(name, ()))
    return None
