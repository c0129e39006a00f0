"""The value that should stand on a page, in the unit and the digits of the false one."""

from __future__ import annotations

import math
import re

from mobile_vla.audit.judge.tolerance import SETTINGS
from mobile_vla.audit.judge.verdict import Judged
from mobile_vla.claims.model import Claim
from mobile_vla.evidence.fact_table import Fact

NEVER = frozenset({"duration", "epoch_time", "step_time", "started", "cause", "rmse", "glob"})
"""Quantities whose values are only roughly known, or that no single value replaces."""
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")
STATES = {
    "finished": ("finished", "완료"),
    "failed": ("failed", "실패"),
    "killed": ("killed", "강제 종료"),
    "running": ("running", "진행 중"),
}
MARKS = {"yes": "✅", "no": "❌", "finished": "✅", "failed": "❌"}
HANGUL = re.compile(r"[가-힣]")


def correction_of(judged: Judged) -> str | None:
    """The whole text to put in the value's place, None where none is sure."""
    claim, fact = judged.claim, judged.expected
    wrong = judged.verdict in ("contradicted", "stale")
    if not wrong or fact is None or claim.kind != "value" or claim.quantity in NEVER:
        return None
    if fact.key.quantity != claim.quantity or not _is_of_the_claim(claim, fact):
        return None
    if claim.number is not None and not isinstance(fact.value, str):
        return _number(claim, float(fact.value))
    return _word(claim, str(fact.value))


def _is_of_the_claim(claim: Claim, fact: Fact) -> bool:
    """Whether the fact has all that the claim names, so that only the value differs."""
    key = fact.key
    named = not claim.qualifier or key.qualifier == claim.qualifier
    if claim.qualifier in ("best", "final") and claim.epoch is not None:
        return False  # its epoch would have to change with it
    return named and claim.group == key.group and claim.comparator in ("equal", "about")


def _number(claim: Claim, value: float) -> str | None:
    match = NUMBER.search(claim.value)
    if match is None or len(NUMBER.findall(claim.value)) != 1 or not claim.number:
        return None
    written = float(match[0].replace(",", ""))
    scale = claim.number / written if written else 0.0
    if not scale:
        return None
    text = _digits(claim, value / scale, claim.step / scale, comma="," in match[0])
    return claim.value[: match.start()] + text + claim.value[match.end() :]


def _digits(claim: Claim, value: float, step: float, *, comma: bool) -> str:
    if claim.quantity in SETTINGS or value == round(value):
        text = re.sub(r"e([-+])0+(?=\d)", r"e\1", f"{value:.12g}")
    else:
        digits = max(0, -math.floor(math.log10(step) + 0.5)) if step > 0 else 6
        text = f"{value:.{digits}f}"
        text = text if float(text) else f"{value:.3g}"
    return f"{int(text):,}" if comma and text.isdigit() else text


def _word(claim: Claim, value: str) -> str | None:
    if claim.value in MARKS.values():
        return MARKS.get(value)
    if claim.quantity == "state" and value in STATES:
        return STATES[value][bool(HANGUL.search(claim.value))]
    if claim.quantity == "date" and re.fullmatch(r"\d{4}-\d{2}-\d{2}", claim.value):
        return value
    return None
