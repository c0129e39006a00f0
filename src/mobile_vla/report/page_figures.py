"""The figures of a page, read from the run folders, and the matrix of verdicts as a file."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from mobile_vla.analysis.pairwise import Cell, Matrix
from mobile_vla.evidence.model import RunView
from mobile_vla.figures import (
    ENDINGS,
    LossCurves,
    ending_of,
    loss_curves,
    loss_figure,
    loss_limits,
    matrix_figure,
    paths_figure,
    png,
    svg,
)
from mobile_vla.messages.catalogue import phrase, term
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.formats import Language, number
from mobile_vla.report.report_data import ReportView
from mobile_vla.runs.files import write_atomic
from mobile_vla.runs.metrics_csv import read_metrics

PNG = b"\x89PNG\r\n\x1a\n"
MOST_BYTES = 8_000_000
MATRIX_FILES = (".svg", ".png")


@dataclass(frozen=True, slots=True)
class PageFigure:
    """One figure: `svg` is markup, `png` a data URI; where both are empty, `problem` says why."""

    caption: str
    alt: str
    svg: str = ""
    png: str = ""
    problem: str = ""


def page_figures(view: ReportView, language: Language) -> dict[str, list[PageFigure]]:
    """Every figure of the page, by the section that shows it; pictures alone without matplotlib."""
    pictures = {"pictures": list(_pictures(view, language))}
    if not can_draw():
        return {"paths": [], "curves": [], "matrix": [], **pictures}
    drawers = {"paths": _paths, "curves": _curves, "matrix": _matrix}
    return {name: list(figures(view, language)) for name, figures in drawers.items()} | pictures


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def write_matrix(path: Path, matrix: Matrix, names: Mapping[str, str], language: Language) -> None:
    """Write the matrix of verdicts, as SVG or PNG by the file's ending.

    A PNG is in English, since its fonts have no Hangul. Raises: UserError for another ending.
    """
    if path.suffix.lower() not in MATRIX_FILES:
        raise UserError(f"{path} is neither .svg nor .png: name the picture with one of these.")
    if path.suffix.lower() == ".svg":
        write_atomic(path, matrix_svg(matrix, names, language).encode())
    else:
        write_atomic(path, matrix_png(matrix, names))


def matrix_svg(matrix: Matrix, names: Mapping[str, str], language: Language) -> str:
    """The matrix of verdicts as SVG text. `names`: of cases."""
    pairs = [cell for i, row in enumerate(matrix.cells) for cell in row[:i] if cell]
    counts = Counter(cell.verdict for cell in pairs)
    verdicts = _counts((term("verdict", name, language), n) for name, n in counts.items())
    text = phrase("report.matrix_text", language, count=len(pairs), verdicts=verdicts)
    figure = matrix_figure(*_matrix_words(matrix, names, language))
    return svg(figure, phrase("report.matrix_title", language), text)


def matrix_png(matrix: Matrix, names: Mapping[str, str]) -> bytes:
    """The matrix of verdicts in English at 2 px a unit."""
    return png(matrix_figure(*_matrix_words(matrix, names, "en")))


def _matrix_words(
    matrix: Matrix, names: Mapping[str, str], language: Language
) -> tuple[list[str], list[list[tuple[str, str]]]]:
    cells = [
        [("", "–") if i == j else _cell(cell, language) for j, cell in enumerate(row)]
        for i, row in enumerate(matrix.cells)
    ]
    return [names.get(case, case) for case in matrix.names], cells


def _cell(cell: Cell | None, language: Language) -> tuple[str, str]:
    """A verdict and its word, then the factor that a valid pair shows or those that moved."""
    if cell is None:
        return "same", phrase("report.matrix_same", language)
    lines = [term("verdict", cell.verdict, language)]
    if cell.named:
        more = f" + {len(cell.named) - 1}" if len(cell.named) > 1 else ""
        lines.append(f"{term('factor', cell.named[0], language)}{more}")
    return cell.verdict, "\n".join(lines)


def _matrix(view: ReportView, language: Language) -> Iterator[PageFigure]:
    if view.matrix is not None:
        names = {case.name: view.name(case.name) for case in view.cases}
        title = phrase("report.matrix", language)
        yield PageFigure(title, title, svg=matrix_svg(view.matrix, names, language))


def _curves(view: ReportView, language: Language) -> Iterator[PageFigure]:
    """A figure a case of the run that represents it, all over one range of losses."""
    read = {case.name: _read_curves(view, case.run) for case in view.cases if case.run}
    curves = {name: run for name, run in read.items() if run.train or run.val}
    limits = loss_limits(curves.values())
    keys = ("train", "validation", "step_axis", "loss_axis")
    words = {key: phrase(f"report.{key}", language) for key in keys}
    for name, run in curves.items():
        title = f"{phrase('report.curves', language)}: {view.name(name)}"
        text = phrase(
            "report.curve_text",
            language,
            train=len(run.train),
            val=len(run.val),
            train_last=number(run.train[-1][1] if run.train else None),
            val_last=number(run.val[-1][1] if run.val else None),
        )
        markup = svg(loss_figure(run, limits, words), title, text)
        yield PageFigure(view.name(name), title, svg=markup)


def _paths(view: ReportView, language: Language) -> Iterator[PageFigure]:
    """Paths from above of every case that was driven, a figure an instruction."""
    words = {ending: phrase(f"report.ending_{ending}", language) for ending in ENDINGS}
    for case in view.cases:
        rollouts = case.run.rollouts.rollouts if case.run and case.run.rollouts else []
        for direction in ("left", "right"):
            paths = [(ending_of(r), r.path) for r in rollouts if r.direction == direction]
            if not paths:
                continue
            where = phrase(f"report.instruction_{direction}", language)
            caption = f"{view.name(case.name)}, {where}"
            title = f"{phrase('report.paths', language)}: {caption}"
            counts = Counter(words[ending] for ending, _ in paths)
            text = phrase(
                "report.paths_text", language, count=len(paths), endings=_counts(counts.items())
            )
            markup = svg(paths_figure(paths, words), title, text)
            yield PageFigure(caption, title, svg=markup)


def _pictures(view: ReportView, language: Language) -> Iterator[PageFigure]:
    """The pictures that the rollouts name, but for films and paths, which the page draws itself."""
    for case in view.cases:
        rollouts = case.run.rollouts if case.run else None
        for name in rollouts.pictures if rollouts else ():
            if case.run and not name.endswith((".gif", "paths.png")):
                yield _picture(view, case.run, name, language)


def _picture(view: ReportView, run: RunView, name: str, language: Language) -> PageFigure:
    """A PNG inside the run's folder, embedded; anything else is not read and called missing."""
    case = view.name(run.case)
    caption = f"{case}: {name.rsplit('/', 1)[-1]}"
    alt = f"{phrase('report.pictures', language)}: {case}"
    folder = view.file_of(run, ".").resolve()
    path = (folder / name).resolve()
    try:
        inside = path.is_relative_to(folder) and path.stat().st_size <= MOST_BYTES
        data = path.read_bytes() if inside else b""
    except OSError:
        data = b""
    if not data.startswith(PNG):
        problem = f"{phrase('report.picture_missing', language)}: {name}"
        return PageFigure(caption, alt, problem=problem)
    return PageFigure(caption, alt, png=f"data:image/png;base64,{base64.b64encode(data).decode()}")


def _read_curves(view: ReportView, run: RunView) -> LossCurves:
    try:
        return loss_curves(read_metrics(view.file_of(run, "metrics.csv")))
    except OSError:
        return LossCurves([], [])


def _counts(words: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{word} {count}" for word, count in words)
