"""Seals as evidence: what pages are held against where the run folders themselves are not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from mobile_vla.audit.audit_document import Proof
from mobile_vla.evidence.fact_table import Fact, FactKey, FactTable
from mobile_vla.evidence.model import Evidence, Known, RunView
from mobile_vla.evidence.scanned_cases import joined_cases
from mobile_vla.messages.catalogue import sentence
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.seal.check_seal import read_seal
from mobile_vla.seal.statement import SEAL, Figure, RunPredicate


def seal_files(paths: Sequence[Path]) -> list[Path]:
    """The seals that are named, and the JSON files below each folder.

    Raises: UserError where there is none.
    """
    files = [
        file
        for path in paths
        for file in (sorted(path.rglob("*.json")) if path.is_dir() else [path])
    ]
    if not files:
        raise UserError(f"There is no seal in {', '.join(map(str, paths))}: name seals or folders.")
    return files


def sealed_proof(
    paths: Sequence[Path], key: Path | None, now: datetime
) -> tuple[Proof, list[Reason]]:
    """What the statements of some seals prove, and what is to be said of it.

    Without a key no signature is checked, and that is said.

    Raises: UserError where a seal is not to be believed.
    """
    newest, notes = dict[str, RunPredicate](), set[Reason]()
    for file in seal_files(paths):
        statement, problems = read_seal(file, key, now)
        wrong = [problem for problem in problems if problem.code != "seal.no_key"]
        if statement is None or wrong:
            raise UserError(f"{file} is no evidence: {sentence(wrong[0], 'en')}.")
        notes |= set(problems)
        _add(newest, statement.predicate, file)
    tables = {run: _table(predicate) for run, predicate in newest.items()}
    runs = [_view(predicate) for _, predicate in sorted(newest.items())]
    return Proof(joined_cases([], runs), Path(), tables=tables), sorted(notes, key=str)


def _add(newest: dict[str, RunPredicate], predicate: RunPredicate, file: Path) -> None:
    """Keep the newest statement of each run; two runs of one name cannot be told apart by a page.

    Raises: UserError where another run has that name.
    """
    known = newest.setdefault(predicate.run, predicate)
    if known.identity != predicate.identity:
        why = reason("seal.two_runs", run=predicate.run)
        raise UserError(f"{file} is no evidence beside the other seals: {sentence(why, 'en')}.")
    newest[predicate.run] = max(known, predicate, key=lambda each: each.sealed)


def _table(predicate: RunPredicate) -> FactTable:
    return FactTable(map(_fact, predicate.figures), predicate.run)


def _fact(figure: Figure) -> Fact:
    value = figure.value
    if not isinstance(value, str) and value.is_integer() and "." not in figure.digits:
        value = int(value)
    return Fact(
        key=FactKey(figure.quantity, figure.qualifier, figure.split, figure.epoch, figure.group),
        value=value, unit=figure.unit, source=Evidence(file=figure.file, where=figure.where),
        digits=figure.digits, step=figure.step, trials=figure.trials,
    )  # fmt: skip


def _view(predicate: RunPredicate) -> RunView:
    at = Evidence(file=f"{predicate.run}/{SEAL}")
    weights = {name: Known(value=value, evidence=at) for name, value in predicate.weights.items()}
    return RunView(
        path=predicate.run, case=predicate.case, resolved=None, state=predicate.state,
        why=reason("seal.states", why=predicate.why), evidence=[at], started=predicate.started,
        last_sign=None, steps=None, total_steps=None, seconds_per_step=None, epochs=None,
        train=None, validation=None, manifest_hash=predicate.data_manifest, train_hashes=[],
        trained_parts={}, best_val_loss=None, final_val_loss=None, best=None, latest=None,
        offline=None, rollouts=None, conflicts=[], factors=weights,
    )  # fmt: skip
