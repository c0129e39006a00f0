"""Parts 3, 5 and 7 of the report: what does not hold, each comparison, and what can be compared."""

from __future__ import annotations

from itertools import groupby

from mobile_vla.analysis.diagnostics import diagnose
from mobile_vla.analysis.model import Comparison, Effect, Factor, Missing
from mobile_vla.analysis.wording import (
    SIGNS,
    Language,
    capital,
    duration,
    factor_name,
    findings_text,
    found_words,
    interval_text,
    metric_name,
    number,
    one_seed,
    p_text,
    pick,
    settles,
    state_word,
    unattributed,
    value_text,
    verdict_sentence,
    verdict_word,
)
from mobile_vla.analysis.wording_design import design_lines
from mobile_vla.audit.audit_messages import reason, shown, what
from mobile_vla.messages.catalogue import sentence
from mobile_vla.report.headings import text
from mobile_vla.report.page_cases import reason_line
from mobile_vla.report.page_model import (
    Block,
    Bullets,
    Cite,
    Code,
    Line,
    Mark,
    Paragraph,
    Section,
    Strong,
    Table,
)
from mobile_vla.report.page_trust import trust_sections
from mobile_vla.report.report_data import ReportView, WrongLine


def corrections_part(view: ReportView, language: Language) -> Section:
    """Part 3: pairs of the page that cannot answer its questions, failed runs, conflicts."""
    lines = [
        _correction(view, comparison, language)
        for comparison in view.comparisons
        if comparison.question is not None
        and comparison.verdict != "valid"
        and (comparison.a, comparison.b) == comparison.question.pair
    ]
    lines += _failures(view, language)
    blocks: tuple[Block, ...] = (Bullets(tuple(lines)),)
    if not lines:
        blocks = (Paragraph((text("nothing_wrong", language),)),)
    parts = (*_run_faults(view, language), *_wrong_documents(view, language))
    return Section(text("part3", language), "corrections", blocks, parts)


def _run_faults(view: ReportView, language: Language) -> tuple[Section, ...]:
    """What an evaluation shows to be wrong with the run that speaks for a case."""
    lines = [
        (Strong(view.name(case.name)), ": ", sentence(fault, language))
        for case in view.cases
        if case.run is not None
        for fault in diagnose(case.run)
    ]
    if not lines:
        return ()
    return (Section(text("run_faults", language), "run-faults", (Bullets(tuple(lines)),)),)


def _wrong_documents(view: ReportView, language: Language) -> tuple[Section, ...]:
    """What other documents say and the evidence does not bear out, each with its line."""
    if not view.wrong:
        return ()
    lines = tuple(_wrong_line(wrong, language) for wrong in view.wrong)
    title = text("wrong_documents", language)
    return (Section(title, "wrong-documents", (Bullets(lines),)),)


def _wrong_line(wrong: WrongLine, language: Language) -> Line:
    line: Line = (Cite(wrong.document, f"line {wrong.line}"), ": ")
    judged = wrong.judged
    if judged is None:
        return (*line, wrong.problem)
    claim = judged.claim
    said = f"{claim.case or ''} {what(claim, language)}: {claim.value}".strip()
    so = shown(judged, language) or reason(judged.reason, language)
    if judged.verdict == "stale":
        so += f" ({text('stale', language)})"
    line = (*line, Code(said), f" → {so}")
    if judged.evidence is None:
        return line
    return (*line, " (", Cite(judged.evidence.file, judged.evidence.where), ")")


def comparisons_part(view: ReportView, language: Language) -> Section:
    """Part 5: one section a comparison."""
    parts = tuple(
        _comparison_section(view, comparison, f"comparison-{place}", language)
        for place, comparison in enumerate(view.comparisons, 1)
    )
    none = () if parts else (Paragraph((text("no_questions", language),)),)
    return Section(text("part5", language), "comparisons", none, parts)


def possible_part(view: ReportView, language: Language) -> Section:
    """Part 7: the table of what can really be compared."""
    keys = ("comparison", "a", "b", "possible", "confounds", "finding")
    table = Table(
        caption=text("part7", language).split(". ", 1)[1],
        head=tuple(text(key, language) for key in keys),
        rows=tuple(_possible_row(view, item, language) for item in view.comparisons),
    )
    blocks: tuple[Block, ...] = (table,)
    if not view.comparisons:
        blocks = (Paragraph((text("no_questions", language),)),)
    parts = (*_answerable(view, language), *trust_sections(view, language))
    return Section(text("part7", language), "possible", blocks, parts)


