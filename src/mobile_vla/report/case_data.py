"""Parts 1 and 2 of the report as plain values: the runs, what they measured, and each case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mobile_vla.analysis.headline_metrics import beats_replay, rate, success, unbeaten_replays
from mobile_vla.analysis.wording import episodes, share_of
from mobile_vla.evidence.model import CaseView, CheckpointView, RunView
from mobile_vla.messages.catalogue import phrase, term
from mobile_vla.messages.formats import Language, number, plain, size
from mobile_vla.report.report_data import ReportView
from mobile_vla.runs.results import Metric, Offline, Rollouts, Scored
from mobile_vla.study.models import Counts, ResolvedCase

Values = dict[str, Any]


def case_data(view: ReportView, case: CaseView, place: int, language: Language) -> Values:
    """A case for its row in part 1 and its section in part 2."""
    run, resolved = case.run, _resolved(case)
    state_word = term("state", case.state, language)
    heading = f"{case.label}: {case.name}" if case.label else case.name
    return {
        "anchor": f"case-{place}",
        "heading": f"{heading} ({state_word})",
        "name": case.name,
        "label": case.label,
        "state": case.state,
        "why": case.why,
        "representative": _place(case),
        "date": f"{run.started.astimezone():%m-%d}" if run and run.started else None,
        "init": (resolved.init or resolved.vlm).name if resolved else None,
        "data": data_words(case, language),
        "resolved": resolved,
        "recipe": _recipe(resolved, language) if resolved else "",
        "run": run_data(view, run, language) if run else None,
        "others": [run_data(view, other, language) for other in case.runs if other is not run],
    }


def run_data(view: ReportView, run: RunView, language: Language) -> Values:
    """A run: its state, its files, what trained, on what, and the checkpoint to use."""
    checkpoint = run.best or run.latest
    return {
        "path": view.shown(run.path),
        "state": run.state,
        "why": run.why,
        "evidence": view.cites(run.evidence),
        "cite": {
            name: view.cite(run, name)
            for name in ("case.yaml", "load_report.json", "manifest.json", "metrics.csv")
        },
        "has_case_file": run.resolved is not None,
        "parts": run.trained_parts,
        "train": episodes(run.train, language) if run.train else None,
        "validation": episodes(run.validation, language) if run.validation else None,
        "manifest": (run.manifest_hash or "")[:16],
        "steps": _steps(run),
        "losses": _losses(run, language),
        "checkpoint": _checkpoint(view, checkpoint) if checkpoint else None,
        "offline": against_baselines(run.offline, language) if run.offline else None,
    }


def driving_rows(view: ReportView, language: Language) -> list[Values]:
    """Success by instruction, side and collisions of every run that was driven.

    Below each run stand the replays of its training actions on the same scenes.
    """
    return [
        {
            "case": ", ".join([view.name(case.name), *series]),
            "rates": [share_of(value, language) for value in _rates(rollouts)],
            "cite": view.cite(case.run, "evaluation/rollouts.json"),
        }
        for case in view.cases
        if case.run is not None and case.run.rollouts is not None
        for series, rollouts in _series(case.run.rollouts, language)
    ]


def _series(rollouts: Rollouts, language: Language) -> Iterator[tuple[list[str], Rollouts]]:
    """The policy's drives under no name, and each replay's under the words for it."""
    yield [], rollouts
    for replay in rollouts.replays:
        yield [term("series", replay.name, language)], rollouts.of_replay(replay)


def offline_table(view: ReportView, language: Language) -> Values:
    """Errors, direction accuracy, the swap of instructions, and replay by step beside them."""
    runs = [(case.name, case.run) for case in view.cases if case.run and case.run.offline]
    policies = [run.offline.policy for _, run in runs if run.offline]
    errors = (metric.name for policy in policies for metric in policy.metrics)
    names = list(dict.fromkeys(name for name in errors if name.startswith("mae_")))
    rows = [
        {
            "case": view.name(case),
            "cite": view.cite(run, "evaluation/offline.json"),
            **_offline_row(run.offline, names, language),
        }
        for case, run in runs
        if run.offline
    ]
    return {"metrics": [term("metric", name, language) for name in names], "rows": rows}


def against_baselines(offline: Offline, language: Language) -> Values:
    """The policy and every baseline on the same episodes, in all metrics."""
    metrics = list({metric.name: metric for metric in offline.policy.metrics}.values())
    scores = [("policy", offline.policy), *((scored.name, scored) for scored in offline.baselines)]
    return {
        "set": offline.set.name,
        "n": len(offline.set.episodes),
        "metrics": [_metric_heading(metric, language) for metric in metrics],
        "rows": [
            (term("series", name, language), [_value(scored, metric.name) for metric in metrics])
            for name, scored in scores
        ],
    }


def _resolved(case: CaseView) -> ResolvedCase | None:
    return case.run.resolved if case.run and case.run.resolved else case.planned


def _place(case: CaseView) -> str:
    """Which of several runs represents the case, for example "2/3"."""
    if case.run is None or len(case.runs) < 2:
        return ""
    return f"{case.runs.index(case.run) + 1}/{len(case.runs)}"


def data_words(case: CaseView, language: Language) -> str:
    """What the manifest holds; what is planned where there is no manifest yet."""
    counts = [case.run.train, case.run.validation] if case.run else []
    if total := _total(counts):
        return episodes(total, language)
    resolved = _resolved(case)
    if resolved is None:
        return term("value", "unknown", language)
    planned = phrase("report.asked_for", language)
    return f"{episodes(resolved.data, language)} ({planned})"


def _total(counts: Iterable[Counts | None]) -> Counts | None:
    """Counts added up, None where none is known."""
    present = [count for count in counts if count is not None]
    if not present:
        return None
    sums = {
        name: sum(getattr(count, name) for count in present) for name in Counts.__struct_fields__
    }
    return Counts(**sums)


def _recipe(resolved: ResolvedCase, language: Language) -> str:
    recipe, lora = resolved.recipe, resolved.recipe.lora
    adapters = phrase(
        "report.adapters" if lora.parts else "report.no_adapters",
        language,
        parts=", ".join(lora.parts),
        r=lora.r,
        alpha=lora.alpha,
        dropout=plain(lora.dropout),
    )
    return phrase(
        "report.recipe",
        language,
        adapters=adapters,
        head=recipe.head.kind,
        window=recipe.window,
        chunk=recipe.chunk,
        epochs=recipe.epochs,
        batch=recipe.batch,
        accumulate=recipe.accumulate,
        learning_rate=plain(recipe.learning_rate),
        seed=recipe.seed,
    )


def _steps(run: RunView) -> str:
    if run.steps is None:
        return ""
    return f"{run.steps} / {run.total_steps}" if run.total_steps is not None else f"{run.steps}"


def _losses(run: RunView, language: Language) -> str:
    pairs = (("lowest", run.best_val_loss), ("final", run.final_val_loss))
    return ", ".join(
        f"{phrase(f'report.{key}', language)} {number(value)}"
        for key, value in pairs
        if value is not None
    )


def _checkpoint(view: ReportView, checkpoint: CheckpointView) -> Values:
    loss = checkpoint.val_loss
    return {
        "problem": checkpoint.problem,
        "path": view.shown(checkpoint.path),
        "size": size(checkpoint.bytes),
        "loss": plain(loss) if loss is not None else "",
    }


def _rates(rollouts: Rollouts | None) -> list[Any]:
    drives = rollouts.rollouts if rollouts else []
    sided = sum(drive.side == drive.direction for drive in drives)
    collided = sum(drive.collision for drive in drives)
    others = [rate(count, len(drives)) if drives else None for count in (sided, collided)]
    return [success(rollouts, "left"), success(rollouts, "right"), *others]


def _offline_row(offline: Offline, names: list[str], language: Language) -> Values:
    below = beats_replay(offline)
    unbeaten = unbeaten_replays(offline) or []
    values = [_value(offline.policy, name, unit=True) for name in (*names, "direction_accuracy")]
    return {
        "values": [*values, number(offline.swap.change, "m/s"), plain(offline.swap.follows)],
        "below_replay": "unknown" if below is None else "yes" if below else "no",
        "unbeaten": ", ".join(term("series", name, language) for name in unbeaten),
        "leaked": f"{len(offline.set.leaked)} / {len(offline.set.episodes)}",
    }


def _value(scored: Scored, name: str, *, unit: bool = False) -> str:
    metric = next((metric for metric in scored.metrics if metric.name == name), None)
    return number(metric.value, metric.unit if unit else "1") if metric else number(None)


def _metric_heading(metric: Metric, language: Language) -> str:
    name = term("metric", metric.name, language)
    return name if metric.unit in ("", "1") else f"{name} ({metric.unit})"
