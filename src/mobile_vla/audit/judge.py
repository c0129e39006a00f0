"""Verdicts on claims: what the evidence says of each, and never a pass without evidence."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from mobile_vla.analysis.wording import plain
from mobile_vla.audit.judge_changes import judge_change
from mobile_vla.audit.judge_counts import judge_episodes
from mobile_vla.audit.judge_pairs import Compare, judge_better, judge_pair
from mobile_vla.audit.judge_setup import judge_word
from mobile_vla.audit.tolerance import MEASURED, agrees
from mobile_vla.evidence.facts import CaseFacts, Fact, RunFacts, case_facts
from mobile_vla.evidence.model import CaseView
from mobile_vla.old_claims.model import Claim, ClaimVerdict, Judged, english, say
from mobile_vla.old_claims.words import LOSSES

TIMES = frozenset({"duration", "epoch_time", "step_time"})
NEARLY = 0.2
"""How far a time may lie from the evidence's, as a share of it, before it is called false."""
ONLY_PLANNED = re.compile(
    r"trained for|ran for|completed|epochs trained|완료|돌렸|돌았|학습했", re.IGNORECASE
)
"""What is said of epochs that were done, not only set."""


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
            return say(claim, "unsupported", judged.reason, judged.expected)
        return judged

    def _judge(self, claim: Claim) -> Judged:  # noqa: PLR0911 - a verdict a line
        if claim.quantity == "name":
            return say(claim, "ambiguous", f"{claim.case} is another run elsewhere in the document")
        if claim.quantity in ("comparison", "no_comparison"):
            return judge_pair(claim, self.views, self.compare)
        if claim.quantity in ("ratio", "percent"):
            return judge_change(claim, self.facts)
        if claim.quantity == "better":
            return judge_better(claim, self.facts, self.compare)
        if claim.name is None:
            said = f"which run {claim.case} is" if claim.case else "of which run it speaks"
            return say(claim, "ambiguous", f"the document does not say {said}")
        facts = self.facts(claim.name)
        if facts is None:
            return say(claim, "unsupported", f"no evidence of a run called {claim.name}")
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


def judge_number(claim: Claim, facts: CaseFacts) -> Judged:
    """A number against the run that speaks, then against the earlier ones."""
    speaking = facts.speaking
    if speaking is None:
        return say(
            claim, "unsupported", f"{facts.view.name} has no run ({english(facts.view.why)})"
        )
    judged = _number_of_run(claim, speaking)
    if judged.verdict in ("contradicted", "unsupported"):
        for earlier in facts.earlier:
            before = _number_of_run(claim, earlier)
            if before.verdict == "supported":
                if judged.verdict == "unsupported":
                    return before
                told = f"so it was in the run {earlier.run.path}; another speaks for the case now"
                return say(
                    claim, "stale", told, judged.expected, judged.fixable, evidence=judged.evidence
                )
    return judged


def _number_of_run(claim: Claim, facts: RunFacts) -> Judged:
    if claim.qualifier == "part":
        return _of_part(claim, facts)
    right = _asked(claim, facts)
    for fact in right:
        if agrees(claim, fact):
            if claim.quantity == "epochs" and _never_ran(claim, facts):
                at = facts.run.evidence[0] if facts.run.evidence else fact.evidence
                told = f"so it was set, yet {english(facts.run.why)}"
                return say(claim, "contradicted", told, "none", evidence=at)
            if claim.quantity == "rmse":
                return _root(claim, facts, fact)
            return say(claim, "supported", "", _shown(claim, fact), evidence=fact.evidence)
    elsewhere = _elsewhere(claim, facts)
    return (
        _differs(claim, facts, right[-1], elsewhere) if right else _without(claim, facts, elsewhere)
    )


def _never_ran(claim: Claim, facts: RunFacts) -> bool:
    """Whether epochs are called done of a run that died before any data was read."""
    dead = facts.run.why.code == "run.ended_before_data"
    return dead and bool(ONLY_PLANNED.search(claim.text))


def _of_part(claim: Claim, facts: RunFacts) -> Judged:
    """ "After 2 epochs": fewer than the run's may be true of a part of it."""
    whole = _number_of_run(msgspec.structs.replace(claim, qualifier=""), facts)
    if (claim.number or 0) > 0 and facts.run.why.code == "run.ended_before_data":
        return say(claim, "contradicted", facts.run.why, "none", evidence=facts.run.evidence[0])
    if whole.verdict != "contradicted" or (claim.number or 0) > float(whole.expected or 0):
        return msgspec.structs.replace(whole, claim=claim)
    told = "it may speak of a part of the run"
    return say(claim, "ambiguous", told, whole.expected, evidence=whole.evidence)


