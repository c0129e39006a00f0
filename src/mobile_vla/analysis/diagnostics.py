"""What is wrong with an evaluated run, whatever its loss: each fault by its numbers."""

from __future__ import annotations

from collections.abc import Iterator

from mobile_vla.analysis.headline_metrics import error_of
from mobile_vla.analysis.statistics import wilson
from mobile_vla.evidence.model import RunView
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.runs.results import Hearing, Offline, Rollouts

STILL = 1e-4
"""m/s of mean change below which an instruction moves nothing."""
SAME_SEQUENCE = 0.5
FEWEST = 4
FEW_FRAMES = 0.01
"""Share of recorded frames below which actions beyond training's are scatter, not a fault."""
MIRRORED = 0.9
BLIND_MARGIN = 1.05
BASELINES = frozenset(
    {
        "mean_action",
        "replay_by_step",
        "replay_by_step_and_instruction",
        "nearest_neighbour",
        "deaf",
    }
)
"""Series that a policy must beat."""


def diagnose(run: RunView) -> list[Reason]:
    """The faults that a run's evaluation and manifest show; none where it is not evaluated."""
    driving = _of_driving(run.rollouts) if run.rollouts else ()
    if run.offline is None:
        return [*driving]
    return [*_of_splits(run), *_of_offline(run.offline, both_sides(run)), *driving]


def name_of(fault: Reason) -> str:
    """A fault's name: its code without the section."""
    return fault.code.removeprefix("diagnostic.")


def both_sides(run: RunView) -> bool:
    """Whether the run trained on left and on right episodes."""
    return run.train is not None and bool(run.train.left and run.train.right)


def _of_splits(run: RunView) -> Iterator[Reason]:
    held_out = run.validation.by_direction() if run.validation else {}
    if both_sides(run) and len(held_out) == 1:
        side, count = next(iter(held_out.items()))
        yield reason("diagnostic.validation_one_direction", count=count, direction=side)


def _of_driving(rollouts: Rollouts) -> Iterator[Reason]:
    if rollouts.out_of_world and rollouts.rollouts:
        yield reason("diagnostic.out_of_world", count=len(rollouts.rollouts))


def _of_offline(offline: Offline, both: bool) -> Iterator[Reason]:
    yield from _of_set(offline)
    yield from _of_training(offline)
    yield from _of_instruction(offline, both)
    yield from of_baselines(offline)


def _of_set(offline: Offline) -> Iterator[Reason]:
    episodes = offline.set
    if not (episodes.left and episodes.right):
        side = "left" if episodes.left else "right"
        yield reason("diagnostic.evaluation_one_direction", direction=side)


def _of_training(offline: Offline) -> Iterator[Reason]:
    training = offline.training
    shares = training.common_sequence.items() if training else ()
    for side, share in shares:
        count = training.count[side] if training else 0
        if share > SAME_SEQUENCE and count >= FEWEST:
            yield reason("diagnostic.one_key_sequence", share=round(share, 2), count=count,
                         direction=side)  # fmt: skip
    for span in offline.spans:
        if span.beyond >= FEW_FRAMES:
            yield reason("diagnostic.actions_clipped", share=round(span.beyond, 2),
                         dimension=span.name, trained=span.trained,
                         recorded=span.recorded)  # fmt: skip


def _of_instruction(offline: Offline, both: bool) -> Iterator[Reason]:
    swap = offline.swap
    if swap.change < STILL:
        yield reason("diagnostic.instruction_does_not_reach")
    elif both and wilson(round(swap.follows * swap.n), swap.n)[0] <= 0.5:
        share = round(swap.follows, 2)
        yield reason("diagnostic.instruction_not_followed", share=share, count=swap.n)
    policy = _swapped(offline)
    if policy is not None and policy.mirrored is not None and policy.mirrored > MIRRORED:
        yield reason("diagnostic.direction_by_rule", share=round(policy.mirrored, 2))


def of_baselines(offline: Offline) -> Iterator[Reason]:
    """The baselines that the policy's mean absolute error is not below."""
    policy = error_of(offline.policy)
    for scored in offline.baselines:
        error = error_of(scored)
        if policy is None or error is None:
            continue
        if scored.name == "blind" and error <= BLIND_MARGIN * policy:
            yield reason("diagnostic.does_not_look", blind=error, policy=policy)
        elif scored.name in BASELINES and error <= policy:
            code = f"diagnostic.does_not_beat_{scored.name}"
            yield reason(code, policy=policy, baseline=error)


def _swapped(offline: Offline) -> Hearing | None:
    """What the policy does under the other instruction."""
    rows = (row for row in offline.hearing if row.series == "policy" and row.test == "swapped")
    return next(rows, None)
