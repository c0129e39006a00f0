"""Verdicts on claims: what the evidence says of each, and never a pass without evidence."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from mobile_vla.casebook.model import CaseView, Evidence
from mobile_vla.documents.claims.model import Claim, ClaimVerdict, Judged
from mobile_vla.documents.claims.words import LOSSES
from mobile_vla.documents.facts import CaseFacts, Fact, RunFacts, case_facts
from mobile_vla.documents.judged_pairs import Compare, judge_better, judge_pair
from mobile_vla.documents.states import judge_word
from mobile_vla.documents.wording import plain

MEASURED = frozenset(
    {"val_loss", "train_loss", "rmse", "params", "size", "share", "ratio",
     "duration", "epoch_time", "step_time"}
)  # fmt: skip
TIMES = frozenset({"duration", "epoch_time", "step_time", "started"})
UNSURE = {
    "step_time": "it may mean the robot's step, not the optimiser's",
    "started": "the document does not say in which time zone",
}
"""Quantities whose mismatch has another explanation than a falsehood."""
TRAINED_ON = re.compile(r"trained (on|with)|로[^.]{0,20}학습(했|하|함)")
ABOUT = 0.1
"""How far "about 100" may lie from the evidence, as a share of it."""


class Judge:
    """Judges claims against cases. Facts of a case are read when a claim first asks for them."""

    def __init__(self, cases: Mapping[str, CaseView], base: Path, compare: Compare) -> None:
        self.views = cases
        self.base, self.compare = base, compare
        self._facts: dict[str, CaseFacts] = {}

    def judge(self, claim: Claim) -> Judged:
        """The verdict on one claim, with the evidence it rests on: no evidence is never a pass."""
        judged = self._judge(claim)
        if judged.evidence is None and judged.verdict not in ("ambiguous", "unsupported"):
            return _say(claim, "unsupported", judged.reason, judged.expected)
        return judged

    def _judge(self, claim: Claim) -> Judged:  # noqa: PLR0911 - a verdict a line
        if claim.quantity == "name":
            return _say(
                claim, "ambiguous", f"{claim.case} is another run elsewhere in the document"
            )
        if claim.quantity in ("comparison", "no_comparison"):
            return judge_pair(claim, self.views, self.compare)
        if claim.quantity == "ratio":
            return self._ratio(claim)
        if claim.quantity == "better":
            return judge_better(claim, self.facts, self.compare)
        if claim.name is None:
            said = f"which run {claim.case} is" if claim.case else "of which run it speaks"
            return _say(claim, "ambiguous", f"the document does not say {said}")
        facts = self.facts(claim.name)
        if facts is None:
            return _say(claim, "unsupported", f"no evidence of a run called {claim.name}")
        if claim.quantity in ("episodes", "share", "ways"):
            return judge_episodes(claim, facts)
        if claim.number is None or claim.quantity == "part":
            return judge_word(claim, facts)
        return judge_number(claim, facts)

    def facts(self, name: str) -> CaseFacts | None:
        """What the evidence says of a case, None where there is no such case."""
        if name not in self._facts and name in self.views:
            self._facts[name] = case_facts(self.views[name], self.base)
        return self._facts.get(name)

    def _ratio(self, claim: Claim) -> Judged:
        found = [self._held(name, claim.qualifier) for name in claim.pair]
        told = "episodes" if claim.qualifier == "episodes" else f"{claim.qualifier} losses"
        if len(found) != 2 or found[0] is None or found[1] is None or claim.number is None:
            return _say(claim, "unsupported", f"the {told} of the two are not both known")
        a, b = found[0], found[1]
        if not a.number or not b.number:
            return _say(claim, "unsupported", "a loss of zero has no ratio")
        ratio = max(a.number / b.number, b.number / a.number)
        if agrees(claim, Fact(ratio, b.evidence)):
            return _say(claim, "supported", f"their {told}", plain(ratio), evidence=b.evidence)
        reason = f"their {told} are {plain(a.number)} and {plain(b.number)}"
        return _say(
            claim, "contradicted", reason, plain(ratio), plain(ratio, 2), evidence=b.evidence
        )

    def _held(self, name: str, what: str) -> Fact | None:
        """What a ratio is of: the final or best validation loss, or the training episodes."""
        facts = self.facts(name)
        if facts is None or facts.speaking is None:
            return None
        if what == "episodes":
            told = facts.speaking.episodes.get("train")
            return Fact(*told) if told else None
        return facts.speaking.numbers.get(("val_loss", what, ""))


def judge_number(claim: Claim, facts: CaseFacts) -> Judged:
    """A number against the run that speaks, then against the earlier ones."""
    speaking = facts.speaking
    if speaking is None:
        return _say(claim, "unsupported", f"{facts.view.name} has no run ({facts.view.why})")
    judged = _number_of_run(claim, speaking)
    if judged.verdict in ("contradicted", "unsupported"):
        for earlier in facts.earlier:
            before = _number_of_run(claim, earlier)
            if before.verdict == "supported":
                if judged.verdict == "unsupported":
                    return before
                told = f"so it was in the run {earlier.run.path}; another speaks for the case now"
                return _say(
                    claim, "stale", told, judged.expected, judged.fixable, evidence=judged.evidence
                )
    return judged


def _number_of_run(claim: Claim, facts: RunFacts) -> Judged:
    if claim.qualifier == "part":
        return _of_part(claim, facts)
    right = _asked(claim, facts)
    for fact in right:
        if agrees(claim, fact):
            if claim.quantity == "rmse":
                return _root(claim, facts, fact)
            return _say(claim, "supported", "", _shown(claim, fact), evidence=fact.evidence)
    elsewhere = _elsewhere(claim, facts)
    return (
        _differs(claim, facts, right[-1], elsewhere) if right else _without(claim, facts, elsewhere)
    )


def _of_part(claim: Claim, facts: RunFacts) -> Judged:
    """ "After 2 epochs": fewer than the run's may be true of a part of it."""
    whole = _number_of_run(msgspec.structs.replace(claim, qualifier=""), facts)
    if whole.verdict != "contradicted" or (claim.number or 0) > float(whole.expected or 0):
        return msgspec.structs.replace(whole, claim=claim)
    told = "it may speak of a part of the run"
    return _say(claim, "ambiguous", told, whole.expected, evidence=whole.evidence)


