"""Scanned runs as a table, one row a run, with reasons and contradictions below it."""

from __future__ import annotations

from mobile_vla.cli.status_table import NOTHING, draw, foreign_data, foreign_data_told, wide
from mobile_vla.evidence.importers.scan_folders import Scanned
from mobile_vla.evidence.model import Foreign, Loss, RunView
from mobile_vla.messages.catalogue import sentence


def print_scanned(scanned: Scanned) -> None:
    """Print every run, why its state is so, and what contradicts or could not be read."""
    console = wide()
    title = "Runs that other programs made (data: training + validation episodes)"
    draw(console, [(run, run.foreign) for run in scanned.runs], _COLUMNS, title)
    for line in scan_lines(scanned):
        console.print(line, markup=False, highlight=False)


def scan_lines(scanned: Scanned) -> list[str]:
    """Each run's reason with its evidence, its contradictions, and files that tell of no run."""
    lines = []
    for run in scanned.runs:
        lines += ["", f"{run.case} ({run.path}): {run.state}. {sentence(run.why, 'en')}"]
        lines += [f"  read: {e.file} {e.where} {e.blake3[:12]}".rstrip() for e in run.evidence[:3]]
        lines += [f"  data: {data}"] if (data := foreign_data_told(run)) else []
        lines += [f"  note: {sentence(conflict, 'en')}" for conflict in run.conflicts]
    lines += [f"not read: {sentence(problem, 'en')}" for problem in scanned.problems]
    lines += [f"seen, not read: {sentence(problem, 'en')}" for problem in scanned.unread]
    if scanned.own:
        lines.append(f"{len(scanned.own)} runs of mobile-vla itself: `mvla status` reads them.")
    if not (scanned.runs or scanned.unread or scanned.own):
        lines.append("No run is recognised here; docs/evidence.md lists the formats that are read.")
    return lines


def _loss(run: RunView) -> str:
    losses = run.foreign.val_losses if run.foreign else []
    if not losses:
        return NOTHING
    last = losses[-1]
    lowest = next((loss for loss in losses if loss.value == run.best_val_loss), None)
    best = f"{lowest.value:.4g}{_place(lowest, losses)}" if lowest else "unknown"
    return f"best {best}, final {last.value:.4g}{_place(last, losses)}"


def _place(loss: Loss, losses: list[Loss]) -> str:
    """The epoch of a loss, and its step where the epoch does not say which loss it is."""
    several = sum(other.epoch == loss.epoch for other in losses) > 1
    epoch = [f"epoch {loss.epoch}"] if loss.epoch is not None else []
    step = [f"step {loss.step}"] if loss.step is not None and (several or not epoch) else []
    return f" ({', '.join(epoch + step)})" if epoch or step else ""


def _epochs(run: RunView, foreign: Foreign) -> str:
    """Unknown epochs are no zero."""
    done = "?" if run.epochs is None else run.epochs
    return f"{done} of {foreign.max_epochs or '?'}"


def _checkpoints(run: RunView) -> str:
    views = run.foreign.checkpoints if run.foreign else None
    if views is None:
        return "not scanned"
    loading = sum(view.problem is None for view in views)
    size = sum(view.bytes for view in views)
    return f"{loading} of {len(views)} load, {size / 1e9:.2g} GB" if views else "none"


def _date(run: RunView, foreign: Foreign) -> str:
    return foreign.date or (run.started.date().isoformat() if run.started else NOTHING)


def _trained(foreign: Foreign) -> str:
    count = foreign.trained_parameters
    return NOTHING if count is None else f"{count / 1e6:.1f} M"


_COLUMNS = {
    "Run": lambda row: row[0].case,
    "Date": lambda row: _date(*row),
    "Made by": lambda row: row[1].maker,
    "Data": lambda row: foreign_data(row[0]) or NOTHING,
    "Epochs": lambda row: _epochs(*row),
    "Validation loss": lambda row: _loss(row[0]),
    "Trained": lambda row: _trained(row[1]),
    "Checkpoints": lambda row: _checkpoints(row[0]),
    "State": lambda row: row[0].state,
}
