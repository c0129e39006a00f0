"""Parts 3 to 7 of the report as plain values: corrections, comparisons, what the study answers."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from mobile_vla.analysis.diagnostics import diagnose
from mobile_vla.analysis.model import Comparison, Effect, Factor, Missing, PlanItem
from mobile_vla.analysis.offline_vs_rollout import evaluated_checkpoints, trust
from mobile_vla.analysis.wording import (
    factor_list,
    findings_text,
    found_words,
    interval_text,
    level_list,
    p_text,
    separates,
    unattributed,
    verdict_sentence,
    words,
)
from mobile_vla.analysis.wording_design import design_lines
from mobile_vla.analysis.wording_trust import over_cases, trust_sentence, within_cases
from mobile_vla.audit.audit_messages import claim_words
from mobile_vla.messages.catalogue import level, phrase, sentence, term
from mobile_vla.messages.formats import Language, capital, duration, number
from mobile_vla.report.report_data import Cite, ReportView, WrongLine, in_language

Values = dict[str, Any]


def comparison_data(
    view: ReportView, comparison: Comparison, place: int, language: Language
) -> Values:
    """A comparison for its line in part 3, its section in part 5 and its row in part 7."""
    a, b = view.name(comparison.a), view.name(comparison.b)
    title, question = title_of(comparison, language), comparison.question
    verdict, confounds = comparison.verdict, comparison.confounds
    varied = [factor for factor in comparison.factors if factor.relation != "held"]
    return {
        "anchor": f"comparison-{place}",
        "heading": capital(f"{title}: {a} vs {b}"),
        "title": title,
        "a": a,
        "b": b,
        "pair": f"{a} vs {b}",
        "verdict": verdict,
        "sentence": verdict_sentence(verdict, title, confounds, language),
        "of_the_page": bool(question and (comparison.a, comparison.b) == question.pair),
        "reasons": comparison.reasons,
        "has_factors": bool(comparison.factors),
        "factors": [_factor_row(view, comparison, factor, language) for factor in varied],
        "confounds": factor_list(confounds, language),
        "settle": [
            _missing(view, comparison, missing, language) for missing in comparison.would_settle
        ],
        **_effects(comparison, b, language),
    }


def title_of(comparison: Comparison, language: Language) -> str:
    """The title of a comparison's question, or that the study asks none."""
    question = comparison.question
    if question is None:
        return phrase("report.exploratory", language)
    title = in_language(question.title, language)
    if (comparison.a, comparison.b) != question.fair_pair:
        return title
    return f"{title} ({phrase('report.fair', language)})"


def corrections(view: ReportView) -> list[Values]:
    """Failed runs and conflicts in the evidence, each with its first file."""
    lines: list[Values] = []
    for case in view.cases:
        for run in case.runs:
            common = {"case": view.name(case.name), "cites": view.cites(run.evidence)[:1]}
            if run.state in ("failed", "killed"):
                lines.append({"kind": "wrong_run", "state": run.state, "why": run.why, **common})
            for conflict in run.conflicts:
                lines.append({"kind": "conflict", "state": None, "why": conflict, **common})
    return lines


def run_faults(view: ReportView, language: Language) -> list[tuple[str, str]]:
    """What an evaluation shows to be wrong with the run that represents a case."""
    return [
        (view.name(case.name), words(fault, language))
        for case in view.cases
        if case.run is not None
        for fault in diagnose(case.run)
    ]


def wrong_line(wrong: WrongLine, language: Language) -> Values:
    """A document's false claim: the claim, the evidence's value, and the file that holds it."""
    line: Values = {"at": Cite(wrong.document, f"line {wrong.line}"), "claim": "", "cite": None}
    judged = wrong.judged
    if judged is None:
        return {**line, "evidence": wrong.problem}
    claim = judged.claim
    value = sentence(judged.reason, language)
    if judged.verdict == "stale":
        value += f" ({phrase('report.stale', language)})"
    return {
        **line,
        "claim": f"{claim.run or ''} {claim_words(claim, language)}: {claim.value}".strip(),
        "evidence": value,
        "cite": next((Cite(at.file, at.where) for at in judged.evidence), None),
    }


