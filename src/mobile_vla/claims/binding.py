"""Which run does a name of a page mean: by its words, by files, by values that stand with it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from mobile_vla.claims.keys import Draft
from mobile_vla.claims.lexicon import atoms_of
from mobile_vla.claims.model import Binding, Candidate, HowSure
from mobile_vla.claims.page_names import Clue, PageNames
from mobile_vla.evidence.fact_table import Fact, FactTable
from mobile_vla.messages.reason import Reason, reason

LOSSES = frozenset({"val_loss", "train_loss", "rmse", "mae"})
WEIGHTS = {"file": 2.0, "date": 1.0, "word": 1.0, "loss": 1.0}
"""What a kind of evidence counts; a setting or a count of episodes counts 0.5."""
ENOUGH, AS_A_NAME = 2.0, 3.0
"""Evidence that binds a name; and a full name that no run in the evidence has."""
COMMON = 50
"""Runs that share a value above which it tells nothing."""
SHOWN = 5
DAY = re.compile(r"(20\d\d)([01]\d)([0-3]\d)")


@dataclass(frozen=True, kw_only=True)
class KnownRun:
    """A run that a page may speak of. `files`: names of files it wrote or its log and settings.

    `label` and `aliases` are what people call it in the study. `started` is None where unknown.
    """

    name: str
    label: str | None = None
    aliases: Sequence[str] = ()
    files: Sequence[str] = ()
    started: datetime | None = None
    facts: FactTable

    def day(self) -> date | None:
        """The day it started, or the one in its name."""
        if self.started is not None:
            return self.started.date()
        match = DAY.search(self.name)
        try:
            return date(*map(int, match.groups())) if match else None
        except ValueError:
            return None


class Bound(NamedTuple):
    """What a name means. `support`: for each run the evidence that speaks for it.

    `needs`: how much of it the binding rests on, 0 where it rests on names.
    """

    run: str | None
    sure: HowSure
    why: list[Reason]
    candidates: list[Candidate]
    support: dict[str, set[Hashable]]
    needs: float = 0.0


class Binder:
    """Binds the names of a page to runs. `aliases`: confirmed names, from a comment or a study."""

    def __init__(
        self, runs: Sequence[KnownRun], aliases: Mapping[str, str], written: str | None
    ) -> None:
        self.runs = {run.name: run for run in runs}
        self.exact = {atoms_of(run.name): run.name for run in runs}
        self.confirmed = {atoms_of(name): run for name, run in aliases.items()}
        self.labels: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for run in runs:
            for name in (*run.aliases, *([run.label] if run.label else [])):
                self.labels[atoms_of(name)].add(run.name)
        until = date.fromisoformat(written[:10]) if written and len(written) >= 10 else None
        self.possible = {run.name for run in runs if until is None or (run.day() or until) <= until}
        self._index: _FactIndex | None = None
        self._words: dict[str, set[str]] = defaultdict(set)
        self._files: dict[str, set[str]] = defaultdict(set)
        for run in runs:
            for atom in atoms_of(run.name):
                self._words[atom].add(run.name)
            for file in run.files:
                self._files[file.replace("\\", "/").rsplit("/", 1)[-1]].add(run.name)

    @property
    def index(self) -> _FactIndex:
        """The facts of all runs by value."""
        if self._index is None:
            self._index = _FactIndex(self.runs.values())
        return self._index

    def bind(  # noqa: PLR0911 - one exit for each way to bind
        self, names: Iterable[str], clues: set[Clue], drafts: Sequence[Draft]
    ) -> Bound:
        """What the names of one run on a page mean."""
        names = list(names)
        atoms = [atoms_of(name) for name in names]
        if confirmed := {self.confirmed[entry] for entry in atoms if entry in self.confirmed}:
            return self._decided(confirmed, "confirmed", "claim.bound_confirmed")
        named = {clue.text for clue in clues if clue.kind == "name"}
        exact = {
            self.exact[entry] for entry in [*atoms, *map(atoms_of, named)] if entry in self.exact
        }
        if exact:
            return self._decided(exact, "exact", "claim.bound_exact")
        if foreign := self._foreign(names, clues):
            return self._by_losses(foreign, names, clues, drafts)
        labelled = set[str]().union(*(self.labels.get(entry, set()) for entry in atoms))
        support = self._support(names, clues, drafts)
        winner = self._winner(support, drafts)
        short = self._shortened([*names, *named], clues)
        if labelled:
            if winner is not None and winner not in labelled:
                return self._undecided({winner, *labelled}, support)
            return self._decided(labelled, "confirmed", "claim.bound_label")
        if len(short) == 1 and (winner is None or winner in short):
            run = next(iter(short))
            return Bound(run, "safe", [reason("claim.bound_short", run=run)], [], support)
        if winner is not None and (not short or winner in short):
            return Bound(winner, "safe", self._reasons(winner, support), [], support, ENOUGH)
        return self._undecided(short | ({winner} if winner else set()), support)

    def without(self, bound: Bound, draft: Draft) -> bool:
        """Whether a binding by values holds without one claim, so that the claim can be tested."""
        if not bound.needs:
            return True
        identity = evidence_id(draft)
        remainder = {run: ids - {identity} for run, ids in bound.support.items()}
        return self._winner(remainder, [], bound.needs) == bound.run

    def _by_losses(
        self, foreign: str, names: list[str], clues: set[Clue], drafts: Sequence[Draft]
    ) -> Bound:
        """A run that the evidence calls otherwise: three losses are as good as a name."""
        support = self._support(names, clues, drafts)
        losses: dict[str, set[Hashable]] = {}
        for run, ids in support.items():
            losses[run] = {
                entry for entry in ids if isinstance(entry, tuple) and entry[0] == "loss"
            }
        winner, match = self._winner(losses, drafts, AS_A_NAME), DAY.search(foreign)
        day = "-".join(match.groups()) if match else ""
        if winner is None or not _same_day(self.runs[winner].day(), day):
            return Bound(None, "none", [reason("claim.bind_foreign", name=foreign)], [], support)
        return Bound(winner, "safe", self._reasons(winner, losses), [], losses, AS_A_NAME)

    def _decided(self, runs: set[str], sure: HowSure, code: str) -> Bound:
        if len(runs) > 1:
            return self._undecided(runs, {})
        run = next(iter(runs))
        if run not in self.runs:
            return Bound(None, "none", [reason("claim.bind_no_such_run", run=run)], [], {})
        return Bound(run, sure, [reason(code, run=run)], [], {})

    def _undecided(self, runs: set[str], support: dict[str, set[Hashable]]) -> Bound:
        heavy = sorted(support, key=lambda run: (-weight(support[run]), run))[:SHOWN]
        names = list(dict.fromkeys([*sorted(runs), *heavy]))[:SHOWN]
        candidates = [Candidate(run=run, why=self._reasons(run, support)) for run in names]
        if not candidates:
            return Bound(None, "none", [reason("claim.bind_nothing")], [], support)
        code = "claim.bind_ambiguous" if len(candidates) > 1 else "claim.bind_thin"
        return Bound(None, "candidate", [reason(code, n=len(candidates))], candidates, support)

    def _reasons(self, run: str, support: dict[str, set[Hashable]]) -> list[Reason]:
        texts = [
            str(entry[-1])
            for entry in sorted(support.get(run, ()), key=str)
            if isinstance(entry, tuple)
        ]
        return [reason("claim.bound_values", values=list(texts[:6]))] if texts else []

    def _foreign(self, names: list[str], clues: set[Clue]) -> str | None:
        """A full name or a dated file of a run that the evidence does not hold."""
        texts = [*names, *(clue.text for clue in clues if clue.kind != "date")]
        for text in texts:
            stem = text.rsplit(".", 1)[0] if text not in self._files else ""
            atoms = atoms_of(stem)
            if len(atoms) < 3 or not DAY.search(stem) or self._containing(atoms):
                continue
            if not any(_is_part(registered, atoms) for registered in self.exact):
                return text
        return None

    def _containing(self, atoms: tuple[str, ...]) -> set[str]:
        """Runs whose name holds these words side by side."""
        sets = [self._words.get(atom, set()) for atom in atoms]
        runs = set.intersection(*sets) if sets else set()
        return {run for run in runs if _is_part(atoms, atoms_of(run))}

    def _shortened(self, names: list[str], clues: set[Clue]) -> set[str]:
        """Runs that one of the names is a shorter form of: two words or more, or a number."""
        days = {clue.text for clue in clues if clue.kind == "date"}
        runs: set[str] = set()
        for name in names:
            atoms = atoms_of(name)
            label = (
                len(atoms) == 2
                and len(atoms[1]) < 4
                and atoms[0] in ("case", "run", "exp", "model")
            )
            if label or not (
                len(atoms) > 1 or (atoms and atoms[0].isdigit() and len(atoms[0]) > 3)
            ):
                continue
            runs |= self._containing(atoms) & self.possible
        fitting = {run for run in runs if all(_same_day(self.runs[run].day(), day) for day in days)}
        return fitting if days else runs

    # ---------------------------------------------------------------- values

    def _support(
        self, names: list[str], clues: set[Clue], drafts: Sequence[Draft]
    ) -> dict[str, set[Hashable]]:
        support: dict[str, set[Hashable]] = defaultdict(set)
        for draft in drafts:
            for run in self._runs_with(draft) & self.possible:
                support[run].add(evidence_id(draft))
        for clue in clues:
            for run in self._of_clue(clue) & self.possible:
                support[run].add((clue.kind, clue.text))
        words = {
            atom for name in names for atom in atoms_of(name) if len(atom) > 3 and atom.isalpha()
        }
        for word in words:
            for run in self._words.get(word, set()) & set(support):
                support[run].add(("word", word))
        return support

    def _of_clue(self, clue: Clue) -> set[str]:
        if clue.kind == "date":
            return {
                name for name, run in self.runs.items() if _same_day(run.day(), clue.text, False)
            }
        return self._files.get(clue.text, set())

    def _runs_with(self, draft: Draft) -> set[str]:
        """Runs that one fact at least of this value speaks for; none where many do."""
        if draft.kind != "value":
            return set()
        if draft.quantity in ("date", "started"):
            return self._of_clue(Clue("date", draft.word))
        if draft.quantity == "checkpoint_file":
            return self._files.get(draft.word.rsplit("/", 1)[-1], set())
        runs = self.index.runs_with(draft)
        return runs if len(runs) <= COMMON else set()

    def _winner(
        self, support: dict[str, set[Hashable]], drafts: Sequence[Draft], enough: float = ENOUGH
    ) -> str | None:
        """The run apart from every other by evidence enough, None where none is."""
        if not support:
            return None
        ordered = sorted(support, key=lambda run: (-weight(support[run]), run))
        best = ordered[0]
        for other in [*ordered[1:], None]:
            ids = support[other] if other else set()
            if weight(support[best] - ids) - 2 * weight(ids - support[best]) < enough:
                return None
        losses = [draft for draft in drafts if draft.quantity in LOSSES and draft.kind == "value"]
        missed = {evidence_id(draft) for draft in losses if self.index.contradicts(best, draft)}
        return best if 2 * weight(missed - support[best]) <= weight(support[best]) else None


def weight(ids: Iterable[Hashable]) -> float:
    """What a set of evidence counts; words of a name count once."""
    kinds = [entry[0] for entry in ids if isinstance(entry, tuple)]
    words = 1.0 if "word" in kinds else 0.0
    return words + sum(WEIGHTS.get(str(kind), 0.5) for kind in kinds if kind != "word")


def evidence_id(draft: Draft) -> Hashable:
    """What two claims share where they are no two values: the same loss, written twice."""
    if draft.quantity in ("date", "started"):
        return ("date", draft.word[-5:] if "T" not in draft.word else draft.word)
    if draft.quantity == "checkpoint_file":
        return ("file", draft.word.rsplit("/", 1)[-1])
    if draft.number is None:
        return (draft.quantity, draft.word)
    kind = "loss" if draft.quantity in LOSSES else draft.quantity
    return (kind, f"{draft.number:.2g}" if kind == "loss" else f"{draft.number:.6g}")


def _same_day(day: date | None, text: str, unknown: bool = True) -> bool:
    """Whether a date of a page ("2025-12-03", "12-03T22:56") is this day."""
    if day is None:
        return unknown
    text = text.partition("T")[0]
    return bool(text) and day.isoformat().endswith(text)


def _is_part(part: tuple[str, ...], whole: tuple[str, ...]) -> bool:
    return any(whole[at : at + len(part)] == part for at in range(len(whole) - len(part) + 1))


class _FactIndex:
    """Facts of all runs by quantity and value."""

    def __init__(self, runs: Iterable[KnownRun]) -> None:
        self.tables = {run.name: run.facts for run in runs}
        self.words: dict[tuple[str, str], set[str]] = defaultdict(set)
        numbers: dict[str, list[tuple[float, str, Fact]]] = defaultdict(list)
        for name, table in self.tables.items():
            for fact in table:
                if isinstance(fact.value, str):
                    self.words[fact.key.quantity, fact.value].add(name)
                else:
                    numbers[fact.key.quantity].append((float(fact.value), name, fact))
        self.numbers = {
            key: sorted(facts, key=lambda entry: entry[0]) for key, facts in numbers.items()
        }
        self.values = {key: [entry[0] for entry in facts] for key, facts in self.numbers.items()}

    def runs_with(self, draft: Draft) -> set[str]:
        """Runs with a fact that rounds to the draft's value."""
        if draft.number is None:
            return self.words.get((draft.quantity, draft.word), set())
        facts = self.numbers.get(draft.quantity, [])
        half = max(draft.step / 2, abs(draft.number) * 1e-9) * 1.000001
        at = bisect_left(self.values.get(draft.quantity, []), draft.number - half)
        runs: set[str] = set()
        while at < len(facts) and facts[at][0] <= draft.number + half and len(runs) <= COMMON:
            if _comparable(draft, facts[at][2]):
                runs.add(facts[at][1])
            at += 1
        return runs

    def contradicts(self, run: str, draft: Draft) -> bool:
        """Whether the run has facts of the same key, and none of this value."""
        facts = [
            fact for fact in self.tables[run].of(draft.quantity)
            if _comparable(draft, fact) and fact.key.epoch == draft.epoch
            and fact.key.qualifier == draft.qualifier
        ]  # fmt: skip
        half = draft.step / 2 * 1.000001
        number = draft.number or 0.0
        return bool(facts) and not any(
            not isinstance(fact.value, str) and abs(fact.value - number) <= half for fact in facts
        )


def _comparable(draft: Draft, fact: Fact) -> bool:
    key = fact.key
    if draft.epoch is not None and key.epoch is not None and draft.epoch != key.epoch:
        return False
    if (
        draft.qualifier in ("best", "final", "initial")
        and key.qualifier
        and key.qualifier != draft.qualifier
    ):
        return False
    return (
        not draft.split or not key.split or draft.split == key.split
    ) and draft.group == key.group


def bindings_of(
    names: PageNames, bound: Mapping[str, Bound], claims: Mapping[str, int]
) -> list[Binding]:
    """Each name of a page that a claim or a heading uses, with what it means."""
    results = []
    for head, members in names.members().items():
        entry = bound[head]
        for name in members:
            places = list(dict.fromkeys(names.places[name]))
            results.append(Binding(
                name=name, places=places, run=entry.run, sure=entry.sure, why=entry.why,
                candidates=entry.candidates, claims=claims.get(name, 0),
            ))  # fmt: skip
    return results
