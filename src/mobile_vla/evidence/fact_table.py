"""One table of facts a run: every quantity that its files give, with value, unit and source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    digit, 0 where it is exact.
    """

    key: FactKey
    value: float | str
    unit: str = ""
    source: Evidence
    digits: str = ""
    step: float = 0.0


class FactTable:
    """The facts of one run, by key.

    >>> at = Evidence(file="metrics.csv", where="line 3")
    >>> table = FactTable([Fact(key=FactKey("val_loss", epoch=1), value=0.5, source=at)])
    >>> table[FactKey("val_loss", epoch=1)].value
    0.5
    >>> table.get(FactKey("val_loss", "best")) is None
    True
    """

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        self._facts = {fact.key: fact for fact in facts}

    def __getitem__(self, key: FactKey) -> Fact:
        return self._facts[key]

    def get(self, key: FactKey) -> Fact | None:
        """The fact of a key, None where no file gives it."""
        return self._facts.get(key)

    def of(self, quantity: str, split: str | None = None) -> Iterator[Fact]:
        """Every fact of a quantity, of one split where it is given."""
        for key, fact in self._facts.items():
            if key.quantity == quantity and split in (None, key.split):
                yield fact

    def __iter__(self) -> Iterator[Fact]:
        return iter(self._facts.values())

    def __len__(self) -> int:
        return len(self._facts)