def _differs(claim: Claim, facts: RunFacts, fact: Fact, elsewhere: str | None) -> Judged:
    """None of the facts that the claim may mean is its value: false, unless it may mean another."""
    shown = _shown(claim, fact)
    if claim.quantity in ("val_loss", "train_loss") and not claim.qualifier:
        if elsewhere:
            told = f"it is the loss of {elsewhere}, and the claim names no epoch"
            return _say(claim, "ambiguous", told, shown, evidence=fact.evidence)
        if _may_be_best(claim, facts):
            told = "it could be the best, which the evidence does not tell"
            return _say(claim, "unsupported", told, shown, evidence=fact.evidence)
    told = f"that is its {elsewhere}" if elsewhere else ""
    own_clock = claim.quantity != "started" or facts.run.foreign is None
    if claim.quantity in UNSURE and own_clock:
        return _say(claim, "ambiguous", UNSURE[claim.quantity], shown, evidence=fact.evidence)
    if claim.quantity == "any_steps" and _still_going(claim, facts, fact):
        told = f"it runs and has done {shown} by now"
        return _say(claim, "stale", told, shown, shown, evidence=fact.evidence)
    return _say(
        claim, "contradicted", told, shown, _as_written(claim, fact), evidence=fact.evidence
    )


def _asked(claim: Claim, facts: RunFacts) -> list[Fact]:
    """The facts that the claim may mean, the likeliest last."""
    quantity, qualifier = claim.quantity, claim.qualifier
    if quantity == "any_steps":
        planned = qualifier == "planned"
        keys = [("any_steps", "planned", "")] if planned else [("any_steps", "batches", "")]
        keys.append(("steps", "", ""))
        return [facts.numbers[key] for key in keys if key in facts.numbers]
    splits = [""] if quantity != "rmse" else [claim.split] if claim.split else ["val", "train"]
    names = [qualifier]
    if quantity in ("val_loss", "train_loss", "rmse"):
        parts = qualifier.split(" at ")
        names = parts if len(parts) > 1 else [qualifier] if qualifier else ["final", "best"]
        if quantity != "val_loss" and not qualifier:
            names = ["final"]
    found = [facts.numbers.get((quantity, name, part)) for name in names for part in splits]
    if len(qualifier.split(" at ")) > 1 and None in found:
        return [fact for fact in found[-1:] if fact is not None]
    return [fact for fact in found if fact is not None]


def _still_going(claim: Claim, facts: RunFacts, done: Fact) -> bool:
    return facts.run.state == "running" and (claim.number or 0.0) < done.number


