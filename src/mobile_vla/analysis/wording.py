"""Every word about a result, in English and Korean. Nothing here says more than was measured.

The sentences name sizes, intervals and directions ("higher", "lower"); what the evidence cannot
carry (`FORBIDDEN`) is not in the vocabulary, and the tests sweep all sentences for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from mobile_vla.analysis.headline_metrics import Rate
from mobile_vla.analysis.model import Effect, Finding, Verdict
from mobile_vla.analysis.terms import FACTORS, METRICS, SERIES, UNITS
from mobile_vla.evidence.model import State
from mobile_vla.messages.catalogue import sentence
from mobile_vla.study.models import Counts

Language = Literal["en", "ko"]
LANGUAGES: tuple[Language, ...] = ("en", "ko")
PlanState = Literal["done", "running", "to_do", "blocked"]
Pair = tuple[str, str]

FORBIDDEN = re.compile(
    r"\bbetter\b|\bbest\b|\bworse\b|\bworst\b|\bprov(e|es|ed|en)\b|\bproof\b|\btrend\w*|"
    r"\bsignifican\w*|\bsuperior\w*|\boutperform\w*|더 좋|우수|입증|증명|유의|최고|추세|경향",
    re.IGNORECASE,
)
"""Words that no sentence about a result may contain."""

STATES: dict[State, Pair] = {
    "planned": ("planned", "예정"),
    "blocked": ("blocked", "막힘"),
    "queued": ("queued", "대기 중"),
    "running": ("running", "진행 중"),
    "stalled": ("stalled", "응답 없음"),
    "killed": ("killed", "강제 종료"),
    "failed": ("failed", "실패"),
    "finished": ("finished", "완료"),
    "unverified": ("finished, unverified", "완료, 미검증"),
    "unknown": ("unknown", "알 수 없음"),
}
VERDICTS: dict[Verdict, Pair] = {
    "valid": ("can be compared", "비교 가능"),
    "confounded": ("confounded", "교란됨"),
    "not_comparable": ("cannot be compared", "비교 불가"),
    "evidence_missing": ("evidence missing", "근거 없음"),
}
FINDINGS: dict[Finding, Pair] = {
    "difference": ("difference found", "차이 있음"),
    "suggestive": ("suggestive at most", "시사하는 정도"),
    "no_difference_found": ("no difference found", "차이를 찾지 못함"),
    "not_estimated": ("not estimated", "추정하지 않음"),
}
PLAN_STATES: dict[PlanState, Pair] = {
    "done": ("done", "완료"),
    "running": ("running", "진행 중"),
    "to_do": ("to do", "해야 할 것"),
    "blocked": ("blocked", "막힘"),
}
SIGNS: dict[str, str] = {
    "planned": "➖",
    "blocked": "⏸️",
    "queued": "⏳",
    "running": "⏳",
    "stalled": "⚠️",
    "killed": "❌",
    "failed": "❌",
    "finished": "✅",
    "unverified": "⚠️",
    "valid": "✅",
    "confounded": "⚠️",
    "not_comparable": "❌",
    "evidence_missing": "➖",
    "done": "✅",
    "to_do": "➡️",
    "yes": "✅",
    "no": "❌",
    "unknown": "➖",
}
DIRECTIONS: dict[str, Pair] = {
    "left": ("left", "왼쪽"),
    "right": ("right", "오른쪽"),
    "straight": ("straight", "직진"),
}
DIRECTION_VALUE = re.compile(r"(?<![\w-])(left|right|straight)(?![\w-])")
ANSWERS: dict[str, Pair] = {
    "yes": ("yes", "예"),
    "no": ("no", "아니요"),
    "unknown": ("not measured", "측정 안 됨"),
}


def pick(pair: Pair, language: Language) -> str:
    """The text of a pair (English, Korean) in one language."""
    return pair[LANGUAGES.index(language)]


def state_word(state: State, language: Language) -> str:
    """A run's or case's state."""
    return pick(STATES[state], language)


def verdict_word(verdict: Verdict, language: Language) -> str:
    """A comparison's verdict."""
    return pick(VERDICTS[verdict], language)


def finding_word(effect: Effect, language: Language) -> str:
    """What an effect amounts to, in two or three words."""
    return pick(FINDINGS[honest_finding(effect)], language)


def plan_word(state: PlanState, language: Language) -> str:
    """The state of a line of the plan."""
    return pick(PLAN_STATES[state], language)


def factor_name(name: str, language: Language) -> str:
    """A factor's name for people; a recipe's key keeps its own name."""
    if name in FACTORS:
        return pick(FACTORS[name], language)
    if name.startswith("recipe."):
        return f"{pick(('recipe', '학습 설정'), language)} {name.removeprefix('recipe.')}"
    return name.replace("_", " ")


def value_text(value: str | None, language: Language) -> str:
    """A factor's value for people: directions and "none" in the page's language."""
    if value is None:
        return pick(("unknown", "알 수 없음"), language)
    if language == "en":
        return value
    if value == "none":
        return "없음"
    return DIRECTION_VALUE.sub(lambda match: pick(DIRECTIONS[match[0]], "ko"), value)


