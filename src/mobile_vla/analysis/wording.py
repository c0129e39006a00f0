"""Which phrase of the catalogue states a result, and with what values.

The sentences name sizes, intervals and directions ("higher", "lower"). What the evidence cannot
carry (`FORBIDDEN`) is in no catalogue; the tests search both, and every sentence made from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from mobile_vla.analysis.headline_metrics import Rate
from mobile_vla.analysis.model import Effect, Finding, Verdict
from mobile_vla.messages.catalogue import level, phrase, sentence, term
from mobile_vla.messages.formats import Language, capital, listing, number, plain
from mobile_vla.messages.reason import Reason
from mobile_vla.study.models import Counts

FORBIDDEN = re.compile(
    r"\bbetter\b|\bbest\b|\bworse\b|\bworst\b|\bprov(e|es|ed|en)\b|\bproof\b|\btrend\w*|"
    r"\bsignifican\w*|\bsuperior\w*|\boutperform\w*|더 좋|우수|입증|증명|유의|최고|추세|경향",
    re.IGNORECASE,
)
"""Words that no sentence about a result may contain."""
DIRECTED: tuple[Finding, ...] = ("difference", "suggestive")
"""Findings that name a direction."""


def words(value: str | Reason, language: Language) -> str:
    """A reason in the page's language; a string is a quotation and stays as it is."""
    return sentence(value, language) if isinstance(value, Reason) else value


def is_quotation(value: str | Reason, language: Language) -> bool:
    """Whether a text comes from a file and is in English on a Korean page."""
    foreign = value.code == "run.foreign_note" if isinstance(value, Reason) else True
    return foreign and language == "ko"


def factor_list(names: Iterable[str], language: Language) -> str:
    """Factors in one phrase."""
    return listing((term("factor", name, language) for name in names), language)


def level_list(levels: dict[str, str], language: Language, separator: str = ", ") -> str:
    """Factors with their levels, as a case is described."""
    return separator.join(
        f"{term('factor', name, language)} {level(value, language)}"
        for name, value in levels.items()
    )


def share_of(rate: Rate | None, language: Language) -> str:
    """k of n with its Wilson 95 % interval in per cent, for example "18 of 20 [70, 97] %"."""
    if rate is None:
        return term("answer", "unknown", language)
    low, high = (f"{100 * bound:.0f}" for bound in (rate.low, rate.high))
    return phrase("result.share", language, k=rate.k, n=rate.n, low=low, high=high)


def episodes(counts: Counts | None, language: Language) -> str:
    """Counts by direction, for example "40 left + 40 right"."""
    if counts is None:
        return term("value", "unknown", language)
    parts = (
        phrase("result.episodes", language, count=count, direction=term("direction", way, language))
        for way, count in counts.by_direction().items()
    )
    return " + ".join(parts) or "0"


def honest_finding(effect: Effect) -> Finding:
    """The finding, limited to "suggestive" with fewer than two training seeds on each side."""
    if effect.finding == "difference" and effect.seeds < 2:
        return "suggestive"
    return effect.finding


def interval_text(effect: Effect, language: Language) -> str:
    """An effect's 95 % interval with its unit, a dash where it cannot be estimated."""
    if effect.low is None or effect.high is None:
        return number(None)
    low, high = plain(effect.low, signed=True), number(effect.high, effect.unit, signed=True)
    return phrase("result.interval", language, low=low, high=high)


def p_text(effect: Effect) -> str:
    """The p value, after Holm's correction where one was made; a dash where nothing was tested."""
    if effect.p_adjusted is not None:
        return f"{plain(effect.p_adjusted, 2)} (Holm)"
    return number(effect.p_value, digits=2)


