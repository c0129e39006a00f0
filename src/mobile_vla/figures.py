"""Figures by matplotlib: loss curves, paths from above, the matrix of verdicts.

Same values, same bytes. Each figure tells what it shows by signs, line styles and words as well as
by colour. Text in SVG stays text, so a browser shows Hangul with its own fonts.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from mobile_vla.messages.formats import one_line
from mobile_vla.runs.results import Rollout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

Point = tuple[float, float]
Ending = Literal["success", "collision", "other_side", "not_reached"]
ENDINGS: dict[Ending, tuple[str, str]] = {
    "success": ("#1a7f37", "-"),
    "collision": ("#c62828", "--"),
    "other_side": ("#b26a00", ":"),
    "not_reached": ("#616161", "-."),
}
"""Colour and line style of a path by how its rollout ended."""
VERDICTS: dict[str, tuple[str, str]] = {
    "valid": ("#cdebd3", "✓"),
    "confounded": ("#fbe6c0", "⚠"),
    "not_comparable": ("#f6cdcb", "✗"),
    "evidence_missing": ("#e4e6ea", "?"),
    "same": ("#ffffff", "="),
}
"""Background of a cell (black on it has a contrast above 12) and its sign."""
SCENE_COLOUR = "#90a4ae"
MOST_POINTS = 300
CELL_WIDTH, CELL_HEIGHT, ROW_HEAD, COLUMN_HEAD = 132, 58, 190, 96
"""Sizes in the matrix of verdicts, in px at 100 dpi."""
STYLE: Any = {
    "svg.hashsalt": "mobile_vla",
    "svg.fonttype": "none",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@dataclass(frozen=True, slots=True)
class LossCurves:
    """Training and validation loss of one run: (optimiser step, loss)."""

    train: list[Point]
    val: list[Point]


def loss_curves(columns: Mapping[str, Sequence[tuple[int, float]]]) -> LossCurves:
    """The curves in a metrics file's columns, joined to their step by line number."""
    steps = dict(columns.get("step", []))

    def joined(name: str) -> list[Point]:
        return [
            (steps[line], value)
            for line, value in columns.get(name, [])
            if line in steps and math.isfinite(value) and value > 0
        ]

    return LossCurves(joined("train_loss"), joined("val_loss"))


def loss_limits(runs: Iterable[LossCurves]) -> Point:
    """One range of powers of ten for all loss figures of a page."""
    losses = [loss for run in runs for _, loss in (*run.train, *run.val)]
    if not losses:
        return 0.1, 1.0
    low, high = math.floor(math.log10(min(losses))), math.ceil(math.log10(max(losses)))
    return 10.0**low, 10.0 ** max(high, low + 1)


def thinned(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """At most `most` points: means of equal runs of neighbours where there are more."""
    size = max(1, math.ceil(len(points) / most))
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]


def ending_of(rollout: Rollout) -> Ending:
    """How a rollout ended."""
    if rollout.success:
        return "success"
    if rollout.collision:
        return "collision"
    other = rollout.side is not None and rollout.side != rollout.direction
    return "other_side" if other else "not_reached"


def loss_figure(curves: LossCurves, limits: Point, words: Mapping[str, str]) -> Canvas:
    """Training loss as a line, validation loss as points, on a logarithmic axis over `limits`.

    `words`: "train", "validation", "step_axis" and "loss_axis".
    """
    figure, axes = _canvas(3.0, 2.1)
    looks = (("train", thinned(curves.train), "-"), ("validation", curves.val, "o"))
    for name, points, look in looks:
        steps, losses = [step for step, _ in points], [loss for _, loss in points]
        axes.plot(steps, losses, look, ms=3, lw=1.2, gid=f"{name}-loss", label=words[name])
    axes.set(yscale="log", ylim=limits, xlim=(0, None))
    axes.set_xlabel(words["step_axis"])
    axes.set_ylabel(words["loss_axis"])
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure


def paths_figure(
    paths: Sequence[tuple[Ending, Sequence[Point]]],
    words: Mapping[Ending, str],
    boxes: Iterable[Sequence[Point]] = (),
    baskets: Iterable[Point] = (),
    ahead: float = 6.0,
) -> Canvas:
    """Paths in metres (ahead, left) seen from above: ahead is up, left is left.

    `words`: a word by ending; the legend adds the number of paths. `boxes`: corners. `ahead`: m
    that are shown at least, so that figures of one page have one scale.
    """
    figure, axes = _canvas(2.4, 4.2)
    figure.set_layout_engine("none")
    axes.set_position((0.16, 0.22, 0.8, 0.75))
    for corners in boxes:
        _plot_from_above(axes, [*corners, corners[0]], color=SCENE_COLOUR, lw=1)
    for basket in baskets:
        _plot_from_above(axes, [basket], marker="o", color=SCENE_COLOUR, fillstyle="none")
    for ending, points in paths:
        colour, style = ENDINGS[ending]
        _plot_from_above(axes, points, color=colour, ls=style, lw=1.4, gid=f"path-{ending}")
    counts = {ending: sum(ending == other for other, _ in paths) for ending in ENDINGS}
    for ending, count in counts.items():
        if count:
            colour, style = ENDINGS[ending]
            axes.plot([], [], color=colour, ls=style, label=f"{words[ending]} {count}")
    aside = max([2.0, *(abs(y) for _, points in paths for _, y in points)])
    ahead = max([ahead, *(x for _, points in paths for x, _ in points)])
    axes.set(aspect="equal", xlim=(-aside - 0.2, aside + 0.2), ylim=(-0.3, ahead + 0.3))
    axes.yaxis.set_major_formatter("{x:g} m")
    axes.xaxis.set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    if paths:
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=1)
    return figure