def _differs(claim: Claim, facts: RunFacts, fact: Fact, elsewhere: str | None) -> Judged:
    """None of the facts that the claim may mean is its value: false, unless it may mean another."""
    shown = _shown(claim, fact)
    for verdict, told in _other_readings(claim, facts, fact, elsewhere):
        fixable = shown if verdict == "stale" else None
        return say(claim, verdict, told, shown, fixable, evidence=fact.evidence)
    told = f"that is its {elsewhere}" if elsewhere else ""
    return say(claim, "contradicted", told, shown, _as_written(claim, fact), evidence=fact.evidence)


def _other_readings(
    claim: Claim, facts: RunFacts, fact: Fact, elsewhere: str | None
) -> Iterator[tuple[ClaimVerdict, str]]:
    """What else than false a number may be that is not the evidence's."""
    plainly = not claim.qualifier
    if claim.quantity in ("val_loss", "train_loss") and plainly and elsewhere:
        yield "ambiguous", f"it is the loss of {elsewhere}, and the claim names no epoch"
    if claim.quantity == "val_loss" and plainly and _may_be_best(claim, facts):
        yield "unsupported", "it could be the best, which the evidence does not tell"
    if claim.quantity == "params" and plainly and elsewhere:
        yield "ambiguous", f"that is its {elsewhere}"
    if claim.quantity == "val_loss" and not claim.split:
        train = msgspec.structs.replace(claim, quantity="train_loss")
        if _number_of_run(train, facts).verdict == "supported":
            yield "ambiguous", "it is the training loss, and the claim does not say of which it is"
    if claim.quantity == "step_time":
        yield "ambiguous", "it may mean the robot's step, not the optimiser's"
    if claim.quantity == "started" and facts.run.foreign is None:
        yield "ambiguous", "the document does not say in which time zone"
    if claim.quantity in TIMES and abs((claim.number or 0.0) - fact.number) < NEARLY * fact.number:
        yield "ambiguous", "the files tell it only roughly"
    if claim.quantity == "any_steps" and _still_going(claim, facts, fact):
        yield "stale", f"it runs and has done {_shown(claim, fact)} by now"


def _asked(claim: Claim, facts: RunFacts) -> list[Fact]:
    """The facts that the claim may mean, the likeliest last."""
    quantity, qualifier = claim.quantity, claim.qualifier
    if quantity == "any_steps":
        planned = qualifier == "planned"
        keys = [("any_steps", "planned", "")] if planned else [("any_steps", "batches", "")]
        keys.append(("steps", "", ""))
        return [facts.numbers[key] for key in keys if key in facts.numbers]
    splits = [""]
    if quantity in ("rmse", "frames"):
        splits = [claim.split] if claim.split else ["val", "train"]
    names = [qualifier]
    if quantity == "params":
        names = ["", qualifier] if qualifier else [""]
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
    if claim.quantity in LOSSES and facts.run.why.code == "run.ended_before_data":
        at = facts.run.evidence[0] if facts.run.evidence else None
        told = f"it died before it trained: {english(facts.run.why)}"
        return say(claim, "contradicted", told, "no loss", None, evidence=at)
    below = facts.best_below
    ruled = claim.quantity == "val_loss" and "best" in (claim.qualifier or "best").split(" at ")
    if ruled and below is not None and claim.number is not None:
        at = next(
            f.evidence for k, f in facts.numbers.items() if k[0] == "val_loss" and f.number == below
        )
        if claim.number - 0.5 * claim.step > below:
            told = f"an epoch of it reached {plain(below)}, so its best is no higher"
            return say(claim, "contradicted", told, f"≤ {plain(below)}", None, evidence=at)
    known = f"; the value stands there as {elsewhere}" if elsewhere else ""
    return say(claim, "unsupported", f"no file of {facts.run.case} tells its {claim.what}{known}")


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
            return say(claim, "ambiguous", told, plain(fact.number), None, evidence=fact.evidence)
    return say(claim, "supported", "", plain(fact.number), evidence=fact.evidence)


def _shown(claim: Claim, fact: Fact) -> str:
    if claim.quantity not in MEASURED:
        return f"{fact.number:.12g}"
    return plain(fact.number, 4)


def _as_written(claim: Claim, fact: Fact) -> str | None:
    """The evidence's number in the claim's own unit and digits, for a correction in place."""
    power = claim.step
    if claim.quantity in TIMES or claim.quantity == "started":
        return None
    if claim.quantity not in MEASURED:
        return f"{fact.number:.12g}" if claim.number else None
    if claim.quantity in ("params", "size"):
        unit = (claim.number or 0.0) / (float(claim.value.replace(",", "")) or 1.0)
        return plain(fact.number / unit, 4) if unit else None
    digits = max(0, -math.floor(math.log10(power) + 0.5))
    text = f"{fact.number:.{digits}f}"
    return text if float(text) else plain(fact.number, 3)
