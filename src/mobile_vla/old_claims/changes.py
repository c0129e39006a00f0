"""Ratios and percentages by which losses, data or parameters differ: "50×", "32 % higher"."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from mobile_vla.old_claims.tokens import NUMBER, Found, reading

RATIO = re.compile(rf"{NUMBER} ?(?:×(?!\s*\d)|배(?![가-힣치])|배다|x\b|times\b)")
TIMES = re.compile(r"\d ?(?:×|배|x\b|times\b)")
"""Stands in every ratio, and is found sooner."""
PERCENT = re.compile(rf"{NUMBER}\s*%")
RISE = re.compile(r"올랐|올라|오른|상승|증가|높|increas|higher|above|rise|rose|grew|worse")
FALL = re.compile(
    r"줄|감소|하락|내려|낮|떨어|개선|decreas|reduc|drop|fell|fall|below|lower|less|lost|loses|improv"
    r"|cut by|under\b"
)
DIFFER = re.compile(r"differ|차이|apart")
LOSS = re.compile(r"loss|손실")
DATA = re.compile(r"episode|에피소드|데이터|data\b")
PARAMS = re.compile(r"parameter|파라미터|매개변수")
BEST = re.compile(r"best|lowest|최저|최고|minimum")
FINAL = re.compile(r"final|last|ended|at the end|최종|마지막|끝")
OF_TRAINING = re.compile(r"train|학습|훈련")
ANY_LOSS = re.compile(r"(?:train(?:ing)?|val(?:idation)?|학습|훈련|검증)?[ _]?(?:loss|손실)")
PARTLY = re.compile(
    r"\d epochs\b|epoch [1-9]|[1-9]\d*번? ?(?:에폭|에포크|epoch)|(?:에폭|에포크) [1-9]"
)
"""Epochs between which it may have changed so."""
NEAR = 24
"""Characters around a percentage in which its direction must stand."""
THAN = re.compile(
    r"보다|비해|비하면|대비|의 \d|than|below|above|that of|of the|as many|as much"
    r"|against|compared|relative"
)
"""What stands where one run is told by another."""
OTHERS, SELF = re.compile(r"보다|than\b"), re.compile(r"첫|처음|초기|first|initial|start|epoch 0")
"""What a run is told by that is not named: another run, or its own beginning."""


def changes(text: str, *, pair: bool) -> Iterator[Found]:
    """The ratios and percentages of a sentence, small letters: of two runs, or of one's losses.

    Their qualifier says of what: "best", "final", "episodes" or "params" of two runs; "fall" or
    "rise" of one run's losses over its training. Shares and accuracies are none.
    """
    best, final = BEST.search(text), FINAL.search(text)
    told = bool(LOSS.search(text) or (best and (final or pair)))
    what = "params" if PARAMS.search(text) else "episodes" if DATA.search(text) else ""
    if told:
        what = "best" if best else "final"
    if not what or (not pair and (not told or PARTLY.search(text))):
        return
    for pattern, quantity in ((RATIO, "ratio"), (PERCENT, "percent")):
        for match in pattern.finditer(text):
            way = _way(text, match)
            if way is None and (quantity == "percent" or not pair):
                continue
            found = reading(match, quantity, -2 if quantity == "percent" else 0)
            if found is not None:
                said = [loss[0] for loss in ANY_LOSS.finditer(text, 0, match.start())]
                split = "train" if said and OF_TRAINING.match(said[-1]) else ""
                qualifier = f"{what} {way or ''}".strip() if pair else way or ""
                yield msgspec.structs.replace(found, qualifier=qualifier, split=split)


def _way(text: str, match: re.Match[str]) -> str | None:
    """ "rise" or "fall", by the nearest word around a number; "" where two only differ."""
    after = text[match.end() : match.end() + NEAR]
    before = text[max(0, match.start() - NEAR) : match.start()]
    for part in (after, before):
        rise, fall = RISE.search(part), FALL.search(part)
        if rise or fall:
            return "fall" if rise is None or (fall and fall.start() < rise.start()) else "rise"
        if DIFFER.search(part):
            return ""
    return None
