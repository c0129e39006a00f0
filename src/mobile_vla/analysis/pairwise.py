"""The verdict on every pair of cases, as plain values for the matrix figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mobile_vla.analysis.model import Comparison, Verdict
from mobile_vla.evidence.model import Value
from mobile_vla.messages.errors import UserError

MOST_CASES = 40
"""A figure of more cases cannot be read."""


class Cell(Value, frozen=True, kw_only=True):
    """A pair's verdict: `factor` is what a valid pair shows, `confounds` moved as well."""

    verdict: Verdict
    factor: str | None
    confounds: list[str]

    @property
    def named(self) -> list[str]:
        """The factors that a page names: the one that a valid pair shows, else the confounds."""
        return [self.factor] if self.verdict == "valid" and self.factor else self.confounds


class Matrix(Value, frozen=True, kw_only=True):
    """`cells[i][j]`: case i against case j; None on the diagonal and for identical cases."""

    names: list[str]
    cells: list[list[Cell | None]]


def verdict_matrix(names: Sequence[str], judge: Callable[[str, str], Comparison]) -> Matrix:
    """Judge every pair once; a verdict does not depend on which case stands first.

    Raises: UserError for fewer than two cases, and for more than a figure can show.
    """
    if not 2 <= len(names) <= MOST_CASES:
        raise UserError(
            f"A matrix takes 2 to {MOST_CASES} cases, not {len(names)}: name those to compare."
        )
    cells: list[list[Cell | None]] = [[None] * len(names) for _ in names]
    for i, a in enumerate(names):
        for j in range(i):
            cells[i][j] = cells[j][i] = _cell(names[j], a, judge)
    return Matrix(names=list(names), cells=cells)


def _cell(a: str, b: str, judge: Callable[[str, str], Comparison]) -> Cell | None:
    try:
        comparison = judge(a, b)
    except UserError:  # one and the same in every factor
        return None
    return Cell(
        verdict=comparison.verdict, factor=comparison.factor, confounds=comparison.confounds
    )
