"""What a study's finished cases can answer: phrases of the catalogue and their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mobile_vla.analysis.model import Answer, Design, Missing, PageFault
from mobile_vla.analysis.wording import factor_list, level_list, words
from mobile_vla.messages.catalogue import level, phrase, term
from mobile_vla.messages.formats import Language, capital, duration, listing

Names = Mapping[str, str]


def design_lines(design: Design, names: Names, titles: Names, language: Language) -> Iterator[str]:
    """The answer for all questions, a line each. `names`: of cases; `titles`: of questions."""
    yield rank_sentence(design, language)
    for case, unknown in design.incomplete.items():
        yield f"- {incomplete_sentence(names.get(case, case), unknown, language)}"
    for answer in design.answers:
        yield f"- {answer_sentence(answer, names, titles, language)}"
    if design.further:
        yield phrase(f"design_words.{'smallest' if design.smallest else 'further'}", language)
    for missing in design.further:
        yield f"- {further_sentence(missing, names, language)}"


def rank_sentence(design: Design, language: Language) -> str:
    """How many of the unknowns the finished cases fix."""
    if not design.cases:
        return phrase("design_words.no_case", language)
    varied = [term("factor", name, language) for name in design.factors]
    return phrase(
        "design_words.rank",
        language,
        count=len(design.cases),
        rank=design.rank,
        effects=design.effects,
        among=listing([phrase("design_words.mean", language), *varied], language),
    )


def incomplete_sentence(case: str, unknown: list[str], language: Language) -> str:
    """Why a finished case is left out."""
    factors = factor_list(unknown, language)
    return phrase("design_words.incomplete", language, case=case, factors=factors)


def answer_sentence(answer: Answer, names: Names, titles: Names, language: Language) -> str:
    """Whether a question can be answered, by what, and what it is aliased with if not."""
    return phrase(
        "design_words.answer",
        language,
        title=capital(titles.get(answer.question, answer.question)),
        a=level(answer.a, language),
        b=level(answer.b, language),
        answer=_answer(answer, names, language),
    )


def _answer(answer: Answer, names: Names, language: Language) -> str:
    values: dict[str, Any] = {
        "factor": term("factor", answer.factor, language),
        "pairs": listing((_pair(pair, names) for pair in answer.pairs), language),
        "levels": listing((level(value, language) for value in answer.lacking), language),
        "confounds": factor_list(answer.aliased_with, language),
    }
    return phrase(f"design_words.{_answer_key(answer)}", language, **values)


def _answer_key(answer: Answer) -> str:
    if answer.answered:
        return "answered" if answer.pairs else "additive"
    if answer.a == answer.b:
        return "never_moves"
    return "lacking" if answer.lacking else "aliased"


def further_sentence(missing: Missing, names: Names, language: Language) -> str:
    """A further case: its name or that it is to be planned, data, steps, cost and purpose."""
    new = phrase("design_words.new_case", language)
    values = {
        "name": names.get(missing.case, missing.case) if missing.case else new,
        "levels": level_list(missing.description, language),
        "purpose": "; ".join(words(part, language) for part in missing.parts),
    }
    if missing.seconds is None:
        return phrase("design_words.case", language, **values)
    time = duration(missing.seconds, language)
    return phrase("design_words.case_timed", language, time=time, **values)


def fault_sentence(fault: PageFault, names: Names, language: Language) -> str:
    """A pair that the study's page names for a question it cannot answer, and a pair that can."""
    title = fault.question.title.ko if language == "ko" else fault.question.title.en
    a, b = (names.get(case, case) for case in (fault.a, fault.b))
    moved = factor_list(fault.confounds, language)
    wrong = phrase("design_words.fault", language, title=title, a=a, b=b, confounds=moved)
    if fault.fair is None:
        return wrong
    key = "fair" if fault.fair_verdict == "valid" else "fair_later"
    return f"{wrong} {phrase(f'design_words.{key}', language, pair=_pair(fault.fair, names))}"


def _pair(pair: tuple[str, str], names: Names) -> str:
    return " vs ".join(names.get(case, case) for case in pair)
