"""`mvla evaluate --all`: every trained case evaluated, and which offline number ranks them."""

from __future__ import annotations

import io
from pathlib import Path

from mobile_vla.casebook.casebook import Casebook
from mobile_vla.casebook.trust import Trust, trust
from mobile_vla.commands.common import Setting, progress
from mobile_vla.record.errors import UserError
from mobile_vla.record.files import write_atomic, write_json
from mobile_vla.record.folder import RunFolder

NAME = "loss_to_driving"
COLUMNS = 4


def evaluate_all(chosen: Setting, scenes: int) -> list[Trust]:
    """Evaluate what is trained and not evaluated; write JSON and a picture in the workspace.

    A `UserError` where fewer than two cases were driven.
    """
    from mobile_vla.commands.evaluate import evaluate_run

    for case in _book(chosen).cases():
        run = case.run
        if run is None or run.best is None or (run.offline and run.rollouts):
            continue
        with progress(f"evaluating {case.label or case.name}") as report:
            evaluate_run(
                RunFolder(chosen.workspace.path / run.path), chosen.workspace, scenes, report
            )
    found = trust(_book(chosen).cases())
    if not found:
        raise UserError(
            "Fewer than two cases were evaluated and driven, so no number can be held against "
            "driving: train another case, or give --scenes 10."
        )
    write_json(chosen.workspace.path / f"{NAME}.json", found)
    draw(chosen.workspace.path / f"{NAME}.png", found)
    return found


def sentence(found: Trust) -> str:
    """What may be said of one number."""
    if found.rank_correlation is None or found.low is None or found.high is None:
        return f"{found.metric}: the same in all {found.n} cases or they all drive alike"
    verdict = (
        "may be used to choose" if found.trusted else "not shown to rank cases as driving does"
    )
    return (
        f"{found.metric}: rank correlation {found.rank_correlation:+.2f} "
        f"[{found.low:+.2f}, {found.high:+.2f}], MMRV {found.mmrv:.3f}, "
        f"adjusted p {found.p_adjusted:.3g}, {found.n} cases: {verdict}"
    )


def draw(path: Path, found: list[Trust]) -> None:
    """A PNG with a panel for each number: the number across, the share of success up."""
    from matplotlib.figure import Figure

    rows = -(-len(found) // COLUMNS)
    figure = Figure(figsize=(4 * COLUMNS, 3 * rows), layout="constrained")
    for number, one in enumerate(found, start=1):
        axes = figure.add_subplot(rows, COLUMNS, number)
        across, up = zip(*one.points.values(), strict=True)
        axes.scatter(across, up, color="#1a7f37" if one.trusted else "#616161")
        axes.set_ylim(-0.05, 1.05)
        axes.set_xlabel(one.metric)
        axes.set_ylabel("success")
        rho = "–" if one.rank_correlation is None else f"{one.rank_correlation:+.2f}"
        axes.set_title(f"rank correlation {rho}, MMRV {one.mmrv:.2f}", fontsize=9)
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=90)
    write_atomic(path, png.getvalue())


def _book(chosen: Setting) -> Casebook:
    return Casebook(
        chosen.workspace.path, chosen.study, chosen.profile_name, study_path=chosen.path
    )
