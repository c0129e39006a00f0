"""`mvla evaluate --all`: every trained case evaluated, and which offline number ranks them."""

from __future__ import annotations

import io
from pathlib import Path

from mobile_vla.analysis.offline_vs_rollout import Trust, driven, trust
from mobile_vla.cli.run_options import Setting, progress
from mobile_vla.cli.select_run import book_of
from mobile_vla.evidence.model import CaseView
from mobile_vla.messages.catalogue import term
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
    found = trust(driven(book_of(chosen).cases(), base))
    if not found:
        raise UserError(
            "Fewer than two checkpoints were evaluated and driven, so no number can be held "
            "against driving: train another case, or give --scenes 10."
        )
    write_json(base / f"{NAME}.json", found)
    draw(base / f"{NAME}.png", found)
    return found


def _evaluate_rest(case: CaseView, chosen: Setting, scenes: int, jobs: int) -> None:
    """Evaluate those checkpoints of a case that load and have not been."""
    from mobile_vla.evaluation.evaluate import evaluate_run

    assert case.run is not None
    known = {one.checkpoint for one in driven([case], chosen.workspace.path)}
    run = RunFolder(chosen.workspace.path / case.run.path)
    for view in case.run.checkpoints:
        name = Path(view.path).name
        if view.problem is not None or name in known:
            continue
        with progress(f"evaluating {case.label or case.name}, {name}") as report:
            evaluate_run(run, chosen.workspace, scenes, report, checkpoint=name, jobs=jobs)


def draw(path: Path, found: list[Trust]) -> None:
    """A PNG with a panel for each number: the number across, the share of success up.

    A dot is a checkpoint; a line joins those of one case. Green: trusted over cases.
    """
    from matplotlib.figure import Figure

    rows = -(-len(found) // COLUMNS)
    figure = Figure(figsize=(4 * COLUMNS, 3 * rows), layout="constrained")
    for number, one in enumerate(found, start=1):
        axes = figure.add_subplot(rows, COLUMNS, number)
        colour = "#1a7f37" if one.trusted else "#616161"
        cases: dict[str, list[tuple[float, float]]] = {}
        for name, point in one.points.items():
            cases.setdefault(name.rpartition(" ")[0], []).append(point)
        for points in cases.values():
            axes.plot(*zip(*points, strict=True), "o-", color=colour, linewidth=0.8, alpha=0.8)
        axes.set_ylim(-0.05, 1.05)
        axes.set_xlabel(term("metric", one.metric, "en"))
        axes.set_ylabel("success")
        rho = "–" if one.rank_correlation is None else f"{one.rank_correlation:+.2f}"
        axes.set_title(f"rank correlation {rho}, MMRV {one.mmrv:.2f}", fontsize=9)
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=90)
    write_atomic(path, png.getvalue())
