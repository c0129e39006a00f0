"""Times in a text: how long a run, an epoch or a step took, and when a run began."""

from __future__ import annotations

import re

from mobile_vla.old_claims.gates import Gate
from mobile_vla.old_claims.tokens import Found

DURATION = re.compile(
    r"(?<![\d.:])(?P<about>~|≈|약\s|about\s)?(?=\d[\d.]*\s*(?:h|시간|m|분|s|초))"
    r"(?:(?P<h>\d+(?:\.\d+)?)\s*(?:hours?|hrs?|h|시간)(?![a-z]))?\s*"
    r"(?:(?P<m>\d+(?:\.\d+)?)\s*(?:minutes?|mins?|분)(?![a-z]))?\s*"
    r"(?:(?P<s>\d+(?:\.\d+)?)\s*(?:seconds?|secs?|s|초)(?![a-z/]))?"
)
SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}
OF_EPOCH = re.compile(
    r"(?:per|each|an|every|one|a)(?: (?:whole|training|full))*\s+epoch"
    r"|(?:에폭|에포크|epoch) ?(?:당|마다|하나)"
    r"|(?:한|각|매) (?:에폭|에포크|epoch)|epoch time"
)
MINUTES = re.compile(r"(?P<m>\d{1,3}):(?P<s>[0-5]\d)\s*(?:min\w*|분)")
"""Such as "6:15 min"."""
OF_STEP = re.compile(r"per\s+(?:\w+\s+)?step|스텝당|스텝 하나|step time|s/step|초/스텝")
OF_RUN = Gate(
    r"\btook\b|\btakes\b|\blasted\b|duration|wall time|training time|trained for|ran for"
    r"|소요|걸렸|걸린|걸림|학습 시간"
)
NOT_YET = Gate(
    r"예상|expect|left|남음|후\b|뒤\b|추정|eta\b|download|upload|load|evaluat|render|infer|compil"
    r"|다운|업로드|로딩|평가|추론|수집|collect|record"
)
"""Times that are guessed, or of something else than training."""
OF_CHECK = re.compile(
    r"(?:validation (?:pass|run|loop)|검증(?:에|은|은 한|만|하는 데)?)[^,;]{0,24}$"
)
"""Before a time: it is the validation's."""
CLOCK = re.compile(r"(?<![\d:])(?P<h>[01]?\d|2[0-3])(?::|시\s*)(?P<m>[0-5]\d)(?:분|(?!\d))(?!:)")
BEGUN = Gate(
    r"시작|돌렸|돌린|띄[웠운워]|걸었|걸어|started|starts|began|begun|launched|kicked off"
    r"|trained on|ran on|training since|running since|was tried"
)
LATE = re.compile(r"오후|저녁|밤|pm\b|p\.m")
NOT_BEGUN = re.compile(
    r"수집|회의|분석|작성|평가|collect|record|meeting|analy|writ|evaluat|download|다운"
)
"""What else than a training begins on a day."""
END_BEFORE = re.compile(
    r"(?:finish|complet|end|until|till|stopp|crash|died|끝)[^\d¤]{0,16}$|[~–] ?$"
)
END_AFTER = re.compile(r"(?:에|까지|쯤|경)* ?(?:끝|완료|종료|마쳤|까지|죽|멈)")
MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DATE = re.compile(
    r"(?<![\d.])(?:20\d{2}[-./])?(?:0?[1-9]|1[0-2])[-/](?:0[1-9]|[12]\d|3[01])(?![\d-])"
    r"|(?:20\d{2}년\s*)?(?:1[0-2]|[1-9])월\s*(?:[12]\d|3[01]|[1-9])일"
    rf"|(?<![\d.])(?:[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?(?: of)? {MONTH}(?:,? 20\d{{2}}\b)?"
    rf"|(?<![a-z]){MONTH} (?:[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?(?!\d|[.:]\d)(?:,? 20\d{{2}}\b)?"
)
DATED = re.compile(rf"\d[-/월]|{'|'.join(NAMES)}")
"""Stands in every date, and is found sooner."""
DOTTED = re.compile(
    r"(?<![\d.])(?:20\d{2}\.\s?)?(?:0?[1-9]|1[0-2])\.\s?(?:0[1-9]|[12]\d|3[01])(?![\d.])"
    r"|(?<!\d)20\d{2}(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])(?!\d)"
)


def of_begin(text: str, start: int, end: int) -> bool:
    """Whether a day or an hour there is not said to be the end."""
    before = text[max(0, start - 28) : start]
    return not END_BEFORE.search(before) and not END_AFTER.match(text, end)


def date_parts(text: str) -> list[int]:
    """Year where it is told, month and day of a date as people write it."""
    plain = text.lower()
    numbers = [int(part) for part in re.findall(r"\d+", plain)]
    if len(numbers) == 1 and numbers[0] > 9999:
        return [numbers[0] // 10000, numbers[0] // 100 % 100, numbers[0] % 100]
    named = re.search(MONTH, plain)
    if named is None:
        return numbers
    month = NAMES.index(named[0][:3]) + 1
    return [*numbers[1:2], month, numbers[0]]


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
    if match := MINUTES.search(text):
        seconds = 60.0 * int(match["m"]) + int(match["s"])
        return [(Found(match.start(), match.end("s"), kind, seconds, 1.0), match.end())]
    match = next((m for m in DURATION.finditer(text) if m["h"] or m["m"] or m["s"]), None)
    if match is None or OF_CHECK.search(text[: match.start()]):
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
    if match is None or not of_begin(text, match.start(), match.end()):
        return []
    minutes = since_midnight(text, match)
    return [(Found(match.start(), match.end(), "started", minutes, 1.0), match.end())]


def since_midnight(text: str, clock: re.Match[str]) -> float:
    """The minutes that an hour in a text in small letters is after midnight: "오후 3시 5분"."""
    hour = int(clock["h"])
    if hour < 12 and LATE.search(text[max(0, clock.start() - 6) : clock.end() + 4]):
        hour += 12
    return float(hour * 60 + int(clock["m"]))