def plan_data(view: ReportView, item: PlanItem, language: Language) -> Values:
    """A line of the plan."""
    return {
        "case": view.name(item.case),
        "state": item.state,
        "why": item.why,
        "progress": f"{100 * item.progress:.0f} %" if item.progress is not None else "",
        "time": duration(item.seconds, language) if item.seconds is not None else "",
        "command": item.command,
    }


def answerable(view: ReportView, language: Language) -> list[tuple[bool, list[str]]]:
    """Which questions the finished cases answer: groups of lines, each a list or a paragraph."""
    if view.plan.design is None:
        return []
    names = {case.name: view.name(case.name) for case in view.cases}
    questions = [item.question for item in view.comparisons if item.question is not None]
    titles = {question.name: in_language(question.title, language) for question in questions}
    lines = design_lines(view.plan.design, names, titles, language)
    return [
        (listed, [line.removeprefix("- ") for line in group])
        for listed, group in groupby(lines, key=lambda line: line.startswith("- "))
    ]


def trust_data(view: ReportView, language: Language) -> Values | None:
    """From loss to driving; None where fewer than two checkpoints were evaluated and driven."""
    trusts = trust(evaluated_checkpoints(view.cases, view.workspace))
    if not trusts:
        return None
    return {
        "answers": f"{over_cases(trusts, language)} {within_cases(trusts, language)}",
        "numbers": [trust_sentence(trusted, language) for trusted in trusts],
    }


def _factor_of(comparison: Comparison) -> str | None:
    return comparison.question.factor if comparison.question else comparison.factor


def _factor_row(
    view: ReportView, comparison: Comparison, factor: Factor, language: Language
) -> Values:
    return {
        "name": term("factor", factor.name, language),
        "a": level(factor.a, language),
        "b": level(factor.b, language),
        "role": phrase(f"report.{_role(comparison, factor)}", language),
        "cites": view.cites((factor.evidence_a, factor.evidence_b)),
    }


def _role(comparison: Comparison, factor: Factor) -> str:
    """What a factor that is not held plays in this comparison."""
    if factor.name == _factor_of(comparison):
        return "in_question"
    if factor.name in comparison.confounds:
        return "confound"
    if factor.relation == "unknown":
        return "not_known"
    return "nuisance" if factor.nuisance else "follows_from"


def _effects(comparison: Comparison, b: str, language: Language) -> Values:
    """The measured effects, how they were measured, and what limits them."""
    effects, confounds = comparison.effects, comparison.confounds
    limits = []
    if any(effect.seeds < 2 for effect in effects):
        limits.append(phrase("result.one_seed", language))
    if effects and confounds:
        limits.append(unattributed(_factor_of(comparison), confounds, language))
    comparable = comparison.verdict == "valid" and effects
    return {
        "effects": [_effect_row(effect, b, language) for effect in effects],
        "methods": "; ".join(dict.fromkeys(words(effect.method, language) for effect in effects)),
        "limits": limits,
        "found": findings_text(effects, b, language) if comparable else number(None),
    }


def _effect_row(effect: Effect, b: str, language: Language) -> list[str]:
    return [
        term("metric", effect.metric, language),
        number(effect.a, effect.unit),
        number(effect.b, effect.unit),
        number(effect.difference, effect.unit, signed=True),
        interval_text(effect, language),
        str(effect.n),
        p_text(effect),
        number(effect.detectable, effect.unit, 2),
        found_words(effect, b, language),
    ]


def _missing(
    view: ReportView, comparison: Comparison, missing: Missing, language: Language
) -> Values:
    """A run that would settle a comparison: its levels, its purpose and its cost."""
    purpose = phrase("report.no_finished", language)
    if comparison.verdict == "confounded":
        purpose = separates(_factor_of(comparison), comparison.confounds, language)
    parts = [level_list(missing.description, language, "; "), purpose]
    if missing.seconds is not None:
        parts.append(f"{phrase('report.costs', language)} {duration(missing.seconds, language)}")
    return {
        "case": view.name(missing.case) if missing.case else "",
        "text": "; ".join(part for part in parts if part),
    }