def _answerable(view: ReportView, language: Language) -> tuple[Section, ...]:
    """Which questions the finished cases can answer, and the fewest cases for the rest."""
    if view.plan.design is None:
        return ()
    names = {case.name: view.name(case.name) for case in view.cases}
    asked = [item.question for item in view.comparisons if item.question is not None]
    titles = {one.name: pick((one.title.en, one.title.ko), language) for one in asked}
    blocks = tuple(
        Bullets(tuple((line.removeprefix("- "),) for line in group)) if listed
        else Paragraph((" ".join(group),))
        for listed, lines in groupby(
            design_lines(view.plan.design, names, titles, language),
            key=lambda line: line.startswith("- "),
        )
        if (group := list(lines))
    )  # fmt: skip
    return (Section(text("answerable", language), "answerable", blocks),)


def title_of(comparison: Comparison, language: Language) -> str:
    """The question a comparison is for, or that the study asks none."""
    question = comparison.question
    if question is None:
        return text("exploratory", language)
    title = pick((question.title.en, question.title.ko), language)
    pair = (comparison.a, comparison.b)
    return f"{title} ({text('fair', language)})" if pair == question.fair_pair else title


def _correction(view: ReportView, comparison: Comparison, language: Language) -> Line:
    a, b = view.name(comparison.a), view.name(comparison.b)
    sentence = verdict_sentence(
        comparison.verdict, title_of(comparison, language), comparison.confounds, language
    )
    return (_mark(comparison, language), " ", Strong(f"{a} vs {b}"), f": {sentence}")


def _failures(view: ReportView, language: Language) -> list[Line]:
    lines: list[Line] = []
    for case in view.cases:
        for run in case.runs:
            cites = tuple(Cite(item.file, item.where) for item in view.proof(run)[:1])
            tail: Line = (" (", *cites, ")") if cites else ()
            if run.state in ("failed", "killed"):
                head = f"{text('wrong_run', language)}, {view.name(case.name)}"
                word = state_word(run.state, language)
                lines.append((Strong(head), f": {word}; ", *reason_line(run.why, language), *tail))
            for conflict in run.conflicts:
                head = f"{text('conflict', language)}, {view.name(case.name)}"
                lines.append((Strong(head), ": ", *reason_line(conflict, language), *tail))
    return lines


def _comparison_section(
    view: ReportView, comparison: Comparison, anchor: str, language: Language
) -> Section:
    a, b = view.name(comparison.a), view.name(comparison.b)
    title = title_of(comparison, language)
    verdict = verdict_sentence(comparison.verdict, title, comparison.confounds, language)
    blocks: list[Block] = [
        Paragraph((Strong(f"{a} vs {b}"), ": ", _mark(comparison, language), f". {verdict}"))
    ]
    if comparison.reasons:
        blocks.append(
            Bullets(tuple(reason_line(reason, language) for reason in comparison.reasons))
        )
    if comparison.factors:
        blocks.append(_moved(view, comparison, language))
    blocks += _effects(comparison, a, b, language)
    blocks += _settle(view, comparison, language)
    return Section(capital(f"{title}: {a} vs {b}"), anchor, tuple(blocks))


def _moved(view: ReportView, comparison: Comparison, language: Language) -> Block:
    shown = [factor for factor in comparison.factors if factor.relation != "held"]
    if not shown:
        return Paragraph((text("nothing_moved", language),))
    a, b = view.name(comparison.a), view.name(comparison.b)
    head = (text("factor", language), a, b, text("role", language), text("evidence", language))
    rows = tuple(_factor_row(view, comparison, factor, language) for factor in shown)
    return Table(text("moved", language), head, rows)


def _factor_row(
    view: ReportView, comparison: Comparison, factor: Factor, language: Language
) -> tuple[Line, ...]:
    return (
        (Strong(factor_name(factor.name, language)),),
        (value_text(factor.a, language),),
        (value_text(factor.b, language),),
        (text(_role(comparison, factor), language),),
        _factor_evidence(view, factor, language),
    )


