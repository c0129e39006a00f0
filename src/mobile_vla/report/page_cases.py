"""Parts 1 and 2 of the report: what was really trained, what it measured, and each case."""

from __future__ import annotations

from mobile_vla.analysis.wording import (
    SIGNS,
    Language,
    episodes,
    number,
    plain,
    size,
    state_word,
)
from mobile_vla.evidence.model import CaseView, RunView
from mobile_vla.messages.catalogue import sentence
from mobile_vla.messages.reason import Reason
from mobile_vla.report.headings import text
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
from mobile_vla.report.page_results import against_table, driving_table, offline_table
from mobile_vla.report.report_data import ReportView, total
from mobile_vla.study.models import ResolvedCase


def exists_part(view: ReportView, language: Language) -> Section:
    """Part 1: the table of what exists, and what the evaluated runs measured."""
    tables = [_exists_table(view, language), driving_table(view, language)]
    tables.append(offline_table(view, language))
    blocks: list[Block] = [table for table in tables if table is not None]
    if len(blocks) == 1:
        blocks.append(Paragraph((text("not_evaluated", language),)))
    return Section(text("part1", language), "trained", tuple(blocks))


def cases_part(view: ReportView, language: Language) -> Section:
    """Part 2: one section a case."""
    parts = tuple(
        _case_section(view, case, f"case-{number_}", language)
        for number_, case in enumerate(view.cases, 1)
    )
    return Section(text("part2", language), "cases", (), parts)


def state_line(case: CaseView, language: Language) -> Line:
    """A case's state, and which of its runs speaks for it where there are several."""
    mark = Mark(case.state, SIGNS[case.state], state_word(case.state, language))
    if case.run is None or len(case.runs) < 2:
        return (mark,)
    place = case.runs.index(case.run) + 1
    return (mark, f" ({text('run', language)} {place}/{len(case.runs)})")


def reason_line(why: Reason, language: Language) -> Line:
    """A reason in words; a note of another program's importer is quoted in a Korean page."""
    words = sentence(why, language)
    if language == "ko" and why.code == "run.foreign_note":
        return (Code(words), f" ({text('original', language)})")
    return (words,)


def _exists_table(view: ReportView, language: Language) -> Table:
    keys = ("name", "date", "init", "data", "checkpoint", "state", "evidence")
    return Table(
        caption=text("exists", language),
        head=tuple(text(key, language) for key in keys),
        rows=tuple(_exists_row(view, case, language) for case in view.cases),
    )


def _exists_row(view: ReportView, case: CaseView, language: Language) -> tuple[Line, ...]:
    run = case.run
    date = (
        run.started.astimezone().strftime("%m-%d")
        if run and run.started
        else text("not_yet", language)
    )
    evidence: Line = (text("none", language),)
    if run is not None:
        proof = view.proof(run)
        evidence = (Cite(proof[0].file, proof[0].where) if proof else Cite(view.shown(run.path)),)
    name: Line = (Strong(case.name),)
    if case.label:
        name = (Strong(case.name), f" ({case.label})")
    return (
        name,
        (date,),
        (_init(case, language),),
        (_data(case, language),),
        _checkpoint(case, language),
        state_line(case, language),
        evidence,
    )


def _resolved(case: CaseView) -> ResolvedCase | None:
    return case.run.resolved if case.run and case.run.resolved else case.planned


def _init(case: CaseView, language: Language) -> str:
    resolved = _resolved(case)
    if resolved is None:
        return text("unknown", language)
    return resolved.init.name if resolved.init else resolved.vlm.name


def _data(case: CaseView, language: Language) -> str:
    """What the manifest holds; what was asked for where there is none yet, and said so."""
    run = case.run
    held = total([run.train, run.validation]) if run else None
    if held is not None:
        return episodes(held, language)
    resolved = _resolved(case)
    if resolved is None:
        return text("unknown", language)
    return f"{episodes(resolved.data, language)} ({text('asked_for', language)})"


def _checkpoint(case: CaseView, language: Language) -> Line:
    run = case.run
    if run is None or (run.best is None and run.latest is None):
        return (Mark("no", SIGNS["no"], text("no", language)),)
    shown = run.best or run.latest
    assert shown is not None
    if shown.problem:
        return (Mark("no", SIGNS["stalled"], sentence(shown.problem, language)),)
    loss = f", val loss {plain(shown.val_loss)}" if shown.val_loss is not None else ""
    return (Mark("yes", SIGNS["yes"], text("yes", language)), loss)


def _case_section(view: ReportView, case: CaseView, anchor: str, language: Language) -> Section:
    title = f"{case.label}: {case.name}" if case.label else case.name
    blocks: list[Block] = [Bullets(tuple(_facts(view, case, language)))]
    if case.run is None:
        blocks.append(Paragraph((text("no_runs", language),)))
    elif case.run.offline is not None:
        blocks.append(against_table(view, case.run, case.run.offline, language))
    earlier = [run for run in case.runs if run is not case.run]
    if earlier:
        blocks.append(Bullets(tuple(_run_line(view, run, language) for run in earlier)))
    return Section(f"{title} ({state_word(case.state, language)})", anchor, tuple(blocks))


