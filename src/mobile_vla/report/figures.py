"""Figures of the HTML report, read from the run folders: curves, paths, pictures."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from mobile_vla.analysis.wording import Language
from mobile_vla.evidence.model import RunView
from mobile_vla.report.headings import text
from mobile_vla.report.pairwise_figure import matrix_svg
from mobile_vla.report.report_data import ReportView
from mobile_vla.report.svg_charts import Curves, curves_of, loss_chart, loss_limits, paths_chart
from mobile_vla.runs.metrics_csv import read_metrics

PNG = b"\x89PNG\r\n\x1a\n"
MOST_BYTES = 8_000_000


@dataclass(frozen=True, slots=True)
class Figure:
    """One picture: `svg` is markup, `png` a data URI; where both are empty, `problem` says why."""

    caption: str
    alt: str
    svg: str = ""
    png: str = ""
    problem: str = ""


def loss_figures(view: ReportView, language: Language) -> list[Figure]:
    """A chart a case of the run that speaks for it, all on one loss range."""
    curves = {case.name: _curves(view, case.run) for case in view.cases if case.run is not None}
    drawn = {name: run for name, run in curves.items() if run.train or run.val}
    limits = loss_limits(drawn.values())
    figures = []
    for name, run in drawn.items():
        alt = f"{text('curves', language)}: {view.name(name)}"
        figures.append(Figure(view.name(name), alt, svg=loss_chart(run, alt, limits, language)))
    return figures


def matrix_figures(view: ReportView, language: Language) -> list[Figure]:
    """The verdict on every pair of the study's cases, in one picture."""
    if view.matrix is None:
        return []
    names = {case.name: view.name(case.name) for case in view.cases}
    title = text("matrix", language)
    return [Figure(title, title, svg=matrix_svg(view.matrix, names, language))]


def path_figures(view: ReportView, language: Language) -> list[Figure]:
    """Paths from above of every case that was driven, a chart an instruction."""
    figures = []
    for case in view.cases:
        rollouts = case.run.rollouts.rollouts if case.run and case.run.rollouts else []
        for direction in ("left", "right"):
            if any(drive.direction == direction for drive in rollouts):
                where = text(f"instruction_{direction}", language)
                caption = f"{view.name(case.name)}, {where}"
                alt = f"{text('paths', language)}: {caption}"
                svg = paths_chart(rollouts, alt, direction)
                figures.append(Figure(caption, alt, svg=svg))
    return figures


def picture_figures(view: ReportView, language: Language) -> list[Figure]:
    """The pictures that the rollouts name, embedded."""
    return [
        _picture(view, case.run, view.name(case.name), name, language)
        for case in view.cases
        if case.run is not None and case.run.rollouts is not None
        for name in case.run.rollouts.pictures
        # drives in motion stay beside the evidence, and the page draws paths from above itself
        if not name.endswith((".gif", "paths.png"))
    ]


def _curves(view: ReportView, run: RunView) -> Curves:
    path = view.file_of(run, "metrics.csv")
    try:
        return curves_of(read_metrics(path))
    except OSError:
        return Curves([], [])


def _picture(view: ReportView, run: RunView, case: str, name: str, language: Language) -> Figure:
    """A PNG inside the run's folder; anything else is said to be missing, and not read."""
    caption = f"{case}: {name.rsplit('/', 1)[-1]}"
    alt = f"{text('pictures', language)}: {case}"
    folder = view.file_of(run, ".").resolve()
    path = (folder / name).resolve()
    problem = f"{text('picture_missing', language)}: {name}"
    try:
        inside = path.is_relative_to(folder) and path.stat().st_size <= MOST_BYTES
        data = path.read_bytes() if inside else b""
    except OSError:
        data = b""
    if not data.startswith(PNG):
        return Figure(caption, alt, problem=problem)
    return Figure(caption, alt, png=f"data:image/png;base64,{base64.b64encode(data).decode()}")