def metric_name(name: str, language: Language) -> str:
    """A metric's name for people; one this module does not know keeps its own."""
    if name in METRICS:
        return pick(METRICS[name], language)
    stem, _, dimension = name.partition("_")
    if stem in METRICS and dimension:
        return f"{pick(METRICS[stem], language)} {dimension}"
    return name


def series_name(name: str, language: Language) -> str:
    """The name of a policy or a baseline."""
    return pick(SERIES[name], language) if name in SERIES else name.replace("_", " ")


def number(value: float | None, unit: str = "1", digits: int = 3, *, signed: bool = False) -> str:
    """A number with its unit: three significant digits, no unit for "1", a dash for nothing."""
    if value is None:
        return "–"
    unit = UNITS.get(unit, unit)
    return f"{plain(value, digits, signed=signed)}{' ' + unit if unit else ''}"


def plain(value: float, digits: int = 3, *, signed: bool = False) -> str:
    """A number to so many significant digits, never in exponents between 1e-4 and 1e6."""
    text = f"{value:+.{digits}g}" if signed else f"{value:.{digits}g}"
    if "e" in text and 1e-4 <= abs(value) < 1e6:
        text = f"{value:+.0f}" if signed else f"{value:.0f}"
    return text


def size(count: int) -> str:
    """Bytes in decimal units, as disks are sold: 6.9 GB."""
    amount, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 999.5 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{plain(amount)} {units[0]}"


def duration(seconds: float, language: Language) -> str:
    """Seconds for people: "40 s", "12 min", "3.2 h"."""
    for limit, divisor, unit in (
        (120.0, 1.0, ("s", "초")),
        (7200.0, 60.0, ("min", "분")),
        (float("inf"), 3600.0, ("h", "시간")),
    ):
        if seconds < limit:
            return f"{plain(seconds / divisor, 2)} {pick(unit, language)}"
    raise ValueError(f"{seconds} is no duration")


def share_of(rate: Rate | None, language: Language) -> str:
    """k of n with its Wilson 95 % interval in per cent, for example "18 of 20 [70, 97] %"."""
    if rate is None:
        return pick(ANSWERS["unknown"], language)
    low, high = (f"{100 * bound:.0f}" for bound in (rate.low, rate.high))
    counted = f"{rate.k} of {rate.n}" if language == "en" else f"{rate.n}회 중 {rate.k}회"
    return f"{counted} [{low}, {high}] %"


def episodes(counts: Counts | None, language: Language) -> str:
    """Counts by direction, for example "40 left + 40 right"."""
    if counts is None:
        return pick(("unknown", "알 수 없음"), language)
    parts = [
        (count, pick(DIRECTIONS[way], language)) for way, count in counts.by_direction().items()
    ]
    join = {"en": "{} {}", "ko": "{1} {0}"}[language]
    return " + ".join(join.format(*part) for part in parts) or "0"


def listing(names: Iterable[str], language: Language) -> str:
    """Names in one phrase: "a, b and c"."""
    items = list(names)
    if language == "ko" or len(items) < 2:
        return ", ".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def honest_finding(effect: Effect) -> Finding:
    """The finding, held to "suggestive" where fewer than two training seeds stand on each side."""
    if effect.finding == "difference" and effect.seeds < 2:
        return "suggestive"
    return effect.finding


def effect_sentence(effect: Effect, a: str, b: str, language: Language) -> str:
    """Both values, their difference with its interval, how many pairs, and what it amounts to."""
    values = {
        "metric": metric_name(effect.metric, language),
        "a": a,
        "b": b,
        "va": number(effect.a, effect.unit),
        "vb": number(effect.b, effect.unit),
        "d": number(effect.difference, effect.unit, signed=True),
        "basis": _basis(effect, language),
    }
    measured = {
        "en": "{metric}: {va} in {a}, {vb} in {b}, difference {d} ({basis}).",
        "ko": "{metric}: {a} {va}, {b} {vb}, 차이 {d} ({basis}).",
    }[language].format(**values)
    return f"{measured} {finding_sentence(effect, b, language)}"


def interval_text(effect: Effect, language: Language) -> str:
    """An effect's 95 % interval with its unit, a dash where it cannot be estimated."""
    if effect.low is None or effect.high is None:
        return number(None)
    low, high = plain(effect.low, signed=True), number(effect.high, effect.unit, signed=True)
    return pick((f"{low} to {high}", f"{low} ~ {high}"), language)


def p_text(effect: Effect) -> str:
    """The p value, after Holm's correction where one was made; a dash where nothing was tested."""
    if effect.p_adjusted is not None:
        return f"{plain(effect.p_adjusted, 2)} (Holm)"
    return number(effect.p_value, digits=2)


def found_words(effect: Effect, b: str, language: Language) -> str:
    """What an effect amounts to in a table's cell, with its direction where one was found."""
    word = finding_word(effect, language)
    if honest_finding(effect) not in ("difference", "suggestive"):
        return word
    higher = effect.difference > 0
    way = pick(
        (
            f"{'higher' if higher else 'lower'} in {b}",
            f"{b} 쪽이 더 {'높음' if higher else '낮음'}",
        ),
        language,
    )
    return f"{word}: {way}"


