"""The matrix of verdicts as a picture: a colour, a sign and a word in each cell."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

from mobile_vla.analysis.pairwise import Cell, Matrix
from mobile_vla.analysis.wording import Language, factor_name, pick, verdict_word
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.files import write_atomic

LOOKS: dict[str, tuple[str, str]] = {
    "valid": ("#cdebd3", "✓"),
    "confounded": ("#fbe6c0", "⚠"),
    "not_comparable": ("#f6cdcb", "✗"),
    "evidence_missing": ("#e4e6ea", "?"),
    "same": ("#ffffff", "="),
}
"""Background (ink on each has a contrast above 12) and a sign that every font has."""

INK = "#1b1f24"
WIDE, HIGH, HEAD, TOP = 132, 58, 190, 96
KINDS = (".svg", ".png")


def write_matrix(path: Path, matrix: Matrix, names: Mapping[str, str], language: Language) -> None:
    """Write the picture, as SVG or PNG by the file's ending. Errors: `UserError` for another."""
    if path.suffix.lower() not in KINDS:
        raise UserError(f"{path} is neither .svg nor .png: name the picture with one of these.")
    if path.suffix.lower() == ".svg":
        write_atomic(path, matrix_svg(matrix, names, language).encode())
    else:
        write_atomic(path, matrix_png(matrix, names))


def matrix_svg(matrix: Matrix, names: Mapping[str, str], language: Language) -> str:
    """The picture as SVG text: same values, same bytes, no scripts. `names`: of cases."""
    count = len(matrix.names)
    width, height = HEAD + WIDE * count + 8, TOP + HIGH * count + 8
    title = pick(("Which cases can be compared", "비교할 수 있는 케이스"), language)
    parts = [f'<rect width="{width}" height="{height}" fill="#ffffff"/>']
    for place, case in enumerate(matrix.names):
        lines = wrapped(names.get(case, case))
        x, y = HEAD + WIDE * (place + 0.5), TOP + HIGH * (place + 0.5)
        parts += _lines(lines, x, TOP - 10 - 15 * (len(lines) - 1), "middle")
        parts += _lines(lines, HEAD - 8, y + 4 - 7.5 * (len(lines) - 1), "end")
    for i, row in enumerate(matrix.cells):
        parts += [
            _drawn(cell, HEAD + WIDE * j, TOP + HIGH * i, i == j, language)
            for j, cell in enumerate(row)
        ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title)}" font-family="sans-serif" font-size="12" fill="{INK}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>\n"
    )


def words(cell: Cell | None, language: Language) -> list[str]:
    """Sign and verdict, then the factor that a valid pair shows or how many moved."""
    if cell is None:
        return [f"{LOOKS['same'][1]} {pick(('the same', '같음'), language)}"]
    first = f"{LOOKS[cell.verdict][1]} {verdict_word(cell.verdict, language)}"
    if cell.verdict == "valid" and cell.factor:
        return [first, factor_name(cell.factor, language)]
    moved = [factor_name(name, language) for name in cell.confounds]
    if not moved:
        return [first]
    more = f" + {len(moved) - 1}" if len(moved) > 1 else ""
    return [first, f"{moved[0]}{more}"]


def wrapped(name: str, width: int = 18) -> list[str]:
    """A case's name in lines of so many letters, broken behind a space or an underscore."""
    lines = [""]
    for piece in name.replace("_", "_\0").replace(" ", " \0").split("\0"):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return [line.strip() for line in lines]


def matrix_png(matrix: Matrix, names: Mapping[str, str]) -> bytes:
    """The picture in English at 2 px a unit; its fonts have no Hangul."""
    import io

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    count = len(matrix.names)
    width, height = HEAD + WIDE * count + 8, TOP + HIGH * count + 8
    figure = Figure(figsize=(width / 100, height / 100), dpi=200)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    for place, case in enumerate(matrix.names):
        name = "\n".join(wrapped(names.get(case, case)))
        axes.text(HEAD + WIDE * (place + 0.5), TOP - 8, name, ha="center", va="bottom", size=7)
        axes.text(HEAD - 8, TOP + HIGH * (place + 0.5), name, ha="right", va="center", size=7)
    for i, row in enumerate(matrix.cells):
        for j, cell in enumerate(row):
            x, y = HEAD + WIDE * j, TOP + HIGH * i
            colour = LOOKS[cell.verdict if cell else "same"][0]
            axes.add_patch(Rectangle((x + 1, y + 1), WIDE - 2, HIGH - 2, color=colour))
            told = "–" if i == j else "\n".join(words(cell, "en"))
            axes.text(x + WIDE / 2, y + HIGH / 2, told, ha="center", va="center", size=6.5)
    drawn = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(drawn, format="png")
    return drawn.getvalue()


def _drawn(cell: Cell | None, x: float, y: float, diagonal: bool, language: Language) -> str:
    lines = ["–"] if diagonal else words(cell, language)
    colour = LOOKS[cell.verdict if cell else "same"][0]
    first = y + HIGH / 2 + 4 - 8 * (len(lines) - 1)
    box = (
        f'<rect x="{x + 1:g}" y="{y + 1:g}" width="{WIDE - 2}" height="{HIGH - 2}" rx="4" '
        f'fill="{colour}"/>'
    )
    return box + "".join(_lines(lines, x + WIDE / 2, first, "middle", 16))


def _lines(lines: list[str], x: float, y: float, anchor: str, step: float = 15) -> list[str]:
    return [
        f'<text x="{x:g}" y="{y + step * n:g}" text-anchor="{anchor}">{escape(line)}</text>'
        for n, line in enumerate(lines)
    ]
