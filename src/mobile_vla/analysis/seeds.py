"""Runs of one case that differ in the training seed alone: the unit of a claim about a method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mobile_vla.evidence.model import CaseView, RunView

FOLLOW_SEED = frozenset({"seed", "weights_as_loaded"})
"""What a seed moves: adapters and head are drawn from it."""


@dataclass(frozen=True, slots=True)
class Arms:
    """Both sides of a comparison, one run a seed; the last of each stands for its factors."""

    a: tuple[RunView, ...]
    b: tuple[RunView, ...]

    @property
    def replicated(self) -> bool:
        """Whether both sides have seeds to compare within them."""
        return len(self.a) > 1 and len(self.b) > 1


def arms(a: CaseView, b: CaseView, nuisance: Sequence[str]) -> Arms:
    """The runs that stand for two cases whose speaking runs have finished.

    Two seeds or more on each side: all of them. Else the run of a seed that both have, else the
    runs that speak.
    """
    of_a, of_b = replicates(a, nuisance), replicates(b, nuisance)
    common = [seed for seed in of_a if seed in of_b]
    if common:
        of_a = _last(of_a, common[-1])
        of_b = _last(of_b, common[-1])
    if len(of_a) > 1 and len(of_b) > 1:
        return Arms(tuple(of_a.values()), tuple(of_b.values()))
    return Arms((list(of_a.values())[-1],), (list(of_b.values())[-1],))


def replicates(case: CaseView, nuisance: Sequence[str]) -> dict[str, RunView]:
    """Finished runs by seed that differ from the speaking run in nothing else; it is the last.

    Of two runs with one seed the later counts: the same seed twice is no second trial.
    """
    assert case.run is not None
    same = [
        run
        for run in case.runs
        if run.state == "finished" and _compared(run, nuisance) == _compared(case.run, nuisance)
    ]
    by_seed = {_seed(run): run for run in same}
    return _last(by_seed | {_seed(case.run): case.run}, _seed(case.run))


def seeds_of(runs: Sequence[RunView]) -> str:
    """The seeds of some runs as one value."""
    seeds = sorted((_seed(run) for run in runs), key=lambda seed: (len(seed), seed))
    return ", ".join(seeds)


def _compared(run: RunView, nuisance: Sequence[str]) -> dict[str, str]:
    skipped = FOLLOW_SEED | set(nuisance)
    return {name: factor.value for name, factor in run.factors.items() if name not in skipped}


def _seed(run: RunView) -> str:
    factor = run.factors.get("seed")
    return factor.value if factor else "unknown"


def _last(runs: dict[str, RunView], seed: str) -> dict[str, RunView]:
    """The same, with one seed's run as the last."""
    return {key: run for key, run in runs.items() if key != seed} | {seed: runs[seed]}
