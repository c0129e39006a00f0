"""What is done, running, to do and blocked, with the command for each and its forecast cost."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

import msgspec

from mobile_vla.analysis.control_runs import forecast
from mobile_vla.analysis.model import Comparison, Design, PageFault, Plan, PlanItem, PlanState
from mobile_vla.evidence.group_runs import missing_weights, of_profile, waits_for
from mobile_vla.evidence.model import CaseView, RunView
from mobile_vla.messages.reason import Reason, reason


def make_plan(
    cases: Sequence[CaseView],
    comparisons: Sequence[Comparison],
    profile: str | None,
    seconds_per_step: float | None,
    design: Design | None = None,
) -> Plan:
    """The plan of a study. `comparisons`: of its questions, for the controls they ask for.

    `seconds_per_step`: measured on other runs; forecasts are None where nothing was measured.
    """
    planner = _Planner({case.name: case for case in cases}, profile, seconds_per_step)
    controls = {
        missing.case: missing.parts
        for comparison in comparisons
        for missing in comparison.would_settle
        if missing.case is not None and comparison.verdict == "confounded"
    }
    items = [planner.item(case, controls.get(case.name)) for case in cases]
    order = ("running", "to_do", "blocked")
    steps = [_step(item) for state in order for item in items if item.state == state]
    return Plan(
        items=items,
        next_steps=steps + _asked_next(comparisons, planner),
        faults=list(_faults(comparisons)),
        design=design,
    )


def _faults(comparisons: Sequence[Comparison]) -> Iterator[PageFault]:
    """Pairs of the page of which something else moves too, as run or as planned."""
    verdicts = {(_question(c), c.a, c.b): c.verdict for c in comparisons}
    for comparison in comparisons:
        question = comparison.question
        if (
            question is None
            or (comparison.a, comparison.b) != question.pair
            or not comparison.confounds
        ):
            continue
        fair = question.fair_pair
        yield PageFault(
            question=question,
            a=comparison.a,
            b=comparison.b,
            confounds=comparison.confounds,
            fair=fair,
            fair_verdict=verdicts.get((question.name, *fair)) if fair else None,
        )


def _question(comparison: Comparison) -> str | None:
    return comparison.question.name if comparison.question else None


class _Planner:
    def __init__(
        self,
        cases: dict[str, CaseView],
        profile: str | None,
        seconds_per_step: float | None,
    ) -> None:
        self.cases, self.profile = cases, profile
        self.seconds_per_step = seconds_per_step

    def item(self, case: CaseView, parts: list[Reason] | None) -> PlanItem:
        run = case.run
        if run is None:
            item = self._not_begun(case)
        elif run.state == "finished":
            item = self._finished(case, run)
        elif run.state == "running":
            item = self._under_way(case, run)
        elif run.state in ("stalled", "unknown"):
            item = _line(case, "blocked", reason("plan.state", state=run.state, cause=run.why))
        else:
            item = self._again(case, run)
        if parts and item.state in ("to_do", "blocked"):
            why = reason("plan.control", cause=item.why, parts=[*parts])
            return msgspec.structs.replace(item, why=why)
        return item

    def forecast(self, case: CaseView) -> float | None:
        """Seconds of a whole run of the case."""
        return forecast(case.planned, self.seconds_per_step)

    def _not_begun(self, case: CaseView) -> PlanItem:
        if case.planned is None or case.state == "blocked":
            return _line(case, "blocked", case.why)
        return _line(case, "to_do", case.why, _train(case), seconds=self.forecast(case))

    def _under_way(self, case: CaseView, run: RunView) -> PlanItem:
        seconds_left = self._rest(run)
        progress = run.steps / run.total_steps if run.steps and run.total_steps else 0.0
        return _line(case, "running", run.why, seconds=seconds_left, progress=progress)

    def _again(self, case: CaseView, run: RunView) -> PlanItem:
        """Killed, failed or unverified: resume, take the study's next attempt, or mend first."""
        waits = waits_for(case.after, self.cases)
        if waits:
            return _line(case, "blocked", waits)
        if run.state == "killed" and run.latest is not None and run.latest.problem is None:
            why = reason("plan.resumes", cause=run.why, checkpoint=run.latest.path)
            return _line(case, "to_do", why, f"{_train(case)} --resume", seconds=self._rest(run))
        tried = len(of_profile(case.runs, self.profile))
        left = case.attempts - tried
        if run.state == "failed" and left > 0:
            why = reason(
                "plan.next_attempt", attempt=tried, attempts=case.attempts, state=run.state,
                cause=run.why, following=tried + 1,
            )  # fmt: skip
            return _line(case, "to_do", why, _train(case), seconds=self.forecast(case))
        absent = missing_weights(case.planned) if case.planned else None
        if absent:
            why = reason("plan.weights_missing", state=run.state, cause=run.why, weights=absent)
            return _line(case, "blocked", why)
        why = reason("plan.state", state=run.state, cause=run.why)
        return _line(case, "to_do", why, _train(case), seconds=self.forecast(case))

    def _finished(self, case: CaseView, run: RunView) -> PlanItem:
        """Done, unless it is to be evaluated or a seed of its attempts has no finished run."""
        if run.offline is None and run.rollouts is None:
            command = f"mvla evaluate {_name(case)}"
            return _line(case, "to_do", reason("plan.not_evaluated"), command)
        runs = of_profile(case.runs, self.profile)
        done = {str(other.resolved.recipe.seed) for other in runs
                if other.resolved and other.state == "finished"}  # fmt: skip
        left = [str(seed) for seed in case.seeds if str(seed) not in done]
        if left and len(runs) < case.attempts:
            why = reason("plan.seeds_left", finished=[*sorted(done)], remaining=[*left])
            return _line(case, "to_do", why, _train(case), seconds=self.forecast(case))
        return _line(case, "done", run.why, progress=1.0)

    def _rest(self, run: RunView) -> float | None:
        pace = run.seconds_per_step or self.seconds_per_step
        if pace is None or run.total_steps is None:
            return None
        return max(0, run.total_steps - (run.steps or 0)) * pace


