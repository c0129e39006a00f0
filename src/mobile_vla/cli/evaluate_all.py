"""`mvla evaluate --all`: every trained case evaluated, and which offline number ranks them."""

from __future__ import annotations

import io
from pathlib import Path

from mobile_vla.analysis.offline_vs_rollout import Trust, evaluated_checkpoints, trust
from mobile_vla.analysis.wording import metric_name
from mobile_vla.cli.run_options import Setting, progress
from mobile_vla.cli.select_run import book_of
from mobile_vla.evidence.model import CaseView
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.files import write_atomic, write_json
from mobile_vla.runs.folder import RunFolder

NAME = "loss_to_driving"
COLUMNS = 4


def evaluate_all(chosen: Setting, scenes: int, jobs: int) -> list[Trust]:
    """Evaluate what is trained and not evaluated; write JSON and a picture in the workspace.

    A `UserError` where fewer than two checkpoints were driven.
    """
    base = chosen.workspace.path
    for case in book_of(chosen).cases():
        if case.run is not None and case.run.foreign is None:
            _evaluate_rest(case, chosen, scenes, jobs)
    rankings = trust(evaluated_checkpoints(book_of(chosen).cases(), base))
    if not rankings:
        raise UserError(
            "Fewer than two checkpoints were evaluated and driven, so no number can be held "
            "against driving: train another case, or give --scenes 10."
        )
    write_json(base / f"{NAME}.json", rankings)
    draw(base / f"{NAME}.png", rankings)
    return rankings


def _evaluate_rest(case: CaseView, chosen: Setting, scenes: int, jobs: int) -> None:
    """Evaluate those checkpoints of a case that load and have not been."""
    from mobile_vla.evaluation.evaluate import evaluate_run

    assert case.run is not None
    evaluated = {
        checkpoint.checkpoint for checkpoint in evaluated_checkpoints([case], chosen.workspace.path)
    }
    run = RunFolder(chosen.workspace.path / case.run.path)
    for view in case.run.checkpoints:
        name = Path(view.path).name
        if view.problem is not None or name in evaluated:
            continue
        with progress(f"evaluating {case.label or case.name}, {name}") as report:
            evaluate_run(run, chosen.workspace, scenes, report, checkpoint=name, jobs=jobs)


def draw(path: Path, rankings: list[Trust]) -> None:
    """A PNG with a panel for each number: the number across, the share of success up.

    A dot is a checkpoint; a line joins those of one case. Green: trusted over cases.
    """
    from matplotlib.figure import Figure

    rows = -(-len(rankings) // COLUMNS)
    figure = Figure(figsize=(4 * COLUMNS, 3 * rows), layout="constrained")
    for number, ranking in enumerate(rankings, start=1):
        axes = figure.add_subplot(rows, COLUMNS, number)
        colour = "#1a7f37" if ranking.trusted else "#616161"
        cases: dict[str, list[tuple[float, float]]] = {}
        for name, point in ranking.points.items():
            cases.setdefault(name.rpartition(" ")[0], []).append(point)
        for points in cases.values():
            axes.plot(*zip(*points, strict=True), "o-", color=colour, linewidth=0.8, alpha=0.8)
        axes.set_ylim(-0.05, 1.05)
        axes.set_xlabel(metric_name(ranking.metric, "en"))
        axes.set_ylabel("success")
        rho = "–" if ranking.rank_correlation is None else f"{ranking.rank_correlation:+.2f}"
        axes.set_title(f"rank correlation {rho}, MMRV {ranking.mmrv:.2f}", fontsize=9)
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=90)
    write_atomic(path, png.getvalue())
