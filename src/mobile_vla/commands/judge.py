"""`mvla status`, `compare`, `plan` and `report`: asked of the casebook, answered from evidence."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mobile_vla.commands.common import Setting, print_json, setting
from mobile_vla.commands.runs import book_of
from mobile_vla.record.errors import UserError
from mobile_vla.record.folder import find_runs
from mobile_vla.record.workspace import DEFAULT, Workspace

if TYPE_CHECKING:
    from mobile_vla.casebook.casebook import Casebook
    from mobile_vla.casebook.model import CaseView, Comparison, Design, Plan, Survey
    from mobile_vla.commands.verify import Recomputed


HEADLINES = (
    "success",
    "success_left",
    "success_right",
    "collision",
    "mae",
    "direction_accuracy",
    "perfect_match",
)


def casebook(options: argparse.Namespace) -> Casebook:
    """The casebook that a command line names."""
    return book_of(setting(options))


def scanning_book(options: argparse.Namespace) -> Casebook:
    """The casebook that a command line names, with the folders that are to be scanned."""
    return book_of(*_places(options))


def _places(options: argparse.Namespace, folder: str | None = None) -> tuple[Setting, list[Path]]:
    """The setting in `folder`, else in what the command line names, and what is to be scanned.

    That are the folders of `--evidence`, and a workspace that holds no run of ours but something.
    Errors: `UserError` for a folder that does not exist.
    """
    named = list(options.evidence)
    base = Path(folder or options.workspace or (named[0] if named else DEFAULT))
    if not os.path.isdir(base):  # noqa: PTH112  # which never raises
        raise UserError(f"There is no workspace {base}: run `mvla demo`, or name another.")
    options.workspace = str(base)
    if not named and next(find_runs(Workspace(base).runs), None) is None and os.listdir(base):  # noqa: PTH208
        named = [base]
    return setting(options), [Path(one) for one in named]


def status(options: argparse.Namespace) -> int:
    """The table of what really exists, or all the evidence of one case.

    Exit 1 where a metric that was computed again does not agree with its log.
    """
    if options.schema:
        from mobile_vla.commands.schema import schema

        print_json(schema())
        return 0
    if len(options.path) == 1 and not os.path.isdir(options.path[0]):  # noqa: PTH112
        return _status_of(options)
    if options.verify_metrics:
        raise UserError("--verify-metrics computes one case's metrics again: name the case.")
    cases: list[CaseView] = []
    for path in options.path or [None]:
        chosen, scanned = _places(options, path)
        whole = options.json or scanned
        found = book_of(chosen, scanned).survey() if whole else _surveyed(chosen)
        cases += found.cases
        if not options.json:
            print_cases(found.cases)
        for problem in found.problems:
            print(f"not read: {problem}", file=sys.stderr if options.json else sys.stdout)
    if options.json:
        print_json(cases)
    return 0


def _surveyed(chosen: Setting) -> Survey:
    """The same of runs of ours alone, through the index: at once, however many there are."""
    from mobile_vla.casebook.model import Survey
    from mobile_vla.casebook.summary import summary

    cases = summary(chosen.workspace.path, chosen.study, chosen.profile_name, chosen.path)
    return Survey(cases=cases, problems=[])


def print_cases(cases: Sequence[CaseView]) -> None:
    """The table of what really exists."""
    from mobile_vla.casebook.table import print_table, rows

    print_table(rows(cases))


def _status_of(options: argparse.Namespace) -> int:
    from mobile_vla.casebook.dossier import dossier

    book = scanning_book(options)
    case = book.case(options.path[0])
    found = _verified(case, book.workspace) if options.verify_metrics else []
    if options.json:
        print_json({"case": case, "verified": found} if options.verify_metrics else case)
    else:
        print("\n".join(dossier(case, book.workspace)))
        for checked in found:
            print(checked.sentence())
    return int(any(not checked.agrees for checked in found))


def _verified(case: CaseView, workspace: Path) -> list[Recomputed]:
    from mobile_vla.commands.verify import verify_metrics

    if case.run is None:
        raise UserError(
            f'{case.name} has no run to verify: train it with `mvla train "{case.name}"`.'
        )
    return verify_metrics(case.run, Workspace(workspace))


def compare(options: argparse.Namespace) -> int:
    """Judge one pair, or all the study's questions; exit 1 where one pair is not valid."""
    book = scanning_book(options)
    if options.matrix:
        _draw_matrix(book, options)
        return 0
    if options.all or not options.cases:
        _compare_all(book, options)
        return 0
    if len(options.cases) != 2:
        raise UserError("Name two cases to compare, or --all.")
    a, b = options.cases
    found = book.compare(a, b, options.question, options.exploratory)
    if options.json:
        print_json([found])
    else:
        print_comparisons([found], book.cases())
    return int(found.verdict != "valid")