def _facts(view: ReportView, case: CaseView, language: Language) -> list[Line]:
    """The key: value lines of a case, each with the file that says so."""
    run, resolved = case.run, _resolved(case)
    facts: list[Line] = []
    if resolved is not None:
        source: Line = _cite(view, run, "case.yaml", run is not None and run.resolved is not None)
        facts += [
            _fact("vlm", (resolved.vlm.name, *_path(resolved.vlm.path)), language),
            _fact("vlm_init", _init_line(resolved, language), language),
            _fact("training", (_recipe(resolved), *source), language),
        ]
    if run is not None:
        facts += _run_facts(view, run, language)
    facts.append(_fact("result", _result(view, case, language), language))
    if case.why:
        facts.append(_fact("why", reason_line(case.why, language), language))
    if run is not None:
        cites: Line = _joined([Cite(item.file, item.where) for item in view.proof(run)])
        facts.append(_fact("evidence", cites or (text("none", language),), language))
    return facts


def _run_facts(view: ReportView, run: RunView, language: Language) -> list[Line]:
    facts: list[Line] = []
    if run.trained_parts:
        parts = ", ".join(f"{part} {count:,}" for part, count in run.trained_parts.items())
        trained = f"{sum(run.trained_parts.values()):,} ({parts})"
        facts.append(
            _fact("trained", (trained, *_cite(view, run, "load_report.json", True)), language)
        )
    if run.train is not None or run.validation is not None:
        facts.append(_fact("data", _manifest(view, run, language), language))
    if run.steps is not None:
        of = f" / {run.total_steps}" if run.total_steps is not None else ""
        facts.append(_fact("steps", (f"{run.steps}{of}",), language))
    return facts


def _manifest(view: ReportView, run: RunView, language: Language) -> Line:
    held = "; ".join(
        f"{text(key, language)} {episodes(counts, language)}"
        for key, counts in (("train", run.train), ("validation", run.validation))
    )
    digest: Line = (", manifest ", Code(run.manifest_hash[:16])) if run.manifest_hash else ()
    return (held, *digest, *_cite(view, run, "manifest.json", True))


def _result(view: ReportView, case: CaseView, language: Language) -> Line:
    run = case.run
    line: Line = state_line(case, language)
    if run is None:
        return line
    losses = [
        f"{text(key, language)} {number(value)}"
        for key, value in (("lowest", run.best_val_loss), ("final", run.final_val_loss))
        if value is not None
    ]
    if losses:
        line += (f"; {text('val_loss', language)} {', '.join(losses)}",)
        line += (f" ({text('own_val', language)})", *_cite(view, run, "metrics.csv", True))
    kept = run.best or run.latest
    if kept is not None and kept.problem is None:
        line += ("; ", Code(view.shown(kept.path)), f", {size(kept.bytes)}")
    return line


def _run_line(view: ReportView, run: RunView, language: Language) -> Line:
    """Another run of the case: its folder, state, reason and evidence."""
    head: Line = (f"{text('run', language)} ", Code(view.shown(run.path)), ": ")
    mark = Mark(run.state, SIGNS[run.state], state_word(run.state, language))
    cites = _joined([Cite(item.file, item.where) for item in view.proof(run)])
    return (*head, mark, "; ", *reason_line(run.why, language), *(("; ", *cites) if cites else ()))


def _recipe(resolved: ResolvedCase) -> str:
    recipe, lora = resolved.recipe, resolved.recipe.lora
    return (
        f"LoRA on {', '.join(lora.parts)} (r={lora.r}, alpha={lora.alpha}, "
        f"dropout={plain(lora.dropout)}), {recipe.head.kind} head, window {recipe.window}, "
        f"chunk {recipe.chunk}, {recipe.epochs} epochs, batch {recipe.batch} × "
        f"{recipe.accumulate}, learning rate {plain(recipe.learning_rate)}, seed {recipe.seed}"
    )


def _init_line(resolved: ResolvedCase, language: Language) -> Line:
    if resolved.init is None:
        return (text("scratch", language),)
    return (resolved.init.name, *_path(resolved.init.path))


def _path(path: str | None) -> Line:
    return (" ", Code(path)) if path else ()


def _cite(view: ReportView, run: RunView | None, name: str, there: bool) -> Line:
    """ " (file)" for a file of the run's folder."""
    return (" (", Cite(view.cited(run, name)), ")") if run is not None and there else ()


def _fact(key: str, value: Line, language: Language) -> Line:
    return (Strong(text(key, language)), ": ", *value)


def _joined(parts: list[Cite]) -> Line:
    line: Line = ()
    for part in parts:
        line += (", ", part) if line else (part,)
    return line