def effect_sentence(effect: Effect, a: str, b: str, language: Language) -> str:
    """Both values, their difference with its interval, the number of pairs, and the finding."""
    return phrase(
        "result.effect",
        language,
        metric=term("metric", effect.metric, language),
        a=a,
        b=b,
        value_a=number(effect.a, effect.unit),
        value_b=number(effect.b, effect.unit),
        difference=number(effect.difference, effect.unit, signed=True),
        basis=_basis(effect, language),
        finding=finding_sentence(effect, b, language),
    )


def finding_sentence(effect: Effect, b: str, language: Language) -> str:
    """What an effect's interval says of arm B, and what one training seed allows."""
    finding = honest_finding(effect)
    sentences = [f"{capital(term('finding', finding, language))}."]
    if finding in DIRECTED:
        metric = term("metric", effect.metric, language)
        key = f"result.direction_{_direction(effect)}"
        sentences.append(phrase(key, language, metric=metric, b=b))
    if finding == "no_difference_found" and effect.detectable is not None:
        least = number(effect.detectable, effect.unit, 2)
        sentences.append(phrase("result.detectable", language, n=effect.n, least=least))
    if effect.seeds < 2 and finding != "not_estimated":
        sentences.append(phrase("result.one_seed", language))
    return " ".join(sentences)


def found_words(effect: Effect, b: str, language: Language) -> str:
    """The finding for a table's cell, with its direction where it has one."""
    finding = honest_finding(effect)
    word = term("finding", finding, language)
    if finding not in DIRECTED:
        return word
    return phrase(f"result.found_{_direction(effect)}", language, finding=word, b=b)


def findings_text(effects: list[Effect], b: str, language: Language) -> str:
    """All effects of a pair in one cell: each finding once, with its metrics or their number."""
    by_words: dict[str, list[str]] = {}
    for effect in effects:
        if honest_finding(effect) in DIRECTED:
            metric = term("metric", effect.metric, language)
            by_words.setdefault(found_words(effect, b, language), []).append(metric)
    parts = [
        phrase("result.found_in", language, metrics=listing(metrics, language), finding=finding)
        for finding, metrics in by_words.items()
    ]
    undirected: tuple[Finding, ...] = ("no_difference_found", "not_estimated")
    for name in undirected:
        count = sum(honest_finding(effect) == name for effect in effects)
        if count:
            values: dict[str, Any] = {"count": count, "n": len(effects)}
            word = term("finding", name, language)
            parts.append(phrase("result.counted", language, finding=word, **values))
    return "; ".join(parts)


def verdict_sentence(
    verdict: Verdict, question: str | None, confounds: list[str], language: Language
) -> str:
    """Whether a pair answers a question, and if not, the factors that moved as well."""
    title = phrase("result.difference", language)
    if question:
        title = phrase("result.question", language, title=question)
    moved = factor_list(confounds, language)
    return phrase(f"result.{verdict}", language, question=title, confounds=moved)


def separates(factor: str | None, confounds: list[str], language: Language) -> str:
    """What a further run is for: it separates a factor from those that moved with it."""
    return _of_factor("separates", factor, confounds, language)


def unattributed(factor: str | None, confounds: list[str], language: Language) -> str:
    """That the differences of a confounded pair belong to no single factor."""
    return _of_factor("unattributed", factor, confounds, language)


def _of_factor(key: str, factor: str | None, confounds: list[str], language: Language) -> str:
    name = term("factor", factor, language) if factor else phrase("result.one_factor", language)
    moved = factor_list(confounds, language)
    return phrase(f"result.{key}", language, factor=name, confounds=moved)


def _direction(effect: Effect) -> str:
    return "higher" if effect.difference > 0 else "lower"


def _basis(effect: Effect, language: Language) -> str:
    """Interval, number of pairs, method, and p where a test was made."""
    parts = []
    if effect.low is not None and effect.high is not None:
        interval = interval_text(effect, language)
        parts.append(phrase("result.interval_named", language, interval=interval))
    parts += [f"n = {effect.n}", words(effect.method, language)]
    if effect.p_value is not None:
        parts.append(f"p = {p_text(effect)}")
    return ", ".join(parts)