def findings_text(effects: list[Effect], b: str, language: Language) -> str:
    """All effects of a pair in one cell: what was found by name, the rest by count."""
    told = [
        f"{metric_name(effect.metric, language)}: {found_words(effect, b, language)}"
        for effect in effects
        if honest_finding(effect) in ("difference", "suggestive")
    ]
    rest: tuple[Finding, ...] = ("no_difference_found", "not_estimated")
    for finding in rest:
        count = sum(honest_finding(effect) == finding for effect in effects)
        if count:
            word, n = pick(FINDINGS[finding], language), len(effects)
            said = (f"{word} in {count} of {n} metrics", f"지표 {n}개 중 {count}개에서 {word}")
            told.append(pick(said, language))
    return "; ".join(told)


def settles(factor: str | None, confounds: list[str], language: Language) -> str:
    """What a further run is for: to part a factor from those that moved with it."""
    name = factor_name(factor, language) if factor else pick(("one factor", "한 요인"), language)
    moved = listing((factor_name(other, language) for other in confounds), language)
    return pick((f"parts {name} from {moved}", f"{name} ↔ {moved} 분리"), language)


def finding_sentence(effect: Effect, b: str, language: Language) -> str:
    """What an effect's interval says of the second arm, and what one training seed allows."""
    finding = honest_finding(effect)
    sentence = f"{capital(pick(FINDINGS[finding], language))}."
    if finding in ("difference", "suggestive"):
        sentence += " " + _direction(effect, b, language)
    if finding == "no_difference_found" and effect.detectable is not None:
        sentence += " " + _detectable(effect, language)
    if effect.seeds < 2 and finding != "not_estimated":
        sentence += " " + one_seed(language)
    return sentence


def one_seed(language: Language) -> str:
    """What one training seed on each side allows to be said."""
    return pick(
        (
            "One training seed each: suggestive at most, no claim about a method.",
            "학습 시드가 각각 하나뿐이므로 시사하는 정도이며, 방법에 대한 주장은 할 수 없음.",
        ),
        language,
    )


def verdict_sentence(
    verdict: Verdict, question: str | None, confounds: list[str], language: Language
) -> str:
    """Whether a pair answers a question, and if not, the factors that moved besides."""
    asked = f"“{question}”" if question else pick(("the difference", "차이"), language)
    moved = listing((factor_name(name, language) for name in confounds), language)
    sentences: dict[Verdict, Pair] = {
        "valid": (
            f"This pair can answer {asked}: no other cause moved.",
            f"이 쌍으로 {asked}에 답할 수 있음: 다른 원인은 바뀌지 않음.",
        ),
        "confounded": (
            f"This pair cannot answer {asked}: {moved} moved as well.",
            f"이 쌍으로는 {asked}에 답할 수 없음. 함께 바뀐 요인: {moved}.",
        ),
        "not_comparable": (
            f"This pair cannot answer {asked}.",
            f"이 쌍으로는 {asked}에 답할 수 없음.",
        ),
        "evidence_missing": (
            f"Whether this pair can answer {asked} is not known: evidence is missing.",
            f"이 쌍으로 {asked}에 답할 수 있는지 알 수 없음: 근거가 없음.",
        ),
    }
    return pick(sentences[verdict], language)


def unattributed(factor: str | None, confounds: list[str], language: Language) -> str:
    """That the differences of a confounded pair belong to no single factor."""
    moved = listing((factor_name(name, language) for name in confounds), language)
    name = factor_name(factor, language) if factor else pick(("one factor", "한 요인"), language)
    return pick(
        (
            f"Measured, but not to be ascribed to {name}: {moved} moved with it.",
            f"측정값은 있으나 {name}의 효과로 볼 수 없음. 함께 바뀐 요인: {moved}.",
        ),
        language,
    )


def _basis(effect: Effect, language: Language) -> str:
    """Interval, number of pairs, method, and p where a test was made."""
    parts = []
    if effect.low is not None and effect.high is not None:
        name = pick(("95 % interval", "95 % 구간"), language)
        parts.append(f"{name} {interval_text(effect, language)}")
    parts += [f"n = {effect.n}", sentence(effect.method, language)]
    if effect.p_value is not None:
        parts.append(f"p = {p_text(effect)}")
    return ", ".join(parts)


def _direction(effect: Effect, b: str, language: Language) -> str:
    higher = effect.difference > 0
    metric = metric_name(effect.metric, language)
    return pick(
        (
            f"Here {metric} is {'higher' if higher else 'lower'} in {b}.",
            f"여기서 {metric}: {b} 쪽이 더 {'높음' if higher else '낮음'}.",
        ),
        language,
    )


def _detectable(effect: Effect, language: Language) -> str:
    least = number(effect.detectable, effect.unit, 2)
    return pick(
        (
            f"With n = {effect.n}, a difference below {least} would often go unseen.",
            f"n = {effect.n}: {least}보다 작은 차이는 놓칠 수 있음.",
        ),
        language,
    )


def capital(text: str) -> str:
    """The text with its first letter large."""
    return text[:1].upper() + text[1:]