def _draw_matrix(book: Casebook, options: argparse.Namespace) -> None:
    """Every pair of the cases named, or of the study's, as a picture; its values with --json."""
    from mobile_vla.documents.matrix import write_matrix

    if options.exploratory:
        raise UserError("A matrix shows verdicts and no numbers: leave --exploratory out.")
    found = book.matrix(() if options.all else options.cases, options.question)
    names = {case.name: case.label or case.name for case in book.cases()}
    write_matrix(Path(options.matrix), found, names, "en")
    if options.json:
        print_json(found)
    else:
        print(options.matrix)


def _compare_all(book: Casebook, options: argparse.Namespace) -> None:
    """Every question's pairs, then what the finished cases can answer and what the rest needs."""
    comparisons = book.comparisons(options.question, options.exploratory)
    design, cases = book.design(), book.cases()
    if options.json:
        print_json({"comparisons": comparisons, "design": design})
        return
    print_comparisons(comparisons, cases)
    print_design(design, book)


def print_design(design: Design, book: Casebook) -> None:
    """Which questions the finished cases answer, and the fewest cases that answer the rest."""
    from mobile_vla.documents.wording_design import design_lines

    names = {case.name: case.label or case.name for case in book.cases()}
    titles = {q.name: q.title.en for q in (book.study.questions if book.study else ())}
    print()
    for line in design_lines(design, names, titles, "en"):
        print(line)


def print_comparisons(comparisons: Sequence[Comparison], cases: Sequence[CaseView]) -> None:
    """Each pair with its verdict, what moved, what was measured and what would settle it.

    Then what is wrong with the cases compared.
    """
    from mobile_vla.commands.results import print_faults_of

    names = {case.name: case.label or case.name for case in cases}
    for comparison in comparisons:
        _print_comparison(comparison, names)
    compared = {name for comparison in comparisons for name in (comparison.a, comparison.b)}
    print_faults_of(case for case in cases if case.name in compared)


def _print_comparison(comparison: Comparison, names: Mapping[str, str]) -> None:
    """One pair; an exploratory look at an invalid one says on every line that it is that."""
    mark = "exploratory, not valid: " if comparison.exploratory else ""
    print()
    for line in _comparison_lines(comparison, names):
        print(f"{mark}{line}")


def _comparison_lines(comparison: Comparison, names: Mapping[str, str]) -> Iterator[str]:
    from mobile_vla.documents.wording import verdict_sentence

    a, b = names.get(comparison.a, comparison.a), names.get(comparison.b, comparison.b)
    title = comparison.question.title.en if comparison.question else None
    yield f"{title or 'comparison'}: {a} vs {b}: {comparison.verdict.replace('_', ' ')}"
    yield f"  {verdict_sentence(comparison.verdict, title, comparison.confounds, 'en')}"
    for reason in comparison.reasons:
        if not reason.startswith("moved as well: "):  # the sentence above has named what moved
            yield f"  {reason}"
    yield from _factor_lines(comparison)
    if comparison.effects:
        yield from _effect_lines(comparison, a, b)
    yield from _settle_lines(comparison, names)


