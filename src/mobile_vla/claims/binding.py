"""Which run does a name of a page mean: by its words, by files, by values that stand with it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple, TypeVar

from mobile_vla.claims.fact_index import FactIndex, evidence_id, file_name, weight
from mobile_vla.claims.keys import LOSSES, Draft
from mobile_vla.claims.lexer import atoms_of
from mobile_vla.claims.model import Candidate, HowSure
from mobile_vla.claims.page_names import Clue
from mobile_vla.evidence.fact_table import FactTable
from mobile_vla.messages.reason import Reason, reason

ENOUGH, AS_A_NAME = 2.0, 3.0
"""Evidence that binds a name; and a full name that no run in the evidence has."""
SHOWN = 5
DAY = re.compile(r"(20\d\d)([01]\d)([0-3]\d)")
LABELS = frozenset({"case", "run", "exp", "model"})
Key = TypeVar("Key", bound=Hashable)
Support = dict[str, set[tuple[str, str]]]
"""For each run the evidence that speaks for it."""


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
    """What a name means. `needs`: how much of `support` it rests on, 0 where it rests on names."""

    run: str | None
    sure: HowSure
    why: list[Reason]
    candidates: list[Candidate]
    support: Support
    needs: float = 0.0


class Binder:
    """Binds the names of a page to runs. `aliases`: confirmed names, from a comment or a study."""

    def __init__(
        self, runs: Sequence[KnownRun], aliases: Mapping[str, str], written: str | None
    ) -> None:
        self.runs = {run.name: run for run in runs}
        self.index = FactIndex({run.name: run.facts for run in runs})
        self.days = {run.name: run.day() for run in runs}
        until = date.fromisoformat(written[:10]) if written and len(written) >= 10 else None
        self.possible = {
            name for name, day in self.days.items() if not (until and day and day > until)
        }
        self.exact = {atoms_of(run.name): {run.name} for run in runs}
        self.confirmed = {atoms_of(name): {run} for name, run in aliases.items()}
        self.labels = _grouped(
            (atoms_of(name), run.name) for run in runs for name in (*run.aliases, run.label) if name
        )
        self.words = _grouped((atom, run) for atoms, (run,) in self.exact.items() for atom in atoms)
        self.files = _grouped((file_name(file), run.name) for run in runs for file in run.files)

    def bind(  # noqa: PLR0911 - one exit for each way to bind
        self, names: Sequence[str], clues: set[Clue], drafts: Sequence[Draft]
    ) -> Bound:
        """What the names of one run on a page mean."""
        atoms = [atoms_of(name) for name in names]
        named = [clue.text for clue in clues if clue.kind == "name"]
        if confirmed := _looked_up(self.confirmed, atoms):
            return self._decided(confirmed, "confirmed", "claim.bound_confirmed")
        if exact := _looked_up(self.exact, [*atoms, *map(atoms_of, named)]):
            return self._decided(exact, "exact", "claim.bound_exact")
        support = self._support(names, clues, drafts)
        if foreign := self._foreign(names, clues):
            return self._by_losses(foreign, support, drafts)
        winner = self._winner(support, drafts)
        possible = {winner} if winner is not None else set()
        if labelled := _looked_up(self.labels, atoms):
            if possible <= labelled:
                return self._decided(labelled, "confirmed", "claim.bound_label")
            return self._undecided(possible | labelled, support)
        short = self._shortened([*names, *named], clues)
        if len(short) == 1 and possible <= short:
            return self._decided(short, "safe", "claim.bound_short")._replace(support=support)
        if winner is not None and (not short or possible <= short):
            return Bound(winner, "safe", _reasons(support[winner]), [], support, ENOUGH)
        return self._undecided(short | possible, support)

    def without(self, bound: Bound, draft: Draft) -> bool:
        """Whether a binding by values holds without one claim, so that the claim can be tested."""
        if not bound.needs:
            return True
        identity = evidence_id(draft)
        remainder = {run: ids - {identity} for run, ids in bound.support.items()}
        return self._winner(remainder, [], bound.needs) == bound.run

    def _by_losses(self, foreign: str, support: Support, drafts: Sequence[Draft]) -> Bound:
        """A run that the evidence calls otherwise: three losses are as good as a name."""
        losses = {
            run: {entry for entry in ids if entry[0] == "loss"} for run, ids in support.items()
        }
        winner, match = self._winner(losses, drafts, AS_A_NAME), DAY.search(foreign)
        day = "-".join(match.groups()) if match else ""
        if winner is None or not _same_day(self.days[winner], day):
            return Bound(None, "none", [reason("claim.bind_foreign", name=foreign)], [], support)
        return Bound(winner, "safe", _reasons(losses[winner]), [], losses, AS_A_NAME)

    def _decided(self, runs: set[str], sure: HowSure, code: str) -> Bound:
        if len(runs) > 1:
            return self._undecided(runs, {})
        (run,) = runs
        if run not in self.runs:
            return Bound(None, "none", [reason("claim.bind_no_such_run", run=run)], [], {})
        return Bound(run, sure, [reason(code, run=run)], [], {})

    def _undecided(self, runs: set[str], support: Support) -> Bound:
        heavy = sorted(support, key=lambda run: (-weight(support[run]), run))[:SHOWN]
        names = list(dict.fromkeys([*sorted(runs), *heavy]))[:SHOWN]
        if not names:
            return Bound(None, "none", [reason("claim.bind_nothing")], [], support)
        candidates = [Candidate(run=run, why=_reasons(support.get(run, set()))) for run in names]
        code = "claim.bind_ambiguous" if len(candidates) > 1 else "claim.bind_thin"
        return Bound(None, "candidate", [reason(code, n=len(candidates))], candidates, support)

    def _foreign(self, names: Sequence[str], clues: set[Clue]) -> str | None:
        """A full name or a dated file of a run that the evidence does not hold."""
        for text in (*names, *(clue.text for clue in clues if clue.kind != "date")):
            stem = text.rsplit(".", 1)[0] if text not in self.files else ""
            atoms = atoms_of(stem)
            if len(atoms) < 3 or not DAY.search(stem) or self._containing(atoms):
                continue
            if not any(_is_part(registered, atoms) for registered in self.exact):
                return text
        return None

    def _containing(self, atoms: tuple[str, ...]) -> set[str]:
        """Runs whose name holds these words side by side."""
        runs = (
            set.intersection(*(self.words.get(atom, set()) for atom in atoms)) if atoms else set()
        )
        return {run for run in runs if _is_part(atoms, atoms_of(run))}

    def _shortened(self, names: Iterable[str], clues: set[Clue]) -> set[str]:
        """Runs that one of the names is a shorter form of: two words or more, or a number."""
        days = [clue.text for clue in clues if clue.kind == "date"]
        runs: set[str] = set()
        for atoms in map(atoms_of, names):
            label = len(atoms) == 2 and len(atoms[1]) < 4 and atoms[0] in LABELS
            number = len(atoms) == 1 and atoms[0].isdigit() and len(atoms[0]) > 3
            if number or (len(atoms) > 1 and not label):
                runs |= self._containing(atoms) & self.possible
        return {run for run in runs if all(_same_day(self.days[run], day) for day in days)}

    # ---------------------------------------------------------------- values

    def _support(self, names: Iterable[str], clues: set[Clue], drafts: Iterable[Draft]) -> Support:
        support: Support = defaultdict(set)
        for draft in drafts:
            for run in self._runs_with(draft) & self.possible:
                support[run].add(evidence_id(draft))
        for clue in clues:
            for run in self._of_clue(clue) & self.possible:
                support[run].add((clue.kind, clue.text))
        for word in {atom for name in names for atom in atoms_of(name)}:
            if len(word) > 3 and word.isalpha():
                for run in self.words.get(word, set()) & support.keys():
                    support[run].add(("word", word))
        return support

    def _of_clue(self, clue: Clue) -> set[str]:
        if clue.kind == "date":
            return {name for name, day in self.days.items() if day and _same_day(day, clue.text)}
        return self.files.get(clue.text, set())

    def _runs_with(self, draft: Draft) -> set[str]:
        """Runs that one fact at least of this value speaks for; none where many do."""
        if draft.kind != "value":
            return set()
        if draft.quantity in ("date", "started"):
            return self._of_clue(Clue("date", draft.word))
        if draft.quantity == "checkpoint_file":
            return self.files.get(file_name(draft.word), set())
        return self.index.runs_with(draft)

    def _winner(
        self, support: Support, drafts: Sequence[Draft], enough: float = ENOUGH
    ) -> str | None:
        """The run apart from every other by evidence enough, None where none is."""
        if not support:
            return None
        best, *others = sorted(support, key=lambda run: (-weight(support[run]), run))
        for ids in [*(support[other] for other in others), set[tuple[str, str]]()]:
            if weight(support[best] - ids) - 2 * weight(ids - support[best]) < enough:
                return None
        missed = {
            evidence_id(draft) for draft in drafts
            if draft.quantity in LOSSES and draft.kind == "value"
            and self.index.contradicts(best, draft)
        }  # fmt: skip
        return best if 2 * weight(missed - support[best]) <= weight(support[best]) else None


def _reasons(ids: set[tuple[str, str]]) -> list[Reason]:
    return (
        [reason("claim.bound_values", values=[text for _, text in sorted(ids)[:6]])] if ids else []
    )


def _grouped(pairs: Iterable[tuple[Key, str]]) -> dict[Key, set[str]]:
    groups: dict[Key, set[str]] = {}
    for key, run in pairs:
        groups.setdefault(key, set()).add(run)
    return groups


def _looked_up(
    runs: Mapping[tuple[str, ...], set[str]], atoms: Iterable[tuple[str, ...]]
) -> set[str]:
    return set[str]().union(*(runs.get(entry, set()) for entry in atoms))


def _same_day(day: date | None, text: str) -> bool:
    """Whether a date of a page ("2025-12-03", "12-03T22:56") is this day, or may be."""
    text = text.partition("T")[0]
    return day is None or (bool(text) and day.isoformat().endswith(text))


def _is_part(part: tuple[str, ...], atoms: tuple[str, ...]) -> bool:
    return any(atoms[at : at + len(part)] == part for at in range(len(atoms) - len(part) + 1))
