"""A seal against the run folder that it lies in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from mobile_vla.messages.errors import reason_of
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.runs.contained_path import PathOutsideError, contained_path
from mobile_vla.runs.outside_files import read_regular
from mobile_vla.seal.envelope import MOST_BYTES, open_envelope, signature_problem
from mobile_vla.seal.statement import (
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    Statement,
    files,
    identity,
    links,
    sha256,
)

CLOCK_TOLERANCE = timedelta(minutes=1)


def read_seal(file: Path, key: Path | None, now: datetime) -> tuple[Statement | None, list[Reason]]:
    """The statement of a seal file, and why it is not to be believed.

    Without a key nobody's signature was checked, which is a problem too.

    Raises: UserError where `key` is no public key.
    """
    try:
        data = read_regular(file, MOST_BYTES)
        _, statement = open_envelope(data)
    except (OSError, ValueError) as error:
        return None, [reason("seal.unreadable", file=file.name, cause=reason_of(error))]
    unsigned = reason("seal.no_key") if key is None else signature_problem(data, key)
    return statement, [*([unsigned] if unsigned else []), *_of_statement(statement, now)]


def _of_statement(statement: Statement, now: datetime) -> Iterator[Reason]:
    kinds = {statement.type: STATEMENT_TYPE, statement.predicateType: PREDICATE_TYPE}
    for kind, ours in kinds.items():
        if kind != ours:
            yield reason("seal.other_kind", kind=kind)
    sealed = statement.predicate.sealed
    if sealed.tzinfo is None or sealed - now > CLOCK_TOLERANCE:
        yield reason("seal.in_future", time=sealed.isoformat(timespec="seconds"))


def folder_problems(statement: Statement, folder: Path) -> Iterator[Reason]:
    """Where a run folder differs from the statement of it: files changed, missing, or too many."""
    predicate = statement.predicate
    if predicate.identity != identity(folder):
        yield reason("seal.other_run", run=predicate.run)
        return
    time = predicate.sealed.isoformat(timespec="seconds")
    sealed = {subject.name: subject.digest.get("sha256", "") for subject in statement.subject}
    for name, digest in sealed.items():
        yield from _file_problem(folder, name, digest, time)
    for name in files(folder):
        if name not in sealed:
            yield reason("seal.file_extra", file=name, time=time)
    found = links(folder)
    for name in sorted(found.keys() | predicate.links.keys()):
        if found.get(name) != predicate.links.get(name):
            yield reason("seal.file_changed", file=name, time=time)


def beside_problems(statement: Statement, folder: Path) -> Iterator[Reason]:
    """Where files that lie beside a seal differ from it; a download holds some of a run's files."""
    time = statement.predicate.sealed.isoformat(timespec="seconds")
    for subject in statement.subject:
        problems = _file_problem(folder, subject.name, subject.digest.get("sha256", ""), time)
        yield from (problem for problem in problems if problem.code != "seal.file_missing")


def _file_problem(folder: Path, name: str, digest: str, time: str) -> Iterator[Reason]:
    try:
        path = contained_path(folder, name)
        if sha256(path) != digest:
            yield reason("seal.file_changed", file=name, time=time)
    except FileNotFoundError:
        yield reason("seal.file_missing", file=name)
    except (OSError, PathOutsideError) as error:
        yield reason("seal.unreadable", file=name, cause=reason_of(error))
