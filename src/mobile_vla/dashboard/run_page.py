"""A case, and a run: its evidence, curves, weights, episodes, drives and conflicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mobile_vla.dashboard.curves import Curves
from mobile_vla.dashboard.live_book import LIVE, LiveBook, Moment
from mobile_vla.dashboard.page import DashboardPage, Values
from mobile_vla.dashboard.study_page import case_row, progress_row
from mobile_vla.episodes.manifest import ManifestEpisode, read_manifest
from mobile_vla.evidence.drives import drives_reason
from mobile_vla.evidence.fact_table import Fact
from mobile_vla.evidence.model import CaseView, RunView
from mobile_vla.evidence.run_facts import run_table
from mobile_vla.figures import ending_of
from mobile_vla.messages.catalogue import phrase, term
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.formats import Language, number
from mobile_vla.report.case_data import run_data
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.load_report import Keys, LoadReport
from mobile_vla.runs.metrics_csv import COLUMNS
from mobile_vla.runs.outside_files import decode_json, read_regular
from mobile_vla.runs.results import Rollouts

MOST_REPORT_BYTES = 64 << 20
MOST_FACTS = 400
MOST_DRIVES = 200
SHOWN_OF_EACH, MOST_SHOWN = 4, 40
FATES = ("missing", "unexpected", "mismatched")


def case_page(moment: Moment, name: str, language: Language) -> DashboardPage:
    """A case with its runs. Raises: UserError for an unknown case."""
    case = moment.book.case(name)
    title = f"{case.label}: {case.name}" if case.label else case.name

    def values() -> Values:
        view = moment.conclusions.report
        runs = [{**run_data(view, run, language), "started": run.started} for run in case.runs]
        return {"case": case_row(case, language), "runs": runs, "after": case.after}

    return DashboardPage("case.html.j2", title, lambda: case, values)


def run_page(
    book: LiveBook, moment: Moment, path: str, curves: Curves, language: Language
) -> DashboardPage:
    """One run. Raises: UserError for an unknown path."""
    pair = moment.run(path)
    if pair is None:
        raise UserError(phrase("dashboard.no_run", language, path=path), exit_code=1)
    case, run = pair

    def data() -> Values:
        return {"run": run, "facts": list(run_table(run, book.workspace))}

    def values() -> Values:
        return _values(book, moment, pair, curves, language)

    return DashboardPage("run.html.j2", f"{case.label or case.name}: {run.path}", data, values)


def _values(
    book: LiveBook, moment: Moment, pair: tuple[CaseView, RunView], curves: Curves,
    language: Language,
) -> Values:  # fmt: skip
    case, run = pair
    view = moment.conclusions.report
    facts = run_table(run, book.workspace)
    return {
        "case": case_row(case, language),
        "run": run_data(view, run, language),
        "view": run,
        "live": progress_row(run, language) if run.state in LIVE else None,
        "conflicts": run.conflicts,
        "curve": curves.picture(run.path, language) if run.foreign is None else None,
        "curve_about": COLUMNS["train_loss"].definition,
        "validation_about": COLUMNS["val_loss"].definition,
        "fates": FATES,
        "load_report": load_table(RunFolder(book.workspace / run.path), language),
        "facts": [_fact_row(fact, language) for fact in list(facts)[:MOST_FACTS]],
        "fact_count": len(facts),
        "files": view.cites(run.evidence),
        "drives": drives_table(run.rollouts, language) if run.rollouts else None,
        "films": films(book.workspace, run),
        "episodes": contact_sheet(book.workspace, run, language),
        "robot_drives": drives_reason(run.drives) if run.drives else None,
        "robot_cites": view.cites(run.drives.evidence) if run.drives else [],
    }


def films(workspace: Path, run: RunView) -> list[Values]:
    """The films that the evaluation kept: a drive for each way in which drives ended."""
    folder = RunFolder(workspace / run.path).evaluation
    paths = sorted(folder.glob("drive_*.gif")) if run.rollouts else []
    return [
        {"file": path.relative_to(workspace).as_posix(), "ending": path.stem.removeprefix("drive_")}
        for path in paths
    ]


def contact_sheet(workspace: Path, run: RunView, language: Language) -> Values | None:
    """The first frames of some episodes of each group and split; None where none can be shown."""
    if run.resolved is None:
        return None
    try:
        episodes = read_manifest(RunFolder(workspace / run.path).manifest).episodes
    except UserError:
        return None
    shown: list[ManifestEpisode] = []
    counts: Counter[tuple[str, str]] = Counter()
    for episode in episodes:
        counts[episode.direction, episode.split] += 1
        if counts[episode.direction, episode.split] <= SHOWN_OF_EACH:
            shown.append(episode)
    recordings = workspace / "data" / run.resolved.train_data
    listed = [each for each in shown[:MOST_SHOWN] if (recordings / each.source).is_file()]
    if not listed:
        return None
    return {
        "set": run.resolved.train_data, "count": len(episodes), "shown": len(listed),
        "episodes": [
            {"id": each.id, "direction": term("direction", each.direction, language),
             "split": term("split", each.split, language)} for each in listed
        ],
    }  # fmt: skip


def load_table(folder: RunFolder, language: Language) -> list[Values]:
    """A row for each part of each source that was loaded; nothing where no report can be read."""
    try:
        report = decode_json(read_regular(folder.load_report, MOST_REPORT_BYTES), LoadReport)
    except (OSError, ValueError):
        return []
    rows = []
    for source in report.sources:
        parts = dict.fromkeys((*source.loaded, *(part for fate in FATES
                                                 for part in getattr(source, fate))))  # fmt: skip
        for part in parts:
            trainable = report.trainable.get(part)
            rows.append({
                "source": source.path, "role": source.role, "part": term("part", part, language),
                "loaded": source.loaded.get(part, 0),
                **{fate: _keys(getattr(source, fate).get(part)) for fate in FATES},
                "trained": trainable.parameters if trainable else 0,
            })  # fmt: skip
    return rows


def _keys(keys: Keys | None) -> Values:
    return {"count": keys.count if keys else 0, "names": list(keys.names[:20]) if keys else []}


def _fact_row(fact: Fact, language: Language) -> Values:
    key = fact.key
    about = [key.qualifier, key.split, key.group]
    if key.epoch is not None:
        about.append(f"{phrase('dashboard.epoch', language)} {key.epoch}")
    value = fact.value if isinstance(fact.value, str) else number(fact.value, fact.unit)
    return {
        "quantity": term("quantity", key.quantity, language),
        "about": ", ".join(term("qualifier", part, language) for part in about if part),
        "value": value, "exact": f"{fact.digits or fact.value} {fact.unit}".strip(),
        "source": fact.source,
    }  # fmt: skip


def drives_table(rollouts: Rollouts, language: Language) -> Values:
    """Every drive as an outline from above, with how it ended."""
    return {
        "simulator": rollouts.simulator, "out_of_world": rollouts.out_of_world,
        "drives": [
            {"scene": drive.scene, "direction": term("direction", drive.direction, language),
             "ending": ending_of(drive), "steps": drive.steps,
             "word": phrase(f"report.ending_{ending_of(drive)}", language),
             "length": number(drive.path_length, "m"), **_outline(drive.path)}
            for drive in rollouts.rollouts[:MOST_DRIVES]
        ],
        "count": len(rollouts.rollouts),
    }  # fmt: skip


def _outline(path: list[tuple[float, float]]) -> dict[str, Any]:
    """(ahead, left) in m as points of a drawing of 80 by 120 units, 16 units a metre."""
    points = list(_points(path))
    return {"points": " ".join(f"{x:.1f},{y:.1f}" for x, y in points),
            "end": points[-1] if points else (40, 112)}  # fmt: skip


def _points(path: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    for ahead, left in path:
        yield min(78.0, max(2.0, 40 - 16 * left)), min(118.0, max(2.0, 112 - 16 * ahead))
