"""Times in a text: how long a run, an epoch or a step took, and when a run began."""

from __future__ import annotations

import re

from mobile_vla.documents.claims.tokens import Found

DURATION = re.compile(
    r"(?<![\d.:])(?P<about>~|≈|약\s|about\s)?(?=\d[\d.]*\s*(?:h|시간|m|분|s|초))"
    r"(?:(?P<h>\d+(?:\.\d+)?)\s*(?:hours?|hrs?|h|시간)(?![a-z]))?\s*"
    r"(?:(?P<m>\d+(?:\.\d+)?)\s*(?:minutes?|mins?|분)(?![a-z]))?\s*"
    r"(?:(?P<s>\d+(?:\.\d+)?)\s*(?:seconds?|secs?|s|초)(?![a-z/]))?"
)
SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}
OF_EPOCH = re.compile(
    r"(?:per|each|an|every|one|a)\s+epoch|에폭당|에폭마다|한 에폭|에폭 하나|epoch time"
)
OF_STEP = re.compile(r"per\s+(?:\w+\s+)?step|스텝당|스텝 하나|step time|s/step|초/스텝")
OF_RUN = re.compile(
    r"\btook\b|\btakes\b|\blasted\b|duration|wall time|training time|trained for|ran for"
    r"|소요|걸렸|걸린|걸림|학습 시간"
)
NOT_YET = re.compile(
    r"예상|expect|left|남음|후\b|뒤\b|추정|eta\b|download|upload|load|evaluat|render|infer|compil"
    r"|다운|업로드|로딩|평가|추론|수집|collect|record"
)
"""Times that are guessed, or of something else than training."""
CLOCK = re.compile(r"(?<![\d:])(?P<h>[01]?\d|2[0-3])(?::|시\s*)(?P<m>[0-5]\d)(?:분|(?!\d))(?!:)")
BEGUN = re.compile(r"시작|started|began|begun|launched")


def durations(text: str, quantity: str) -> list[tuple[Found, int]]:
    """How long something took, where the text (in small letters) or its key says what."""
    if NOT_YET.search(text):
        return []
    if OF_STEP.search(text):
        kind = "step_time"
    elif OF_EPOCH.search(text):
        kind = "epoch_time"
    elif quantity == "duration" or OF_RUN.search(text):
        kind = "duration"
    else:
        return []
    match = next((m for m in DURATION.finditer(text) if m["h"] or m["m"] or m["s"]), None)
    if match is None:
        return []
    told = [name for name in "hms" if match[name]]
    last = match[told[-1]].partition(".")[2]
    found = Found(
        match.start(told[0]), match.end(), kind,
        sum(float(match[name]) * SECONDS[name] for name in told),
        SECONDS[told[-1]] * 10.0 ** -len(last), about=bool(match["about"]),
    )  # fmt: skip
    return [(found, match.end())]


def times(text: str) -> list[tuple[Found, int]]:
    """When a run began, as minutes since midnight, where the text says that it is that."""
    match = CLOCK.search(text) if BEGUN.search(text) and not NOT_YET.search(text) else None
    if match is None:
        return []
    minutes = float(int(match["h"]) * 60 + int(match["m"]))
    return [(Found(match.start(), match.end(), "started", minutes, 1.0), match.end())]