def _factor_lines(comparison: Comparison) -> Iterator[str]:
    from mobile_vla.documents.wording import factor_name

    for factor in comparison.factors:
        if factor.relation != "held" and not factor.nuisance:
            told = f"{factor.a or 'unknown'} → {factor.b or 'unknown'}"
            yield f"    {factor_name(factor.name, 'en')} {factor.relation}: {told}"


def _settle_lines(comparison: Comparison, names: Mapping[str, str]) -> Iterator[str]:
    from mobile_vla.documents.wording import settles

    for missing in comparison.would_settle:
        name = names.get(missing.case or "", missing.case)
        cost = f", about {missing.seconds:.0f} s" if missing.seconds else ""
        told = ", ".join(f"{key} {value}" for key, value in missing.description.items())
        yield f"  would settle it: {name or told}{cost}"
        if comparison.confounds:
            yield f"    {settles(comparison.factor, comparison.confounds, 'en')}"


def _effect_lines(comparison: Comparison, a: str, b: str) -> Iterator[str]:
    """What was measured, a metric a line, then the first in words."""
    from rich.table import Table

    from mobile_vla.casebook.table import wide
    from mobile_vla.documents.wording import (
        effect_sentence,
        found_words,
        interval_text,
        metric_name,
        number,
        p_text,
    )

    table = Table()
    for heading in ("", a, b, f"{b} minus {a}", "95 % interval", "n", "p", "finding"):
        table.add_column(heading)
    for effect in [effect for effect in comparison.effects if effect.metric in HEADLINES]:
        table.add_row(
            metric_name(effect.metric, "en"),
            number(effect.a, effect.unit),
            number(effect.b, effect.unit),
            number(effect.difference, effect.unit, signed=True),
            interval_text(effect, "en"),
            str(effect.n),
            p_text(effect),
            found_words(effect, b, "en"),
        )
    console = wide()
    with console.capture() as drawn:
        console.print(table)
    yield from drawn.get().splitlines()
    yield f"  {effect_sentence(comparison.effects[0], a, b, 'en')}"


def plan(options: argparse.Namespace) -> None:
    """The plan of the study."""
    book = casebook(options)
    made = book.plan()
    if options.json:
        print_json(made)
        return
    print_plan(made)
    if made.design is not None:
        print_design(made.design, book)


def print_plan(made: Plan) -> None:
    """Each case's line, then the next steps in order, then where the study's page is wrong."""
    from mobile_vla.documents.wording import duration
    from mobile_vla.documents.wording_design import fault_sentence

    for item in made.items:
        left = " to go" if item.state == "running" else ""
        cost = f", about {duration(item.seconds, 'en')}{left}" if item.seconds else ""
        share = f" {100 * item.progress:.0f} %" if item.state == "running" and item.progress else ""
        state = item.state.replace("_", " ")
        print(f"{state:8}{share} {item.label or item.case}: {item.why}{cost}")
    if made.next_steps:
        print("\nNext:")
    for number, step in enumerate(made.next_steps, 1):
        print(f"{number}. {step}")
    names = {item.case: item.label or item.case for item in made.items}
    if made.faults:
        print("\nWhat the study's page asks of the wrong pair:")
    for fault in made.faults:
        print(f"- {fault_sentence(fault, names, 'en')}")


def report(options: argparse.Namespace) -> None:
    """Write the page in one language or both."""
    from mobile_vla.documents.wording import LANGUAGES
    from mobile_vla.documents.writing import write_report

    book = casebook(options)
    if not book.workspace.is_dir():
        raise UserError(
            f"There is no workspace {book.workspace}: run `mvla demo`, or name another."
        )
    languages = (options.lang,) if options.lang else LANGUAGES
    folder = Path(options.documents) if options.documents else None
    paths = write_report(
        book.workspace, book, languages=languages, html=options.html, documents=folder
    )
    if options.json:
        print_json([str(path) for path in paths])
        return
    for path in paths:
        print(path)
