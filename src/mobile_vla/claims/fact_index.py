"""Facts of all runs by quantity and value: which runs a value of a page speaks for, how much."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property

from mobile_vla.claims.keys import LOSSES, Draft
from mobile_vla.evidence.fact_table import Fact, FactTable

COMMON = 50
"""Runs that share a value above which it tells nothing."""


WEIGHTS = {"file": 2.0, "date": 1.0, "word": 1.0, "loss": 1.0}
"""What a kind of evidence counts; a setting or a count of episodes counts 0.5."""


class FactIndex:
    """Facts of all runs, sorted at the first question."""

    def __init__(self, tables: Mapping[str, FactTable]) -> None:
        self.tables = tables

    @cached_property
    def words(self) -> dict[tuple[str, str], set[str]]:
        """Runs by quantity and word."""
        words: dict[tuple[str, str], set[str]] = defaultdict(set)
        for name, table in self.tables.items():
            for fact in table:
                if isinstance(fact.value, str):
                    words[fact.key.quantity, fact.value].add(name)
        return words

    @cached_property
    def numbers(self) -> dict[str, tuple[list[float], list[tuple[float, str, Fact]]]]:
        """Values by quantity in order, and each value with its run and fact."""
        numbers: dict[str, list[tuple[float, str, Fact]]] = defaultdict(list)
        for name, table in self.tables.items():
            for fact in table:
                if not isinstance(fact.value, str):
                    numbers[fact.key.quantity].append((float(fact.value), name, fact))
        for facts in numbers.values():
            facts.sort(key=lambda entry: entry[0])
        return {key: ([entry[0] for entry in facts], facts) for key, facts in numbers.items()}

    def runs_with(self, draft: Draft) -> set[str]:
        """Runs with a fact that rounds to the draft's value; none where many have one."""
        if draft.number is None:
            runs = self.words.get((draft.quantity, draft.word), set())
            return runs if len(runs) <= COMMON else set()
        values, facts = self.numbers.get(draft.quantity, ([], []))
        half = max(draft.step / 2, abs(draft.number) * 1e-9) * 1.000001
        at, runs = bisect_left(values, draft.number - half), set()
        while at < len(facts) and values[at] <= draft.number + half:
            if _may_be(draft, facts[at][2]):
                runs.add(facts[at][1])
                if len(runs) > COMMON:
                    return set()
            at += 1
        return runs

    def contradicts(self, run: str, draft: Draft) -> bool:
        """Whether the run has facts of the same key, and none of this value."""
        facts = [
            fact for fact in self.tables[run].of(draft.quantity)
            if _may_be(draft, fact) and fact.key.epoch == draft.epoch
            and fact.key.qualifier == draft.qualifier and not isinstance(fact.value, str)
        ]  # fmt: skip
        half, number = draft.step / 2 * 1.000001, draft.number or 0.0
        return bool(facts) and all(abs(float(fact.value) - number) > half for fact in facts)


def _may_be(draft: Draft, fact: Fact) -> bool:
    """Whether a draft may speak of a fact's epoch, qualifier, split and group."""
    key = fact.key
    qualifier = draft.qualifier if draft.qualifier in ("best", "final", "initial") else ""
    return (
        (draft.epoch is None or key.epoch is None or draft.epoch == key.epoch)
        and (not qualifier or not key.qualifier or qualifier == key.qualifier)
        and (not draft.split or not key.split or draft.split == key.split)
        and draft.group == key.group
    )


def weight(ids: Iterable[tuple[str, str]]) -> float:
    """What a set of evidence counts; words of a name count once."""
    kinds = [kind for kind, _ in ids]
    words = WEIGHTS["word"] if "word" in kinds else 0.0
    return words + sum(WEIGHTS.get(kind, 0.5) for kind in kinds if kind != "word")


def evidence_id(draft: Draft) -> tuple[str, str]:
    """What two claims share where they are no two values: the same loss, written twice."""
    if draft.quantity in ("date", "started"):
        return "date", draft.word if "T" in draft.word else draft.word[-5:]
    if draft.quantity == "checkpoint_file":
        return "file", file_name(draft.word)
    if draft.number is None:
        return draft.quantity, draft.word
    if draft.quantity in LOSSES:
        return "loss", f"{draft.number:.2g}"
    return draft.quantity, f"{draft.number:.6g}"


def file_name(path: str) -> str:
    """The last part of a path."""
    return path.replace("\\", "/").rsplit("/", 1)[-1]
