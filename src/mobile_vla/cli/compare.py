"""`mvla compare`: may a pair be compared, and what does it show."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mobile_vla.cli.arguments import EvidenceOptions, add_evidence, add_json, runs
from mobile_vla.cli.open_book import scanning_book
from mobile_vla.cli.run_options import print_json
from mobile_vla.messages.catalogue import sentence
from mobile_vla.messages.errors import UserError

if TYPE_CHECKING:
    from mobile_vla.analysis.casebook import Casebook
    from mobile_vla.analysis.model import Comparison, Design
    from mobile_vla.evidence.model import CaseView


HEADLINES = (
    "success",
    "success_left",
    "success_right",
    "collision",
    "mae",
    "direction_accuracy",
    "perfect_match",
)


class CompareOptions(EvidenceOptions):
    """The cases to compare, and what to ask of them."""

    cases: Sequence[str]
    question: str | None
    all: bool
    matrix: str | None
    exploratory: bool
    json: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mvla compare`."""
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help="two cases; with --matrix, any number"
    )
    parser.add_argument("--question", metavar="NAME", help="a question of the study, or a factor")
    parser.add_argument("--all", action="store_true", help="answer all the study's questions")
    parser.add_argument(
        "--matrix", metavar="FILE", help="draw the verdicts on all pairs, as .svg or .png"
    )
    parser.add_argument(
        "--exploratory", action="store_true",
        help="show the numbers of a pair that is not valid, each marked so",
    )  # fmt: skip
    add_evidence(parser)
    add_json(parser)
    runs(parser, compare, CompareOptions, 'mvla compare "Case 1" "Case 3" --question balance')


def compare(options: CompareOptions) -> int:
    """Judge one pair, or all the study's questions; exit 1 where one pair is not valid."""
    book = scanning_book(options)
    if options.matrix:
        _draw_matrix(book, options, Path(options.matrix))
        return 0
    if options.all or not options.cases:
        _compare_all(book, options)
        return 0
    if len(options.cases) != 2:
        raise UserError("Name two cases to compare, or --all.")
    a, b = options.cases
    comparison = book.compare(a, b, options.question, options.exploratory)
    if options.json:
        print_json([comparison])
    else:
        print_comparisons([comparison], book.cases())
    return int(comparison.verdict != "valid")


def _draw_matrix(book: Casebook, options: CompareOptions, file: Path) -> None:
    """Every pair of the cases named, or of the study's, as a picture; its values with --json."""
    from mobile_vla.report.page_figures import write_matrix

    if options.exploratory:
        raise UserError("A matrix shows verdicts and no numbers: leave --exploratory out.")
    matrix = book.matrix(() if options.all else options.cases, options.question)
    names = {case.name: case.label or case.name for case in book.cases()}
    write_matrix(file, matrix, names, "en")
    if options.json:
        print_json(matrix)
    else:
        print(file)


def _compare_all(book: Casebook, options: CompareOptions) -> None:
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
    from mobile_vla.analysis.wording_design import design_lines

    names = {case.name: case.label or case.name for case in book.cases()}
    titles = {q.name: q.title.en for q in (book.study.questions if book.study else ())}
    print()
    for line in design_lines(design, names, titles, "en"):
        print(line)


def print_comparisons(comparisons: Sequence[Comparison], cases: Sequence[CaseView]) -> None:
    """Each pair with its verdict, what moved, what was measured and what would settle it.

    Then what is wrong with the cases compared.
    """
    from mobile_vla.cli.print_results import print_faults_of

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
    from mobile_vla.analysis.wording import verdict_sentence

    a, b = names.get(comparison.a, comparison.a), names.get(comparison.b, comparison.b)
    title = comparison.question.title.en if comparison.question else None
    yield f"{title or 'comparison'}: {a} vs {b}: {comparison.verdict.replace('_', ' ')}"
    yield f"  {verdict_sentence(comparison.verdict, title, comparison.confounds, 'en')}"
    for why in comparison.reasons:
        if why.code != "compare.also_moved":  # the sentence above has named what moved
            yield f"  {sentence(why, 'en')}"
    yield from _factor_lines(comparison)
    if comparison.effects:
        yield from _effect_lines(comparison, a, b)
    yield from _settle_lines(comparison, names)


def _factor_lines(comparison: Comparison) -> Iterator[str]:
    from mobile_vla.messages.catalogue import term

    for factor in comparison.factors:
        if factor.relation != "held" and not factor.nuisance:
            levels = f"{factor.a or 'unknown'} → {factor.b or 'unknown'}"
            yield f"    {term('factor', factor.name, 'en')} {factor.relation}: {levels}"


def _settle_lines(comparison: Comparison, names: Mapping[str, str]) -> Iterator[str]:
    from mobile_vla.analysis.wording import separates

    for missing in comparison.would_settle:
        name = names.get(missing.case or "", missing.case)
        cost = f", about {missing.seconds:.0f} s" if missing.seconds else ""
        levels = ", ".join(f"{key} {value}" for key, value in missing.description.items())
        yield f"  would settle it: {name or levels}{cost}"
        if comparison.confounds:
            yield f"    {separates(comparison.factor, comparison.confounds, 'en')}"


def _effect_lines(comparison: Comparison, a: str, b: str) -> Iterator[str]:
    """What was measured, a metric a line, then the first in words."""
    from rich.table import Table

    from mobile_vla.analysis.wording import (
        effect_sentence,
        found_words,
        interval_text,
        p_text,
    )
    from mobile_vla.cli.status_table import wide
    from mobile_vla.messages.catalogue import term
    from mobile_vla.messages.formats import number

    table = Table()
    for heading in ("", a, b, f"{b} minus {a}", "95 % interval", "n", "p", "finding"):
        table.add_column(heading)
    for effect in [effect for effect in comparison.effects if effect.metric in HEADLINES]:
        table.add_row(
            term("metric", effect.metric, "en"),
            number(effect.a, effect.unit),
            number(effect.b, effect.unit),
            number(effect.difference, effect.unit, signed=True),
            interval_text(effect, "en"),
            str(effect.n),
            p_text(effect),
            found_words(effect, b, "en"),
        )
    console = wide()
    with console.capture() as output:
        console.print(table)
    yield from output.get().splitlines()
    yield f"  {effect_sentence(comparison.effects[0], a, b, 'en')}"
