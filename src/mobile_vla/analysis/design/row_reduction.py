"""Exact row reduction of small sparse matrices: what a span holds, which columns are tied.

Fractions give the circuits exactly, with no tolerance on a rank, and `mvla plan` starts without
numpy. A study has tens of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Generic, TypeVar

Column = TypeVar("Column")
Vector = Mapping[Column, int]


class RowSpan(Generic[Column]):
    """The row space of vectors (column to value, zeros left out), in reduced row echelon form."""

    def __init__(self, vectors: Iterable[Vector[Column]] = ()) -> None:
        self._rows: dict[Column, dict[Column, Fraction]] = {}
        for vector in vectors:
            self.add(vector)

    @property
    def rank(self) -> int:
        """Its dimension."""
        return len(self._rows)

    def copy(self) -> RowSpan[Column]:
        """A span that can be added to without this one changing."""
        twin: RowSpan[Column] = RowSpan()
        twin._rows = dict(self._rows)
        return twin

    def holds(self, vector: Vector[Column]) -> bool:
        """Whether a vector is a combination of those added."""
        return not self._rest(vector)

    def add(self, vector: Vector[Column]) -> bool:
        """Add a vector; whether the rank grew."""
        remainder = self._rest(vector)
        if not remainder:
            return False
        pivot, scale = next(iter(remainder.items()))
        unit = {column: value / scale for column, value in remainder.items()}
        self._rows = {
            column: _minus(row, unit, row[pivot]) if pivot in row else row
            for column, row in self._rows.items()
        }
        self._rows[pivot] = unit
        return True

    def tied(self) -> list[set[Column]]:
        """Columns that stand or fall together: the connected components of their dependences.

        Columns outside every group are identifiable. Two columns are connected where a circuit
        of the column matroid holds both. In the reduced form each column without a pivot makes
        one circuit with its pivots, and the groups are the unions of circuits that overlap.
        """
        circuits: dict[Column, set[Column]] = {}
        for pivot, row in self._rows.items():
            for column in row:
                if column != pivot:
                    circuits.setdefault(column, {column}).add(pivot)
        groups: list[set[Column]] = []
        for circuit in circuits.values():
            joined = [group for group in groups if group & circuit]
            groups = [group for group in groups if not group & circuit]
            groups.append(circuit.union(*joined))
        return groups

    def _rest(self, vector: Vector[Column]) -> dict[Column, Fraction]:
        remainder = {column: Fraction(value) for column, value in vector.items() if value}
        for pivot in [column for column in remainder if column in self._rows]:
            remainder = _minus(remainder, self._rows[pivot], remainder[pivot])
        return remainder


def _minus(
    row: Mapping[Column, Fraction], other: Mapping[Column, Fraction], times: Fraction
) -> dict[Column, Fraction]:
    """one - times * other, zeros left out."""
    values = dict(row)
    for column, value in other.items():
        changed = values.get(column, Fraction(0)) - times * value
        if changed:
            values[column] = changed
        else:
            values.pop(column, None)
    return values
