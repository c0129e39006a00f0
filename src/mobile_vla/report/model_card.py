"""A model card of one run: Hugging Face front matter, and numbers that each name their file."""

from __future__ import annotations

from pathlib import Path

from mobile_vla.analysis.model import Plan
from mobile_vla.evidence.model import CaseView, RunView
from mobile_vla.messages.catalogue import phrase, sentence, term
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.formats import Language
from mobile_vla.messages.reason import reason
from mobile_vla.report.case_data import case_data, driving_rows, offline_table
from mobile_vla.report.render import environment, tidy_markdown
from mobile_vla.report.report_data import ReportView
from mobile_vla.study.models import Text


def model_card(run: RunView, base: Path, language: Language) -> str:
    """The card in Markdown. Unchanged evidence gives the same bytes. `base`: the workspace.

    Raises: UserError where the run did not finish, or its files are not as its events recorded.
    """
    resolved = run.resolved
    if run.state != "finished" or resolved is None:
        why = reason("card.not_finished", run=run.path, state=run.state, why=run.why)
        raise UserError(f"{sentence(why, 'en')}.")
    view = _view_of(run, base)
    case = case_data(view, view.cases[0], 0, language)
    template_environment = environment("md", language)
    template_environment.globals["c"] = lambda key, **values: phrase(
        f"card.{key}", language, **values
    )
    text = template_environment.get_template("card.md.j2").render(
        case=case,
        robot=resolved.robot,
        trained=_trained(run),
        driving=driving_rows(view, language),
        offline=offline_table(view, language),
        definitions=_definitions(run, language),
    )
    return tidy_markdown(text)


def _view_of(run: RunView, base: Path) -> ReportView:
    """The run as the only one of a report."""
    case = CaseView(
        name=run.case, label=None, role="case", planned=None, after=[], attempts=1, runs=[run],
        run=run, state=run.state, why=run.why,
    )  # fmt: skip
    assert run.resolved is not None
    nothing = Text(en="", ko="")
    return ReportView(
        workspace=base,
        study=run.resolved.study,
        title=nothing,
        profile=run.resolved.profile,
        note=nothing,
        cases=[case],
        comparisons=[],
        plan=Plan(items=[], next_steps=[]),
    )


def _trained(run: RunView) -> str:
    parts = ", ".join(f"{part} {count:,}" for part, count in run.trained_parts.items())
    return f"{sum(run.trained_parts.values()):,} ({parts})"


def _definitions(run: RunView, language: Language) -> list[tuple[str, str, str]]:
    """Name, definition and unit of each metric, as the evaluation wrote them."""
    metrics = run.offline.policy.metrics if run.offline else []
    named = {metric.name: metric for metric in metrics}
    return [
        (term("metric", name, language), metric.definition, metric.unit)
        for name, metric in named.items()
    ]
