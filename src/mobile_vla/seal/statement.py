"""The statement of a run: an in-toto Statement v1 with the run's files and figures.

Subjects are the files of the run folder with their sha256. The predicate says which case was
trained, by what code, on which episodes, from which weights, and lists the table of facts.
Source: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from mobile_vla.evidence.model import RunView, State
from mobile_vla.evidence.run_facts import run_table
from mobile_vla.evidence.run_view import view_run
from mobile_vla.evidence.verify_files import verify_files
from mobile_vla.messages.catalogue import sentence
from mobile_vla.messages.errors import UserError, reason_of
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.runs.files import PART, text_name
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.outside_files import open_regular

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:mobile-vla:run:v1"
SEAL = "seal.json"
WEIGHTS = ("vlm", "initial_weights", "weights_as_loaded")
SEALED_STATES = ("finished", "failed", "killed")
LEFT_BEHIND = re.compile(rf"\.reserve|\..+\.(lock|lock\.holder|old)|{PART.pattern}")
"""Names of files that this program itself may leave in a folder, and that hold no result."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the run folder, by its path there."""

    name: str
    digest: dict[str, str]


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A number or word of the table of facts, with the file and place that it is read from.

    `digits`: as the file writes it; `step`: the worth of the last of them, 0 where it is exact.
    """

    quantity: str
    value: float | str
    unit: str
    qualifier: str
    split: str
    group: str
    epoch: int | None
    trials: int
    file: str
    where: str
    digits: str = ""
    step: float = 0.0


class RunPredicate(msgspec.Struct, frozen=True, kw_only=True):
    """What the statement says of the run.

    `identity`: sha256 of the first line of its events, which no other run has. `links`: symbolic
    links of the folder and where they lead.
    """

    run: str
    identity: str
    sealed: datetime
    started: datetime | None
    case: str
    state: State
    why: str
    code: str | None
    data_manifest: str | None
    weights: dict[str, str]
    links: dict[str, str]
    figures: list[Figure]


class Statement(msgspec.Struct, frozen=True, kw_only=True, rename={"type": "_type"}):
    """An in-toto statement of a run."""

    type: str = STATEMENT_TYPE
    subject: list[Subject]
    predicateType: str = PREDICATE_TYPE
    predicate: RunPredicate


def state_run(run: RunFolder, base: Path, now: datetime | None = None) -> Statement:
    """The statement of a run that has ended. `base`: the workspace.

    Raises: UserError where the run has not ended, or its files are not as its events recorded.
    """
    moment = now or datetime.now(UTC)
    view = view_run(run, base, moment)
    if view.state not in SEALED_STATES:
        raise _refused(view, view.state, view.why)
    for problem in verify_files(run, base).problems:
        if problem.code.startswith("chain."):
            raise _refused(view, "unverified", problem)
    subjects = [_subject(run.path, name) for name in files(run.path)]
    return Statement(subject=subjects, predicate=_predicate(run, view, base, moment))


def _refused(view: RunView, state: State, why: Reason) -> UserError:
    refusal = reason("seal.not_ended", run=view.path, state=state, why=why)
    return UserError(f"{sentence(refusal, 'en')}.")


def _subject(folder: Path, name: str) -> Subject:
    try:
        return Subject(name=name, digest={"sha256": sha256(folder / name)})
    except OSError as error:  # a pipe, or a name that is no text
        unreadable = reason("seal.unreadable", file=name, cause=reason_of(error))
        raise UserError(f"{sentence(unreadable, 'en')}.") from error


def _predicate(run: RunFolder, view: RunView, base: Path, moment: datetime) -> RunPredicate:
    factors = {name: known.value for name, known in view.factors.items()}
    return RunPredicate(
        run=view.path,
        identity=identity(run.path),
        sealed=moment,
        started=view.started,
        case=view.case,
        state=view.state,
        why=sentence(view.why, "en"),
        code=factors.get("code"),
        data_manifest=view.manifest_hash,
        weights={name: factors[name] for name in WEIGHTS if name in factors},
        links=links(run.path),
        figures=[
            Figure(
                quantity=fact.key.quantity,
                value=fact.value,
                unit=fact.unit,
                qualifier=fact.key.qualifier,
                split=fact.key.split,
                group=fact.key.group,
                epoch=fact.key.epoch,
                trials=fact.trials,
                file=fact.source.file,
                where=fact.source.where,
                digits=fact.digits,
                step=fact.step,
            )
            for fact in run_table(view, base)
        ],
    )


def identity(folder: Path) -> str:
    """sha256 of the first line of a run's events; "" where there is none."""
    try:
        with open_regular(folder / "events.jsonl") as file:
            return hashlib.sha256(file.readline(1 << 20)).hexdigest()
    except OSError:
        return ""


def sha256(path: Path) -> str:
    """sha256 of a regular file, as 64 hex digits."""
    hasher = hashlib.sha256()
    with open_regular(path) as file:
        while block := file.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()


def files(folder: Path) -> list[str]:
    """Files below a run folder, without the seal, locks and half-written files."""
    return sorted(name for name, path in _entries(folder) if not path.is_dir())


def left_behind(folder: Path) -> list[str]:
    """Files of this program below a run folder that no statement names."""
    names = (path for path in folder.rglob(".*") if LEFT_BEHIND.fullmatch(path.name))
    return sorted(text_name(path.relative_to(folder)) for path in names)


def links(folder: Path) -> dict[str, str]:
    """Symbolic links below a run folder, and where they lead."""
    found = _entries(folder, linked=True)
    return {name: text_name(path.readlink()) for name, path in sorted(found)}


def _entries(folder: Path, *, linked: bool = False) -> Iterator[tuple[str, Path]]:
    for where, folders, names in os.walk(folder):
        for name in [*names, *folders]:
            path = Path(where, name)
            inside = text_name(path.relative_to(folder))
            if not LEFT_BEHIND.fullmatch(name) and inside != SEAL and path.is_symlink() == linked:
                yield inside, path