def _line(
    case: CaseView,
    state: PlanState,
    why: Reason,
    command: str | None = None,
    *,
    seconds: float | None = None,
    progress: float | None = None,
) -> PlanItem:
    return PlanItem(
        case=case.name,
        label=case.label,
        state=state,
        why=why,
        command=command,
        seconds=seconds,
        progress=progress,
    )


def _name(case: CaseView) -> str:
    name = case.label or case.name
    return f'"{name}"' if shlex.quote(name) != name and '"' not in name else shlex.quote(name)


def _train(case: CaseView) -> str:
    return f"mvla train {_name(case)}"


def _step(item: PlanItem) -> Reason:
    name = item.label or item.case
    if item.state == "running":
        return reason("plan.watch", case=name, cause=item.why)
    if item.command:
        return reason("plan.command", command=item.command, cause=item.why)
    return reason("plan.blocked", case=name, cause=item.why)


def _asked_next(comparisons: Sequence[Comparison], planner: _Planner) -> list[Reason]:
    """Comparisons that can be made, and controls that nobody has planned."""
    steps = []
    for comparison in comparisons:
        for missing in comparison.would_settle:
            if comparison.verdict == "confounded" and missing.case is None:
                levels = [
                    reason("design.level", factor=factor, value=value)
                    for factor, value in missing.description.items()
                ]
                steps.append(reason("plan.add_case", levels=[*levels], parts=[*missing.parts]))
        if comparison.verdict == "valid":
            steps.append(_compare(planner, comparison.a, comparison.b, comparison))
    return list(dict.fromkeys(steps))


def _compare(planner: _Planner, a: str, b: str, comparison: Comparison) -> Reason:
    names = " ".join(_name(planner.cases[name]) for name in (a, b))
    question = f" --question {comparison.question.name}" if comparison.question else ""
    return reason("plan.compare", command=f"mvla compare {names}{question}")
