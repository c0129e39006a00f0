"""One table of facts a run: every quantity that its files give, with value, unit and source."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from mobile_vla.evidence.model import Evidence, Value


class FactKey(NamedTuple):
    """What a fact is of. `epoch` counts as the file does, None where the fact is of no epoch.

    `qualifier`: "", "best", "final", "initial", "planned", "done". `split`: "", "train", "val".
    `group`: a direction, a group of episodes, or a part of the model; "" for the whole.
    """

    quantity: str
    qualifier: str = ""
    split: str = ""
    epoch: int | None = None
    group: str = ""


class Fact(Value, frozen=True, kw_only=True):
    """One value that a file gives. `value` is in the base `unit`, or a word.

    `digits`: the value as the file writes it, where that is text; `step`: the worth of its last
    digit, 0 where it is exact. `trials`: of how many a share or a mean is, 0 where of none.
    """

    key: FactKey
    value: float | str
    unit: str = ""
    source: Evidence
    digits: str = ""
    step: float = 0.0
    trials: int = 0


def fact(
    quantity: str, value: float | str, source: Evidence, *, qualifier: str = "", split: str = "",
    epoch: int | None = None, group: str = "", unit: str = "", step: float = 0.0, trials: int = 0,
) -> Fact:  # fmt: skip
    """A fact with its key, and its digits where it is a number."""
    return Fact(
        key=FactKey(quantity, qualifier, split, epoch, group), value=value, unit=unit,
        source=source, digits="" if isinstance(value, str) else repr(value), step=step,
        trials=trials,
    )  # fmt: skip


def digit_worth(value: float) -> float:
    """The worth of the last digit of a number that a program printed, three digits at least.

    >>> digit_worth(0.0357), digit_worth(0.17), digit_worth(0.000233596350262616)
    (0.0001, 0.001, 1e-18)
    """
    if not value or not math.isfinite(value):
        return 0.0
    mantissa, _, exponent = repr(float(value)).partition("e")
    decimals = len(mantissa.partition(".")[2].rstrip("0"))
    last = int(exponent or 0) - decimals
    return float(f"1e{min(last, math.floor(math.log10(abs(value))) - 2)}")


class FactTable:
    """The facts of one run, by key. `run`: its path. Several facts may share a key.

    >>> at = Evidence(file="metrics.csv", where="line 3")
    >>> table = FactTable([Fact(key=FactKey("val_loss", epoch=1), value=0.5, source=at)])
    >>> table[FactKey("val_loss", epoch=1)].value
    0.5
    >>> table.get(FactKey("val_loss", "best")) is None
    True
    """

    def __init__(self, facts: Iterable[Fact] = (), run: str = "") -> None:
        self.run = run
        self._facts: dict[FactKey, list[Fact]] = {}
        for fact in facts:
            self._facts.setdefault(fact.key, []).append(fact)

    def __getitem__(self, key: FactKey) -> Fact:
        return self._facts[key][-1]

    def get(self, key: FactKey) -> Fact | None:
        """The last fact of a key, None where no file gives it."""
        return self._facts[key][-1] if key in self._facts else None

    def of(self, quantity: str, split: str | None = None) -> Iterator[Fact]:
        """Every fact of a quantity, of one split where it is given."""
        for fact in self:
            if fact.key.quantity == quantity and split in (None, fact.key.split):
                yield fact

    def __iter__(self) -> Iterator[Fact]:
        return chain.from_iterable(self._facts.values())

    def __len__(self) -> int:
        return sum(map(len, self._facts.values()))