def _elsewhere(claim: Claim, facts: RunFacts) -> str | None:
    """Another place of the same quantity where the claimed value stands."""
    names: list[str] = []
    for (quantity, name, split), fact in facts.numbers.items():
        same = quantity == claim.quantity and (not split or split == claim.split)
        if same and name != claim.qualifier and agrees(claim, fact) and not claim.about:
            names.append(name or split)
    return min(names, key=lambda name: (name not in ("final", "best"), name), default=None)


def _without(claim: Claim, facts: RunFacts, elsewhere: str | None) -> Judged:
    """No such fact: a best loss may still be ruled out by another epoch's."""
    if claim.quantity in LOSSES and "before any data was read" in facts.run.why:
        at = facts.run.evidence[0] if facts.run.evidence else None
        told = f"it died before it trained: {facts.run.why}"
        return _say(claim, "contradicted", told, "no loss", None, evidence=at)
    below = facts.best_below
    ruled = claim.quantity == "val_loss" and "best" in (claim.qualifier or "best").split(" at ")
    if ruled and below is not None and claim.number is not None:
        at = next(
            f.evidence for k, f in facts.numbers.items() if k[0] == "val_loss" and f.number == below
        )
        if claim.number - 0.5 * claim.step > below:
            told = f"an epoch of it reached {plain(below)}, so its best is no higher"
            return _say(claim, "contradicted", told, f"≤ {plain(below)}", None, evidence=at)
    known = f"; the value stands there as {elsewhere}" if elsewhere else ""
    return _say(claim, "unsupported", f"no file of {facts.run.case} tells its {claim.what}{known}")


def _may_be_best(claim: Claim, facts: RunFacts) -> bool:
    if claim.quantity != "val_loss" or ("val_loss", "best", "") in facts.numbers:
        return False
    return facts.best_below is None or (claim.number or 0.0) <= facts.best_below


def _root(claim: Claim, facts: RunFacts, fact: Fact) -> Judged:
    """An "RMSE" that a log derives from its own loss is no error in m/s."""
    roots = [one for (quantity, _, _), one in facts.numbers.items() if quantity == "rmse"]
    losses = [one for (quantity, _, _), one in facts.numbers.items() if quantity.endswith("_loss")]
    for root, loss in itertools.product(roots, losses):
        if math.isclose(root.number**2, loss.number, rel_tol=0.02):
            told = (
                f"the log prints it, yet such values of it are roots of its loss "
                f"({plain(root.number)}² = {plain(loss.number)}), no error in m/s"
            )
            return _say(claim, "ambiguous", told, plain(fact.number), None, evidence=fact.evidence)
    return _say(claim, "supported", "", plain(fact.number), evidence=fact.evidence)


def agrees(claim: Claim, fact: Fact) -> bool:
    """Whether a claimed number is the evidence's, to the digits given.

    Measured values are rounded to the digits written; settings and counts are exact; "about" may
    be off by a tenth.
    """
    if claim.number is None or not math.isfinite(fact.number):
        return False
    off = abs(claim.number - fact.number)
    slack = 1e-9 * max(abs(claim.number), abs(fact.number))
    if claim.about:
        return off <= max(ABOUT * abs(fact.number), 0.5 * claim.step if fact.number < 1 else 0.0)
    if claim.quantity not in MEASURED:
        return off <= slack
    return off <= max(0.5 * claim.step, 0.5 * fact.step) + slack


def judge_episodes(claim: Claim, facts: CaseFacts) -> Judged:  # noqa: PLR0911 - a verdict a line
    """Counts of episodes, in all or by direction, shares of a split, directions alone."""
    run = facts.speaking
    if run is None:
        return _say(claim, "unsupported", f"{facts.view.name} has no run ({facts.view.why})")
    if claim.quantity == "share":
        return _share(claim, run)
    known = run.episodes.get(claim.split)
    if known is None:
        return _say(claim, "unsupported", f"no file of {run.run.case} tells how many it read")
    if claim.ways:
        return _by_direction(claim, run, *known)
    fact = Fact(known[0], known[1])
    if agrees(claim, fact):
        return _say(claim, "supported", "", _count(run, claim.split), evidence=known[1])
    train = run.episodes.get("train")
    if not claim.split and train and agrees(claim, Fact(*train)):
        if TRAINED_ON.search(claim.text):
            return _say(claim, "supported", "", _count(run, "train"), evidence=train[1])
        told = "that is the training split alone"
        return _say(claim, "ambiguous", told, _count(run, ""), evidence=train[1])
    return _say(
        claim, "contradicted", "", _count(run, claim.split), str(known[0]), evidence=known[1]
    )


