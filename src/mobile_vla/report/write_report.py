"""Write the report's files into a workspace, each completely or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mobile_vla.analysis.casebook import Casebook
from mobile_vla.analysis.model import Comparison, Plan
from mobile_vla.analysis.pairwise import MOST_CASES, Matrix
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.formats import LANGUAGES, Language
from mobile_vla.report.render import report_html, report_markdown
from mobile_vla.report.report_data import ReportView
from mobile_vla.runs.files import write_named


def view_of(casebook: Casebook) -> ReportView:
    """The casebook's answers of this moment. Raises: UserError as `report_view`."""
    count = len(casebook.study.cases) if casebook.study else 0
    matrix = casebook.matrix() if 2 <= count <= MOST_CASES else None
    return report_view(casebook, casebook.comparisons(), casebook.printed_plan(), matrix)


def report_view(
    casebook: Casebook, comparisons: list[Comparison], plan: Plan, matrix: Matrix | None = None
) -> ReportView:
    """What a report is written from, with these answers of the casebook.

    Raises: UserError if the casebook has no study, which holds the page's title and questions.
    """
    study, profile = casebook.study, casebook.profile
    if study is None or profile is None:
        raise UserError(
            f"A report of {casebook.workspace} needs a study: name one, as `--study left_right`."
        )
    return ReportView(
        workspace=casebook.workspace,
        study=study.study,
        title=study.title,
        profile=profile,
        note=study.profiles[profile].note,
        cases=casebook.cases(),
        comparisons=comparisons,
        plan=plan,
        matrix=matrix,
        nuisance=casebook.nuisance,
    )


def write_report(
    workspace: Path,
    casebook: Casebook,
    languages: Sequence[Language] = LANGUAGES,
    html: bool = True,
    documents: Path | None = None,
) -> list[Path]:
    """Write `report.md`, `report.ko.md` and, with `html`, a page for each; return their paths.

    `documents`: a folder whose Markdown is audited; its false claims are listed in part 3.
    English files carry no language in their names. All files are rendered before the first is
    written.
    """
    view = view_of(casebook)
    if documents is not None:
        from mobile_vla.report.false_claims import wrong_lines

        reports = {name for name in workspace.glob("report*.md")}
        view = replace(view, wrong=wrong_lines(documents, view, reports))
    texts: dict[str, str] = {}
    for language in languages:
        suffix = "" if language == "en" else f".{language}"
        texts[f"report{suffix}.md"] = report_markdown(view, language)
        if html:
            texts[f"report{suffix}.html"] = report_html(view, language)
    paths = [workspace / name for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        write_named(path, text.encode())
    return paths
