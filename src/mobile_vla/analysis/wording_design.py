"""What a study's finished cases can answer, in English and Korean; as strict as `wording`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mobile_vla.analysis.model import Answer, Design, Missing, PageFault
from mobile_vla.analysis.wording import (
    Language,
    capital,
    duration,
    factor_name,
    listing,
    pick,
    value_text,
)
from mobile_vla.messages.catalogue import sentence
from mobile_vla.messages.reason import Reason

Names = Mapping[str, str]


def design_lines(design: Design, names: Names, titles: Names, language: Language) -> Iterator[str]:
    """The whole answer, a line each. `names`: of cases; `titles`: of questions."""
    yield rank_sentence(design, language)
    for case, unknown in design.incomplete.items():
        yield f"- {incomplete_sentence(names.get(case, case), unknown, language)}"
    for answer in design.answers:
        yield f"- {answer_sentence(answer, names, titles, language)}"
    if design.further:
        yield further_heading(design.smallest, language)
    for missing in design.further:
        yield f"- {further_sentence(missing, names, language)}"


def rank_sentence(design: Design, language: Language) -> str:
    """How many of the unknowns the finished cases fix."""
    count, varied = len(design.cases), [factor_name(name, language) for name in design.factors]
    if not count:
        return pick(
            (
                "No finished case whose factors are all known: nothing can be answered yet.",
                "모든 요인이 알려진 완료 케이스가 없음. 아직 답할 수 있는 질문이 없음.",
            ),
            language,
        )
    among = listing(["the mean", *varied] if language == "en" else ["평균", *varied], language)
    return pick(
        (
            f"{count} finished cases fix {design.rank} of {design.effects} unknowns ({among}).",
            f"완료 케이스 {count}개로 정해지는 미지수: {design.effects}개 중 {design.rank}개 "
            f"({among}).",
        ),
        language,
    )


def incomplete_sentence(case: str, unknown: list[str], language: Language) -> str:
    """Why a finished case tells nothing."""
    told = listing((factor_name(name, language) for name in unknown), language)
    return pick(
        (f"{case} is left out: {told} unknown.", f"{case} 제외. 알 수 없음: {told}."), language
    )


def answer_sentence(answer: Answer, names: Names, titles: Names, language: Language) -> str:
    """Whether a question can be answered, by what, and what it is aliased with if not."""
    title = capital(titles.get(answer.question, answer.question))
    ends = [value_text(level, language) for level in (answer.a, answer.b)]
    head = f"{title} ({' → '.join(ends)})"
    factor = factor_name(answer.factor, language)
    if answer.answered:
        return f"{head}: {_answered(answer, factor, names, language)}"
    if answer.a == answer.b:
        return f"{head}: {_never_moves(factor, language)}"
    return f"{head}: {_open(answer, factor, language)}"


def _answered(answer: Answer, factor: str, names: Names, language: Language) -> str:
    pairs = listing(
        (" vs ".join(names.get(case, case) for case in pair) for pair in answer.pairs), language
    )
    if pairs:
        return pick(
            (
                f"can be answered: nothing else differs between {pairs}.",
                f"답할 수 있음. 다른 차이가 없는 쌍: {pairs}.",
            ),
            language,
        )
    return pick(
        (
            f"can be answered only if effects add up: no two cases differ in {factor} alone.",
            f"효과가 더해진다고 볼 때만 답할 수 있음. {factor}만 다른 두 케이스가 없음.",
        ),
        language,
    )


def _never_moves(factor: str, language: Language) -> str:
    return pick(
        (
            f"cannot be answered: {factor} is the same in both of its cases.",
            f"답할 수 없음. 두 케이스에서 같음: {factor}.",
        ),
        language,
    )


def _open(answer: Answer, factor: str, language: Language) -> str:
    lacking = listing((value_text(level, language) for level in answer.lacking), language)
    if lacking:
        return pick(
            (
                f"cannot be answered yet: no finished case has {factor} {lacking}.",
                f"아직 답할 수 없음. 완료 케이스에 없음: {factor} {lacking}.",
            ),
            language,
        )
    moved = listing((factor_name(name, language) for name in answer.aliased_with), language)
    return pick(
        (
            f"cannot be answered: {factor} moves only together with {moved} (aliased).",
            f"답할 수 없음. {factor}은(는) 항상 함께 바뀜 (별칭): {moved}.",
        ),
        language,
    )


def further_heading(smallest: bool, language: Language) -> str:
    """What the list of further cases is."""
    if smallest:
        return pick(
            ("The fewest further cases that answer the rest:", "나머지에 답하는 최소 추가 케이스:"),
            language,
        )
    return pick(
        (
            "Further cases that answer the rest (fewer may do, not all sets were tried):",
            "나머지에 답하는 추가 케이스 (모든 조합을 보지는 않아 더 적을 수 있음):",
        ),
        language,
    )


def further_sentence(missing: Missing, names: Names, language: Language) -> str:
    """A further case: its name or that it is to be planned, data, steps, cost, what it parts."""
    new = pick(("a case to plan", "계획할 케이스"), language)
    name = names.get(missing.case, missing.case) if missing.case else new
    told = ", ".join(
        f"{factor_name(key, language)} {value_text(value, language)}"
        for key, value in missing.description.items()
    )
    cost = ""
    if missing.seconds is not None:
        about = duration(missing.seconds, language)
        cost = pick((f"; about {about}", f"; 약 {about}"), language)
    return f"{name}: {told}{cost}; {parts_text(missing.parts, language)}"


def parts_text(parts: Sequence[Reason], language: Language) -> str:
    """What a further case parts or shows."""
    return "; ".join(sentence(part, language) for part in parts)


def fault_sentence(fault: PageFault, names: Names, language: Language) -> str:
    """A pair that the page names for what it cannot answer, and the pair that can."""
    title = pick((fault.question.title.en, fault.question.title.ko), language)
    a, b = (names.get(case, case) for case in (fault.a, fault.b))
    moved = listing((factor_name(name, language) for name in fault.confounds), language)
    told = pick(
        (
            f"“{title}” from {a} vs {b}: {moved} move as well.",
            f"“{title}”, {a} vs {b}: 함께 바뀌는 요인: {moved}.",
        ),
        language,
    )
    if fault.fair is None:
        return told
    pair = " vs ".join(names.get(case, case) for case in fault.fair)
    ready = fault.fair_verdict == "valid"
    instead = (f"{pair} can answer it", f"대신 {pair}(으)로 답할 수 있음")
    later = (f"{pair} is meant to answer it", f"{pair}(으)로 답하기로 함 (아직 불가)")
    return f"{told} {pick(instead if ready else later, language)}."