def _by_direction(claim: Claim, run: RunFacts, total: int, at: Evidence) -> Judged:
    counts = run.counts.get(claim.split)
    shown = _count(run, claim.split)
    if counts is None:
        claimed = sum(claim.parts) or claim.number
        whole = claim.only or len(claim.parts) > 1 or len(claim.ways) > 1
        if claimed is not None and _far(claim, claimed, total, whole=whole):
            return _say(claim, "contradicted", "", shown, None, evidence=at)
        told = "the files tell how many, not in which directions"
        return _say(claim, "unsupported", told, shown, evidence=at)
    told_ways = counts.by_direction()
    mine = sum(told_ways.get(way, 0) for way in claim.ways)  # type: ignore[call-overload]
    others = set(told_ways) - set(claim.ways)
    trained = run.counts.get("train")
    if not claim.split and trained is not None and claim.number is not None and not claim.only:
        of_training = sum(trained.by_direction().get(way, 0) for way in claim.ways)  # type: ignore[call-overload]
        if agrees(claim, Fact(of_training, at)):
            return _say(claim, "supported", "", _count(run, "train"), evidence=at)
    if claim.number is not None and not agrees(claim, Fact(mine, at)):
        return _say(claim, "contradicted", "", shown, str(mine) if mine else None, evidence=at)
    missing = [way for way in claim.ways if way not in told_ways]
    if (claim.only and others) or (missing and (len(claim.ways) > 1 or not mine)):
        return _say(claim, "contradicted", "", shown, None, evidence=at)
    return _say(claim, "supported", "", shown, evidence=at)


def _far(claim: Claim, claimed: float, total: int, *, whole: bool) -> bool:
    """Whether a count by direction cannot be: more than there are, or not all of them."""
    slack = ABOUT * total if claim.about else 0.0
    return claimed > total + slack or (whole and abs(claimed - total) > slack)


def _share(claim: Claim, run: RunFacts) -> Judged:
    part, whole = run.episodes.get(claim.split), run.episodes.get("")
    if part is None or whole is None or not whole[0]:
        return _say(claim, "unsupported", f"no file of {run.run.case} tells its splits")
    share = part[0] / whole[0]
    shown = f"{100 * share:.4g}"
    if agrees(claim, Fact(share, part[1])):
        return _say(claim, "supported", "", f"{shown} %", evidence=part[1])
    return _say(claim, "contradicted", "", f"{shown} %", shown, evidence=part[1])


def _count(run: RunFacts, split: str) -> str:
    counts, known = run.counts.get(split), run.episodes.get(split)
    if counts is not None:
        return " + ".join(f"{n} {way}" for way, n in counts.by_direction().items()) or "0"
    if known is None:
        return "unknown"
    if not split and "train" in run.episodes and "val" in run.episodes:
        train, val = run.episodes["train"][0], run.episodes["val"][0]
        return f"{known[0]} ({train} train + {val} val)"
    return str(known[0])


def _shown(claim: Claim, fact: Fact) -> str:
    if claim.quantity not in MEASURED:
        return f"{fact.number:.12g}"
    return plain(fact.number, 4)


def _as_written(claim: Claim, fact: Fact) -> str | None:
    """The evidence's number in the claim's own unit and digits, for a correction in place."""
    power = claim.step
    if claim.quantity in TIMES:
        return None
    if claim.quantity not in MEASURED:
        return f"{fact.number:.12g}" if claim.number else None
    if claim.quantity in ("params", "size"):
        unit = (claim.number or 0.0) / (float(claim.value.replace(",", "")) or 1.0)
        return plain(fact.number / unit, 4) if unit else None
    digits = max(0, -math.floor(math.log10(power) + 0.5))
    text = f"{fact.number:.{digits}f}"
    return text if float(text) else plain(fact.number, 3)


def _say(
    claim: Claim,
    verdict: ClaimVerdict,
    reason: str,
    expected: str | None = None,
    fixable: str | None = None,
    *,
    evidence: Evidence | None = None,
) -> Judged:
    return Judged(
        claim=claim,
        verdict=verdict,
        reason=reason,
        expected=expected,
        fixable=fixable,
        evidence=evidence,
    )