def matrix_figure(names: Sequence[str], cells: Sequence[Sequence[tuple[str, str]]]) -> Canvas:
    """A square of cells, row against column: a verdict (or "same", or "") and the text below it."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    width, height = _matrix_size(len(names))
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    for place, name in enumerate(names):
        across, down = _middle(place)
        text = "\n".join(wrapped(name))
        _write(axes, across, COLUMN_HEAD - 8, text, ha="center", va="bottom", size=7)
        _write(axes, ROW_HEAD - 8, down, text, ha="right", va="center", size=7)
    for i, row in enumerate(cells):
        for j, (verdict, text) in enumerate(row):
            across, down = _middle(j)[0], _middle(i)[1]
            colour, sign = VERDICTS.get(verdict, ("#ffffff", ""))
            corner = across - CELL_WIDTH / 2 + 1, down - CELL_HEIGHT / 2 + 1
            box = Rectangle(corner, CELL_WIDTH - 2, CELL_HEIGHT - 2, color=colour)
            box.set_gid(f"cell-{verdict}")
            axes.add_patch(box)
            _write(axes, across, down, f"{sign} {text}".strip(), ha="center", va="center", size=6.5)
    return figure


def wrapped(name: str, width: int = 18) -> list[str]:
    """A case's name in lines of so many letters, broken behind a space or an underscore."""
    lines = [""]
    for piece in one_line(name).replace("_", "_\0").replace(" ", " \0").split("\0"):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return [line.strip() for line in lines]


def svg(figure: Canvas, title: str, description: str) -> str:
    """The figure as an SVG element with a title and a description, without a size of its own.

    Ids become classes, so several figures can stand on one HTML page.
    """
    title, description = escape(one_line(title)), escape(one_line(description))
    file = io.StringIO()
    _save(figure, file, format="svg", metadata={"Date": None})
    text = file.getvalue()
    text = text[text.index("<svg") :].rstrip() + "\n"
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*<defs>\s*<style.*?</style>\s*</defs>", "", text, flags=re.DOTALL)
    text = re.sub(r"font-family: [^;\"]+", "font-family: sans-serif", text)
    text = _scoped_ids(text, title)
    box = re.search(r'viewBox="[^"]+"', text)
    assert box is not None, "matplotlib writes a viewBox"
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'{box[0]} role="img" aria-label="{title}">\n'
        f"<title>{title}</title>\n<desc>{description}</desc>"
    )
    return opening + text[text.index(">") + 1 :]


def png(figure: Canvas, dpi: int = 200) -> bytes:
    """The figure as a PNG. Its fonts have no Hangul."""
    file = io.BytesIO()
    _save(figure, file, format="png", dpi=dpi, metadata={"Software": None})
    return file.getvalue()


def _save(figure: Canvas, file: io.StringIO | io.BytesIO, **options: Any) -> None:
    import matplotlib

    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # SVG names no font
        figure.savefig(file, **options)


def _canvas(width: float, height: float) -> tuple[Canvas, Axes]:
    """A figure of so many inches with one pair of axes."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.add_subplot()


def _plot_from_above(axes: Axes, points: Sequence[Point], **look: Any) -> None:
    """Points (ahead, left) with ahead up and left to the left."""
    axes.plot([-left for _, left in points], [ahead for ahead, _ in points], **look)


def _write(axes: Axes, across: float, down: float, text: str, **look: Any) -> None:
    """Text that is shown as it stands: `$` starts no formula."""
    axes.text(across, down, text, parse_math=False, **look)


def _matrix_size(count: int) -> tuple[int, int]:
    return ROW_HEAD + CELL_WIDTH * count + 8, COLUMN_HEAD + CELL_HEIGHT * count + 8


def _middle(place: int) -> Point:
    """Where the cell in this column and this row has its middle."""
    return ROW_HEAD + CELL_WIDTH * (place + 0.5), COLUMN_HEAD + CELL_HEIGHT * (place + 0.5)


def _scoped_ids(text: str, scope: str) -> str:
    """Ids that something refers to are made unique by the figure's title; others become classes."""
    from zlib import crc32

    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    prefix = f"f{crc32(scope.encode()):08x}-"

    def renamed(match: re.Match[str]) -> str:
        if match[1] in used:
            return f'id="{prefix}{match[1]}"'
        return f'class="{re.sub(r"_[0-9]+$", "", match[1])}"'

    text = re.sub(r'\bid="([^"]+)"', renamed, text)
    return re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}", text)
