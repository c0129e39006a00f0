"""What `mvla evaluate` prints: the metrics, who listens, and how it drives."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from mobile_vla.analysis.diagnostics import diagnose, name_of
from mobile_vla.analysis.headline_metrics import Rate, rate, success
from mobile_vla.cli.status_table import wide
from mobile_vla.evidence.model import CaseView
from mobile_vla.messages.catalogue import sentence, term
from mobile_vla.messages.reason import Reason
from mobile_vla.runs.results import Hearing, Offline, Rollouts

NOTHING = "–"


def print_offline(offline: Offline) -> None:
    """The policy and its baselines, the definitions, and the instruction tests."""
    names = [metric.name for metric in offline.policy.metrics]
    table = Table(title=f"{offline.set.name}: {len(offline.set.episodes)} held-out episodes")
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right")
    for scored in (offline.policy, *offline.baselines):
        values = {metric.name: f"{metric.value:.3f}" for metric in scored.metrics}
        table.add_row(scored.name, *(values.get(name, NOTHING) for name in names))
    wide().print(table)
    for metric in offline.policy.metrics:
        print(f"{metric.name} ({metric.unit}): {metric.definition}")
    print(f"evaluation set {offline.set.hash}")
    if offline.set.leaked:
        print(f"{len(offline.set.leaked)} episodes were cut from the set: this run knew them")
    print()
    _print_hearing(offline)


def _print_hearing(offline: Offline) -> None:
    table = Table(title="Another text on the same frames", title_justify="left")
    for heading in ("", "test", "text"):
        table.add_column(heading)
    for heading in ("actions move, m/s", "turn as the text says", "turn as recorded"):
        table.add_column(heading, justify="right")
    for row in offline.hearing:
        table.add_row(*_hearing_cells(row))
    wide().print(table)
    unknown = [row for row in offline.hearing if row.refused]
    if unknown:
        print(f"{len(unknown)} texts hold words that this VLM's tokenizer does not know")
    print()


def _hearing_cells(row: Hearing) -> tuple[str, ...]:
    if row.refused:
        return row.series, row.test, row.text, "words not known", NOTHING, NOTHING
    change = NOTHING if row.change is None else f"{row.change:.3f}"
    return (
        row.series, row.test, row.text or "(none)", change, _share(row.follows), _share(row.turns)
    )  # fmt: skip


def _share(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.0f} %"


def print_driving(rollouts: Rollouts) -> None:
    """Success, side, collisions and length by instruction, with Wilson's 95 % intervals.

    The policy first, then the replays of the training actions on the same scenes.
    """
    _print_drives("driven", rollouts)
    for replay in rollouts.replays:
        _print_drives(term("series", replay.name, "en"), rollouts.of_replay(replay))
    for picture in rollouts.pictures:
        print(f"picture: {picture}")


def _print_drives(name: str, rollouts: Rollouts) -> None:
    for side in ("left", "right"):
        drives = [drive for drive in rollouts.rollouts if drive.direction == side]
        if not drives:
            continue
        n, lengths = len(drives), [drive.path_length for drive in drives]
        seconds = [drive.steps * rollouts.step_seconds for drive in drives]
        print(
            f'{name} under "{side}": {_rate(success(rollouts, side))} succeeded, '
            f"{_rate(rate(sum(d.side == side for d in drives), n))} passed on that side, "
            f"{_rate(rate(sum(d.collision for d in drives), n))} collided; "
            f"{sum(lengths) / n:.2f} m and {sum(seconds) / n:.1f} s on average"
        )


def print_faults(faults: Iterable[Reason]) -> None:
    """Each fault under its name."""
    for fault in faults:
        print(f"fault, {name_of(fault)}: {sentence(fault, 'en')}")


def print_faults_of(cases: Iterable[CaseView]) -> None:
    """What the evaluations of these cases show to be wrong with them, whatever their loss."""
    wrong = {case.label or case.name: diagnose(case.run) for case in cases if case.run}
    if any(wrong.values()):
        print("\nWrong with the cases compared, whatever their loss:")
    for name, faults in wrong.items():
        for fault in faults:
            print(f"- {name}: {sentence(fault, 'en')}")


def _rate(rate: Rate | None) -> str:
    if rate is None:
        return NOTHING
    return f"{rate.k} of {rate.n} [{100 * rate.low:.0f}, {100 * rate.high:.0f}] %"
