"""`mvla status`: the table of what really exists, or all the evidence of one case."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mobile_vla.cli.open_book import places, scanning_book
from mobile_vla.cli.run_options import Setting, print_json
from mobile_vla.cli.select_run import book_of
from mobile_vla.messages.catalogue import phrase, sentence
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.workspace import Workspace

if TYPE_CHECKING:
    from mobile_vla.cli.verify_metrics import Recomputed
    from mobile_vla.evidence.model import CaseView, Survey


def status(options: argparse.Namespace) -> int:
    """The table of what really exists, or all the evidence of one case.

    Exit 1 where a metric that was computed again does not agree with its log, and for a folder in
    which nothing is recognised.
    """
    if options.schema:
        from mobile_vla.cli.schema import schema

        print_json(schema())
        return 0
    if len(options.path) == 1 and not os.path.isdir(options.path[0]):  # noqa: PTH112
        return _status_of(options)
    if options.verify_metrics:
        raise UserError("--verify-metrics computes one case's metrics again: name the case.")
    cases: list[CaseView] = []
    unrecognised: list[str] = []
    for path in options.path or [None]:
        chosen, scanned = places(options, path)
        complete = options.json or scanned
        survey = book_of(chosen, scanned).survey() if complete else _surveyed(chosen)
        if path is not None and scanned and _is_unrecognised(chosen.workspace, survey):
            unrecognised.append(path)
            print(phrase("import.unrecognised", "en", folder=path), file=sys.stderr)
        else:
            cases += survey.cases
            if not options.json:
                print_cases(survey.cases)
        for problem in survey.problems:
            print(
                f"not read: {sentence(problem, 'en')}",
                file=sys.stderr if options.json else sys.stdout,
            )
    if options.json:
        print_json(cases)
    return int(bool(unrecognised))


def _is_unrecognised(workspace: Workspace, survey: Survey) -> bool:
    """Whether a folder holds no run of any program and is no workspace in which none began."""
    begun = any(folder.is_dir() for folder in (workspace.data("."), workspace.cache))
    return not begun and not any(case.runs for case in survey.cases)


def _surveyed(chosen: Setting) -> Survey:
    """The same of runs of ours alone, through the index: at once, however many there are."""
    from mobile_vla.evidence.case_listing import summary
    from mobile_vla.evidence.model import Survey

    cases = summary(chosen.workspace.path, chosen.study, chosen.profile_name, chosen.path)
    return Survey(cases=cases, problems=[])


def print_cases(cases: Sequence[CaseView]) -> None:
    """The table of what really exists."""
    from mobile_vla.cli.status_table import print_table, rows

    print_table(rows(cases))


def _status_of(options: argparse.Namespace) -> int:
    from mobile_vla.cli.print_case import dossier

    book = scanning_book(options)
    case = book.case(options.path[0])
    recomputed = _verified(case, book.workspace) if options.verify_metrics else []
    if options.json:
        print_json({"case": case, "verified": recomputed} if options.verify_metrics else case)
    else:
        print("\n".join(dossier(case, book.workspace)))
        for checked in recomputed:
            print(checked.sentence())
    return int(any(not checked.agrees for checked in recomputed))


def _verified(case: CaseView, workspace: Path) -> list[Recomputed]:
    from mobile_vla.cli.verify_metrics import verify_metrics

    if case.run is None:
        raise UserError(
            f'{case.name} has no run to verify: train it with `mvla train "{case.name}"`.'
        )
    return verify_metrics(case.run, Workspace(workspace))
