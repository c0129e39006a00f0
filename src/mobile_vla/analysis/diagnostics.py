"""What is wrong with an evaluated run, whatever its loss: each fault by its numbers."""

from __future__ import annotations

from collections.abc import Iterator

from mobile_vla.analysis.headline_metrics import error_of
from mobile_vla.analysis.statistics import wilson
from mobile_vla.evidence.model import RunView, Value
from mobile_vla.runs.results import Hearing, Offline, Scored

STILL = 1e-4
"""m/s of mean change below which an instruction moves nothing."""
SAME_SEQUENCE = 0.5
FEWEST = 4
MIRRORED = 0.9
BLIND_MARGIN = 1.05


class Fault(Value, frozen=True, kw_only=True):
    """A fault under one name, and its sentence in English and Korean."""

    name: str
    en: str
    ko: str


def faults(run: RunView) -> list[Fault]:
    """The faults of a run that its evaluation and its manifest show; none where not evaluated."""
    if run.offline is None:
        return []
    return [*_of_splits(run), *_of_offline(run.offline, both_sides(run))]


def both_sides(run: RunView) -> bool:
    """Whether the run trained on left and on right episodes."""
    return run.train is not None and bool(run.train.left and run.train.right)


def _of_splits(run: RunView) -> Iterator[Fault]:
    held = run.validation.by_direction() if run.validation else {}
    if both_sides(run) and len(held) == 1:
        side, count = next(iter(held.items()))
        yield Fault(
            name="validation_one_direction",
            en=f"all {count} validation episodes go {side}, though it trained on both: "
            "its validation loss says nothing of the other side",
            ko=f"검증 에피소드 {count}개가 모두 {_KO[side]}인데 학습은 양쪽: "
            "검증 손실은 다른 쪽에 대해 아무것도 말하지 않음",
        )


def _of_offline(offline: Offline, both: bool) -> Iterator[Fault]:
    yield from _of_set(offline)
    yield from _of_training(offline)
    yield from _of_listening(offline, both)
    yield from baseline_faults(offline)


def _of_set(offline: Offline) -> Iterator[Fault]:
    told = offline.set
    if not (told.left and told.right):
        side = "left" if told.left else "right"
        yield Fault(
            name="evaluation_one_direction",
            en=f"the evaluation set goes {side} only: nothing was measured of the other side",
            ko=f"평가 세트가 모두 {_KO[side]}: 다른 쪽은 측정되지 않음",
        )


def _of_training(offline: Offline) -> Iterator[Fault]:
    training = offline.training
    shares = training.common_sequence.items() if training else ()
    for side, share in shares:
        count = training.count[side] if training else 0
        if share > SAME_SEQUENCE and count >= FEWEST:
            yield Fault(
                name="one_key_sequence",
                en=f"{100 * share:.0f} % of its {count} {side} training episodes press one and the "
                "same key sequence: a tape recorder would score as well",
                ko=f"{_KO[side]} 학습 에피소드 {count}개 중 {100 * share:.0f} %가 같은 키 순서: "
                "그대로 재생해도 같은 점수가 나옴",
            )
    for span in offline.spans:
        if span.beyond > 0:
            yield Fault(
                name="actions_clipped",
                en=f"{100 * span.beyond:.0f} % of the recorded {span.name} lie beyond the largest "
                f"it was trained on ({span.trained:.3g} against {span.recorded:.3g}): "
                "its actions were clipped or scaled",
                ko=f"기록된 {span.name}의 {100 * span.beyond:.0f} %가 학습한 최댓값을 넘음 "
                f"({span.trained:.3g}, 기록 {span.recorded:.3g}): 행동이 잘렸거나 배율이 다름",
            )


def _of_listening(offline: Offline, both: bool) -> Iterator[Fault]:
    swap = offline.swap
    if swap.change < STILL:
        yield Fault(
            name="instruction_does_not_reach",
            en="the other instruction on the same frames moves no action: the instruction does "
            "not reach the policy (its image may cover its text)",
            ko="같은 프레임에서 지시를 바꿔도 행동이 움직이지 않음: 지시가 정책에 닿지 않음 "
            "(이미지가 텍스트를 덮었을 수 있음)",
        )
    elif both and wilson(round(swap.follows * swap.n), swap.n)[0] <= 0.5:
        yield Fault(
            name="instruction_not_followed",
            en=f"trained on both sides, it turns to the other side under the other instruction in "
            f"{100 * swap.follows:.0f} % of {swap.n} episodes, no more than chance",
            ko=f"양쪽을 학습했지만 바뀐 지시를 {swap.n}개 중 {100 * swap.follows:.0f} %만 따름: "
            "우연과 다르지 않음",
        )
    own = _swapped(offline)
    if own is not None and own.mirrored is not None and own.mirrored > MIRRORED:
        yield Fault(
            name="direction_by_rule",
            en=f"under the other instruction {100 * own.mirrored:.0f} % of sideways actions are "
            "the same with their sign turned: the direction is read off the words by a rule, "
            "so direction accuracy measures no learning",
            ko=f"지시를 바꾸면 옆 방향 행동의 {100 * own.mirrored:.0f} %가 부호만 바뀜: 방향을 "
            "단어에서 규칙으로 정하므로 방향 정확도는 학습을 재지 않음",
        )


def baseline_faults(offline: Offline) -> Iterator[Fault]:
    """The baselines that the policy's mean absolute error is not below."""
    own = error_of(offline.policy)
    for scored in offline.baselines:
        other = error_of(scored)
        if own is None or other is None:
            continue
        if scored.name == "blind" and other <= BLIND_MARGIN * own:
            yield _as_good_blind(own, other)
        elif scored.name in _BASELINES and other <= own:
            yield _no_better(scored, own, other)


def _as_good_blind(own: float, other: float) -> Fault:
    return Fault(
        name="does_not_look",
        en=f"it does as well without its image ({other:.3g} against {own:.3g} m/s): "
        "it does not look",
        ko=f"이미지 없이도 같은 오차 ({other:.3g}, 정책 {own:.3g} m/s): 보지 않음",
    )


def _no_better(scored: Scored, own: float, other: float) -> Fault:
    en, ko = _BASELINES[scored.name]
    return Fault(
        name=f"does_not_beat_{scored.name}",
        en=f"it does not beat {en}: {own:.3g} against {other:.3g} m/s",
        ko=f"{ko}보다 낫지 않음: {own:.3g}, {other:.3g} m/s",
    )


def _swapped(offline: Offline) -> Hearing | None:
    """What the policy does under the other instruction."""
    found = (h for h in offline.hearing if h.series == "policy" and h.test == "swapped")
    return next(found, None)


_KO = {"left": "왼쪽", "right": "오른쪽", "straight": "직진"}
_BASELINES = {
    "mean_action": ("the mean action", "평균 행동"),
    "replay_by_step": ("replay by step", "스텝별 재생"),
    "replay_by_step_and_instruction": (
        "replay by step and instruction",
        "스텝과 지시별 재생",
    ),
    "nearest_neighbour": ("the nearest training frame", "가장 가까운 학습 프레임"),
    "deaf": ("itself without an instruction", "지시 없는 자신"),
}
