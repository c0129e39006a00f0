"""`mvla status`: the table of what really exists, or all the evidence of one case."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mobile_vla.cli.arguments import EvidenceOptions, add_evidence, add_json, runs
from mobile_vla.messages.errors import UserError

if TYPE_CHECKING:
    from mobile_vla.cli.run_options import Setting
    from mobile_vla.cli.verify_metrics import Recomputed
    from mobile_vla.evidence.model import CaseView, Survey
    from mobile_vla.messages.reason import Reason
    from mobile_vla.report.first_answers import Answer
    from mobile_vla.runs.workspace import Workspace


class StatusOptions(EvidenceOptions):
    """The workspaces or the case to show, and how."""

    path: Sequence[str]
    verify_metrics: bool
    schema: bool
    full: bool
    json: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mvla status`."""
    parser.add_argument(
        "path", nargs="*",
        help="workspaces or folders of runs; or one case, for all its evidence",
    )  # fmt: skip
    parser.add_argument(
        "--verify-metrics", action="store_true",
        help="with a case: compute the validation losses of its checkpoints again",
    )  # fmt: skip
    parser.add_argument(
        "--schema", action="store_true", help="print the JSON schema of what --json prints"
    )
    parser.add_argument(
        "--full", action="store_true",
        help="with --json: also the values of each episode, the paths of drives and all hashes",
    )  # fmt: skip
    add_evidence(parser)
    add_json(parser)
    runs(parser, status, StatusOptions, 'mvla status "Case 3"')


def status(options: StatusOptions) -> int:
    """The table of what really exists, or all the evidence of one case.

    Exit 1 where a metric that was computed again does not agree with its log, and for a folder in
    which nothing is recognised.
    """
    from mobile_vla.cli.run_options import print_json

    if options.schema:
        from mobile_vla.cli.schema import schema

        print_json(schema())
        return 0
    if len(options.path) == 1 and not os.path.isdir(options.path[0]):  # noqa: PTH112
        return _status_of(options)
    if options.verify_metrics:
        raise UserError("--verify-metrics computes one case's metrics again: name the case.")
    return int(_print_workspaces(options))


def _print_workspaces(options: StatusOptions) -> bool:
    """Print the cases of every workspace that was named, and what could not be read.

    True where a folder that was named holds no run of any known program.
    """
    from mobile_vla.cli.brief import brief_case
    from mobile_vla.cli.open_book import places
    from mobile_vla.cli.run_options import print_json
    from mobile_vla.cli.select_run import book_of
    from mobile_vla.messages.catalogue import phrase, sentence
    from mobile_vla.report.first_answers import answers_of_cases

    cases: list[CaseView] = []
    unrecognised = False
    for path in options.path or (None,):
        chosen, scanned = places(options, path)
        full = options.json or scanned
        survey = book_of(chosen, scanned).survey() if full else _surveyed(chosen)
        if path is not None and scanned and _is_unrecognised(chosen.workspace, survey):
            unrecognised = True
            print(phrase("import.unrecognised", "en", folder=path), file=sys.stderr)
        else:
            cases += survey.cases
            if not options.json:
                print_answers(answers_of_cases(survey.cases, "en"))
                print_cases(survey.cases)
        for line in _beside_evidence(chosen.workspace, survey):
            print(sentence(line, "en"), file=sys.stderr if options.json else sys.stdout)
        for problem in survey.problems:
            print(
                f"not read: {sentence(problem, 'en')}",
                file=sys.stderr if options.json else sys.stdout,
            )
    if options.json:
        if options.full:
            print_json(cases)
        else:
            print_json([brief_case(case) for case in cases], indent=1)
    return unrecognised


def _beside_evidence(workspace: Workspace, survey: Survey) -> list[Reason]:
    """What SLURM says of jobs that were submitted from here; it is not asked without any."""
    from mobile_vla.cluster.slurm_jobs import beside_evidence, jobs_file

    if not jobs_file(workspace.path).exists():
        return []
    return beside_evidence(workspace.path, survey.cases)


def _is_unrecognised(workspace: Workspace, survey: Survey) -> bool:
    """Whether a folder holds no run of any program and is no workspace in which none began."""
    prepared = any(folder.is_dir() for folder in (workspace.data("."), workspace.cache))
    return not prepared and not any(case.runs for case in survey.cases)


def _surveyed(chosen: Setting) -> Survey:
    """The same of runs of ours alone, through the index: at once, however many there are."""
    from mobile_vla.evidence.case_listing import summary
    from mobile_vla.evidence.model import Survey

    cases = summary(chosen.workspace.path, chosen.study, chosen.profile_name, chosen.path)
    return Survey(cases=cases, problems=[])


def print_answers(answers: Sequence[Answer]) -> None:
    """A line for each answer, under its heading, and an empty one."""
    for heading, answer in answers:
        print(f"{heading}: {answer}")
    print()


def print_cases(cases: Sequence[CaseView]) -> None:
    """The table of what really exists."""
    from mobile_vla.cli.status_table import print_table, rows

    print_table(rows(cases))


def _status_of(options: StatusOptions) -> int:
    from mobile_vla.cli.open_book import places
    from mobile_vla.cli.print_case import dossier
    from mobile_vla.cli.run_options import print_json
    from mobile_vla.cli.select_run import book_of

    chosen, scanned = places(options)
    book = book_of(chosen, scanned)
    case = book.case(options.path[0])
    verified = _verified(case, chosen) if options.verify_metrics else []
    if options.json:
        print_json({"case": case, "verified": verified} if options.verify_metrics else case)
    else:
        print("\n".join(dossier(case, book.workspace)))
        for checked in verified:
            print(checked.sentence())
    return int(any(not checked.agrees for checked in verified))


def _verified(case: CaseView, chosen: Setting) -> list[Recomputed]:
    from mobile_vla.cli.verify_metrics import verify_metrics
    from mobile_vla.study.command_line import quoted

    if case.run is None:
        train = chosen.command(f"mvla train {quoted(case.name)}")
        raise UserError(f"{case.name} has no run to verify: train it with `{train}`.")
    return verify_metrics(case.run, chosen.workspace)
