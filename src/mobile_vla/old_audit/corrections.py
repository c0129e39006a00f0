"""What should stand in the place of a false value, in the document's own words."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from mobile_vla.analysis.wording import SIGNS, Language, duration
from mobile_vla.old_audit.audit_messages import COMPARED
from mobile_vla.old_claims.model import Claim, Judged

HANGUL = re.compile(r"[가-힣]")
MARKS = "✅❌⏳"
STATES = {"finished": "완료", "failed": "실패", "killed": "강제 종료", "running": "진행 중"}
CAUSES = {
    "path": ("path error", "경로 오류"), "memory": ("out of memory", "메모리 부족"),
    "not a number": ("NaN", "NaN 발산"), "import": ("import error", "모듈 오류"),
    "disk": ("disk full", "디스크 부족"), "killed": ("killed", "강제 종료"),
}  # fmt: skip
OPPOSITE = {"yes": "no", "possible": "not possible", "valid": "not valid",
            "comparable": "not comparable"}  # fmt: skip


def replacement(judged: Judged, language: Language) -> str | None:
    """The value that the evidence gives instead of a claim's, None where it gives none."""
    if judged.fixable is not None:
        return judged.fixable
    if judged.expected is None:
        return None
    wordless = not re.search(r"[a-z]", judged.claim.value, re.IGNORECASE)
    korean = bool(HANGUL.search(judged.claim.value)) or (wordless and language == "ko")
    if judged.claim.quantity == "better":
        korean = language == "ko"
    found = BY_QUANTITY.get(judged.claim.quantity)
    return found(judged, judged.expected, korean) if found else None


def _status(judged: Judged, state: str, korean: bool) -> str | None:
    if state not in STATES:
        return None
    if judged.claim.value in MARKS:
        return SIGNS[state]
    return STATES[state] if korean else state


def _checkpoint(judged: Judged, expected: str, korean: bool) -> str | None:
    if judged.claim.value not in MARKS or judged.evidence is None:
        return None
    if expected == "none":
        return "❌"
    return "✅" if expected.endswith("loads") else None


def _comparison(judged: Judged, verdict: str, korean: bool) -> str | None:
    value = judged.claim.value
    told = COMPARED.get(verdict, verdict) if korean else verdict
    if value in MARKS:
        return f"❌ ({told})"
    if value == "있":
        return "없"
    opposite = "불가능" if korean else OPPOSITE.get(value.lower())
    if opposite is None or verdict != "confounded":
        return opposite
    return f"{opposite} ({told})"


def _better(judged: Judged, expected: str, korean: bool) -> str | None:
    """ "Best" alone in a cell can be replaced, a sentence cannot."""
    value = judged.claim.value
    if "lower" in expected or value.lower() not in ("best", "최고"):
        return None
    return "비교 불가" if korean else "not comparable"


def _reason(judged: Judged, causes: str, korean: bool) -> str | None:
    known = CAUSES.get(causes)
    return known[korean] if known else None


def _vlm(judged: Judged, expected: str, korean: bool) -> str | None:
    return "Kosmos-2" if "kosmos-2" in expected.lower() else None


def _init(judged: Judged, expected: str, korean: bool) -> str | None:
    """A path for a path, else the name of the weights."""
    value = judged.claim.value
    if re.fullmatch(r"[\w.~/-]+", value) and "/" in value and "/" in expected:
        return None if expected.startswith("none") else expected
    if not re.fullmatch(r"[\w .-]{2,40}", value):
        return None
    if expected.startswith("none"):
        return "없음" if korean else "none"
    return "RoboVLMs" if "robovlm" in expected.lower() else None


def _part(judged: Judged, expected: str, korean: bool) -> str | None:
    if judged.claim.value.lower() in ("true", "false"):
        return "false" if judged.claim.value.lower() == "true" else "true"
    trains = not expected.startswith("none")
    if korean:
        return "학습됨" if trains else "고정"
    return "trained" if trains else "frozen"


def _time(judged: Judged, expected: str, korean: bool) -> str | None:
    return duration(float(expected), "ko" if korean else "en")


def _started(judged: Judged, expected: str, korean: bool) -> str | None:
    hours, minutes = divmod(int(float(expected)), 60)
    return f"{hours}시 {minutes}분" if korean else f"{hours:02d}:{minutes:02d}"


def dated(claim: Claim, date: str) -> str:
    """A date as the claim writes dates: "2025-12-04", "12/04", "12월 4일"."""
    year, month, day = date.split("-")
    if "월" in claim.value:
        lead = f"{year}년 " if "년" in claim.value else ""
        return f"{lead}{int(month)}월 {int(day)}일"
    if named := re.search(r"[A-Za-z]{3,}", claim.value):
        name = datetime.strptime(month, "%m").strftime("%B")
        name = name if len(named[0]) > 4 or name == "May" else name[:3]
        first = claim.value[0].isdigit()
        told = f"{int(day)} {name}" if first else f"{name} {int(day)}"
        between = " " if first else ", "
        return f"{told}{between}{year}" if re.search(r"20\d\d", claim.value) else told
    sign = next((char for char in claim.value if char in "-./"), "-")
    whole = len(re.findall(r"\d+", claim.value)) == 3
    return sign.join((year, month, day) if whole else (month, day))


BY_QUANTITY: dict[str, Callable[[Judged, str, bool], str | None]] = {
    "status": _status,
    "checkpoint": _checkpoint,
    "comparison": _comparison,
    "better": _better,
    "reason": _reason,
    "vlm": _vlm,
    "init": _init,
    "part": _part,
    "duration": _time,
    "epoch_time": _time,
    "step_time": _time,
    "started": _started,
}