def _factor_asked(comparison: Comparison) -> str | None:
    return comparison.question.factor if comparison.question else comparison.factor


def _role(comparison: Comparison, factor: Factor) -> str:
    """What a factor that is not held plays in this comparison."""
    if factor.name == _factor_asked(comparison):
        return "in_question"
    if factor.name in comparison.confounds:
        return "confound"
    if factor.relation == "unknown":
        return "not_known"
    return "nuisance" if factor.nuisance else "follows_from"


def _factor_evidence(view: ReportView, factor: Factor, language: Language) -> Line:
    line: Line = ()
    for evidence in (factor.evidence_a, factor.evidence_b):
        if evidence is not None:
            cite = Cite(view.shown(evidence.file), evidence.where)
            line += (", ", cite) if line else (cite,)
    return line or (text("none", language),)


def _effects(comparison: Comparison, a: str, b: str, language: Language) -> list[Block]:
    effects = comparison.effects
    if not effects:
        return []
    keys = ("difference", "interval", "pairs", "p", "detectable", "finding")
    head = (text("metric", language), a, b, *(text(key, language) for key in keys))
    rows = tuple(_effect_row(effect, b, language) for effect in effects)
    blocks: list[Block] = [Table(text("measured", language), head, rows)]
    methods = dict.fromkeys(sentence(effect.method, language) for effect in effects)
    blocks.append(Paragraph((f"{text('method', language)}: {'; '.join(methods)}.",)))
    if any(effect.seeds < 2 for effect in effects):
        blocks.append(Paragraph((one_seed(language),)))
    if comparison.confounds:
        factor = _factor_asked(comparison)
        blocks.append(Paragraph((unattributed(factor, comparison.confounds, language),)))
    return blocks


def _effect_row(effect: Effect, b: str, language: Language) -> tuple[Line, ...]:
    return (
        (Strong(metric_name(effect.metric, language)),),
        (number(effect.a, effect.unit),),
        (number(effect.b, effect.unit),),
        (number(effect.difference, effect.unit, signed=True),),
        (interval_text(effect, language),),
        (str(effect.n),),
        (p_text(effect),),
        (number(effect.detectable, effect.unit, 2),),
        (found_words(effect, b, language),),
    )


def _settle(view: ReportView, comparison: Comparison, language: Language) -> list[Block]:
    if not comparison.would_settle:
        return []
    lines = tuple(
        _settle_line(view, comparison, missing, language) for missing in comparison.would_settle
    )
    return [Paragraph((Strong(text("settle", language)), ":")), Bullets(lines)]


def _settle_line(
    view: ReportView, comparison: Comparison, missing: Missing, language: Language
) -> Line:
    """A run that would settle a comparison: what it holds, what it is for, what it costs."""
    described = "; ".join(
        f"{factor_name(name, language)} {value_text(value, language)}"
        for name, value in missing.description.items()
    )
    name: Line = (Strong(view.name(missing.case)), ": ") if missing.case else ()
    cost = ""
    if missing.seconds is not None:
        cost = f"; {text('costs', language)} {duration(missing.seconds, language)}"
    purpose = settles(_factor_asked(comparison), comparison.confounds, language)
    if comparison.verdict != "confounded":
        purpose = text("no_finished", language)
    return (*name, described, f"{'; ' if described else ''}{purpose}", cost)


def _possible_row(view: ReportView, comparison: Comparison, language: Language) -> tuple[Line, ...]:
    confounds = ", ".join(factor_name(name, language) for name in comparison.confounds)
    return (
        (Strong(title_of(comparison, language)),),
        (view.name(comparison.a),),
        (view.name(comparison.b),),
        (_mark(comparison, language),),
        (confounds or text("none", language),),
        (_found(comparison, view.name(comparison.b), language),),
    )


def _found(comparison: Comparison, b: str, language: Language) -> str:
    """What the effects amount to, where the pair may be compared at all."""
    if comparison.verdict != "valid" or not comparison.effects:
        return "–"
    return findings_text(comparison.effects, b, language)


def _mark(comparison: Comparison, language: Language) -> Mark:
    verdict = comparison.verdict
    return Mark(verdict, SIGNS[verdict], verdict_word(verdict, language))
