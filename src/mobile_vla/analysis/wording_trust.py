"""Which offline number may be trusted to choose a checkpoint, in English and Korean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mobile_vla.analysis.offline_vs_rollout import Trust
from mobile_vla.analysis.wording import Language, listing, metric_name, pick


def trust_lines(found: Sequence[Trust], language: Language) -> Iterator[str]:
    """The answer over cases, the answer within a case, then a line a number."""
    if found:
        yield over_cases(found, language)
        yield within_cases(found, language)
    for one in found:
        yield f"- {trust_sentence(one, language)}"


def trust_title(language: Language) -> str:
    """The heading of it all."""
    return pick(("From loss to driving", "손실에서 주행까지"), language)


def over_cases(found: Sequence[Trust], language: Language) -> str:
    """Which numbers rank checkpoints of several cases as driving does."""
    names = listing([metric_name(t.metric, language) for t in found if t.trusted], language)
    n, cases = max(t.n for t in found), max(t.cases for t in found)
    if names:
        en = f"Over {n} checkpoints of {cases} cases, these rank as driving does: {names}."
        ko = f"케이스 {cases}개의 체크포인트 {n}개에서 주행과 같은 순위를 매기는 수치: {names}."
    else:
        en = f"Over {n} checkpoints of {cases} cases, no offline number is shown to rank as driving does."  # noqa: E501
        ko = f"케이스 {cases}개의 체크포인트 {n}개에서 주행과 같은 순위를 매긴다고 보인 오프라인 수치가 없음."  # noqa: E501
    return pick((en, ko), language)


def within_cases(found: Sequence[Trust], language: Language) -> str:
    """Which numbers may choose among the checkpoints of one case."""
    names = listing([metric_name(t.metric, language) for t in found if t.trusted_within], language)
    pairs = max(t.pairs for t in found)
    if names:
        en = f"To choose a checkpoint of one case, these may be trusted: {names}."
        ko = f"한 케이스의 체크포인트를 고를 때 믿을 수 있는 수치: {names}."
    else:
        en = (
            "To choose a checkpoint of one case, no offline number may be trusted yet: "
            f"pairs of checkpoints of one case that do not drive alike: {pairs}."
        )
        ko = (
            "한 케이스의 체크포인트를 고를 때 아직 믿을 수 있는 오프라인 수치가 없음: "
            f"한 케이스 안에서 주행 결과가 다른 체크포인트 쌍은 {pairs}개."
        )
    return pick((en, ko), language)


def trust_sentence(one: Trust, language: Language) -> str:
    """What was found of one number."""
    name = metric_name(one.metric, language)
    if one.rank_correlation is None or one.low is None or one.high is None:
        return pick(
            (
                f"{name}: the same in all {one.n} checkpoints, or they all drive alike.",
                f"{name}: 체크포인트 {one.n}개에서 모두 같거나 주행 결과가 모두 같음.",
            ),
            language,
        )
    interval = f"{one.rank_correlation:+.2f} [{one.low:+.2f}, {one.high:+.2f}]"
    en = (
        f"{name}: rank correlation {interval}, MMRV {one.mmrv:.3f}, "
        f"adjusted p {one.p_adjusted:.3g} ({one.n} checkpoints of {one.cases} cases)"
    )
    ko = (
        f"{name}: 순위 상관 {interval}, MMRV {one.mmrv:.3f}, 보정 p {one.p_adjusted:.3g} "
        f"(케이스 {one.cases}개, 체크포인트 {one.n}개)"
    )
    if one.p_within is not None:
        en += (
            f"; within a case it ranks {one.right:g} of {one.pairs} pairs as driving does, "
            f"adjusted p {one.p_within:.3g}"
        )
        ko += f"; 케이스 안에서 {one.pairs}쌍 중 {one.right:g}쌍을 주행과 같게 순위 매김, 보정 p {one.p_within:.3g}"  # noqa: E501
    return pick((f"{en}.", f"{ko}."), language)
