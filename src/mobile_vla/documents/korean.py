"""The casebook's English reasons in Korean; a sentence that no rule knows is left to be quoted.

Named groups of a rule are filled into its Korean: `why` is itself a reason, `state` a state,
`factors` names of factors; all others stay as they are.
"""

from __future__ import annotations

import re

from mobile_vla.documents.terms import FACTORS
from mobile_vla.documents.wording import STATES, factor_name, pick

RULES: tuple[tuple[str, str], ...] = (
    # A run or a case
    (r"not begun", "시작 전"),
    (
        r"not begun; attempt 1 of (?P<n>\d+) will be refused, since its weights do not exist: "
        r"(?P<x>.*)",
        "시작 전. {n}번 중 첫 번째 시도는 가중치가 없어 거부될 것임: {x}",
    ),
    (r"its weights do not exist: (?P<x>.*)", "가중치가 없음: {x}"),
    (r"after (?P<x>.*), which is (?P<state>\w+)", "{x} 다음 차례 (그 상태: {state})"),
    (r"its folder is prepared and no process has begun it", "폴더만 있고 시작한 프로세스가 없음"),
    (
        r"finished (?P<n>\d+) of (?P<m>\d+) steps, and its checkpoint loads",
        "{m} 스텝 중 {n} 스텝을 마쳤고 체크포인트가 열림",
    ),
    (r"finished, but not evaluated", "끝났으나 아직 평가하지 않음"),
    (r"finished, but (?P<why>.*)", "끝났다고 하나 {why}"),
    (r"it left no checkpoint", "체크포인트를 남기지 않음"),
    (r"no checkpoint loads: (?P<x>.*)", "열리는 체크포인트가 없음: {x}"),
    (
        r"it says it finished, but did (?P<n>\d+) of (?P<m>\d+) steps",
        "끝났다고 하나 {m} 스텝 중 {n} 스텝만 실행함",
    ),
    (r"refused in preflight: (?P<x>.*)", "학습 전 점검에서 거부됨: {x}"),
    (r"failed at step (?P<n>\d+) of (?P<m>\d+): (?P<x>.*)", "{m} 스텝 중 {n}에서 실패: {x}"),
    (r"interrupted at step (?P<n>\d+) of (?P<m>\d+): (?P<x>.*)", "{m} 스텝 중 {n}에서 중단: {x}"),
    (
        r"its process lives and is at step (?P<n>\d+) of (?P<m>\d+)",
        "프로세스가 살아 있고 {m} 스텝 중 {n} 스텝에 있음",
    ),
    (
        r"its process lives, but has written nothing for (?P<s>\d+) s at step (?P<n>\d+) of "
        r"(?P<m>\d+) \(its limit is (?P<limit>\d+) s\)",
        "프로세스는 살아 있으나 {m} 스텝 중 {n}에서 {s}초 동안 기록이 없음 (한도 {limit}초)",
    ),
    (
        r"its process is stopped at step (?P<n>\d+) of (?P<m>\d+)",
        "프로세스가 {m} 스텝 중 {n}에서 정지됨",
    ),
    (
        r"its process ended at step (?P<n>\d+) of (?P<m>\d+) with (?P<x>.*)",
        "프로세스가 {m} 스텝 중 {n}에서 끝남: {x}",
    ),
    (
        r"its process (?P<pid>\d+) is gone and left no exit event; "
        r"it was at step (?P<n>\d+) of (?P<m>\d+)",
        "프로세스 {pid}가 종료 기록 없이 사라짐. {m} 스텝 중 {n} 스텝에 있었음",
    ),
    (r"it stopped before its first event: (?P<x>.*)", "첫 기록 전에 멈춤: {x}"),
    # A comparison
    (r"(?P<x>.*) has no run \((?P<why>.*)\)", "{x}: 실행이 없음 ({why})"),
    (
        r"as the study plans them, (?P<factors>.*) would move as well",
        "연구 계획대로라면 함께 바뀔 요인: {factors}",
    ),
    (r"moved as well: (?P<factors>.*)", "함께 바뀐 요인: {factors}"),
    (r"unknown on one side at least: (?P<factors>.*)", "한쪽 이상에서 알 수 없는 요인: {factors}"),
    (
        r"(?P<factors>[\w.]+) is the same in both, so nothing about it can be read from them",
        "두 실행에서 같은 요인이라 그 효과를 읽을 수 없음: {factors}",
    ),
    (
        r"no case varies (?P<factors>[\w.]+): plan one that does",
        "바뀌는 케이스가 없는 요인: {factors}",
    ),
    (
        r"(?P<x>offline evaluation|driving) of (?P<b>.*) is not measured: "
        r"run `mvla evaluate` on it",
        "{b}: 측정하지 않음 ({x}). `mvla evaluate` 실행 필요",
    ),
    (
        r"measured in (?P<b>.*) alone, so not compared: (?P<x>.*)",
        "{b}에서만 측정되어 비교하지 않음: {x}",
    ),
    (
        r"of another unit or definition in each, so not compared: (?P<x>.*)",
        "단위나 정의가 서로 달라 비교하지 않음: {x}",
    ),
    (
        r"their actions differ in dimensions, step length or full speed",
        "행동의 차원, 스텝 길이 또는 최대 속도가 서로 다름",
    ),
    (
        r"(?P<n>\d+) of (?P<m>\d+) evaluation episodes are training episodes of one of them, "
        r"by content, and are left out",
        "평가 에피소드 {m}개 중 {n}개가 한쪽의 학습 에피소드와 내용이 같아 제외함",
    ),
    (
        r"(?P<n>\d+) of those left out only show almost the same pictures",
        "제외한 것 중 {n}개는 내용이 같지는 않으나 거의 같은 장면임",
    ),
    (
        r"(?P<n>\d+) validation episodes of (?P<b>.*) are training episodes of (?P<a>.*): "
        r"their validation losses do not compare",
        "{b}의 검증 에피소드 {n}개가 {a}의 학습 에피소드이므로 검증 손실을 비교할 수 없음",
    ),
    # The plan
    (
        r"finished with seed (?P<x>[\d, ]+); seed (?P<b>[\d, ]+) remains",
        "시드 {x} 완료. 남은 시드: {b}",
    ),
    (r"(?P<why>.*); it resumes from (?P<x>.*)", "{why}. 이어서 시작할 곳: {x}"),
    (
        r"attempt (?P<n>\d+) of (?P<m>\d+) (?P<why>.*); attempt (?P<k>\d+) remains",
        "시도 {m}번 중 {n}번째: {why}. {k}번째 시도가 남음",
    ),
    (
        r"(?P<why>.*); it parts (?P<factors>\w+) from (?P<others>.*), against (?P<x>.*)",
        "{why}. {x}와 견주어 {factors} ↔ {others} 분리",
    ),
    (r"(?P<why>.*); weights that do not exist: (?P<x>.*)", "{why}. 없는 가중치: {x}"),
    (r"Watch (?P<x>.*): (?P<why>.*)\.", "{x} 지켜보기: {why}"),
    (r"(?P<x>.*) is blocked: (?P<why>.*)\.", "{x} 막힘: {why}"),
    (
        r"(?P<x>mvla compare .*) \(both have finished, nothing else moved\)",
        "{x} (둘 다 끝났고 다른 원인은 바뀌지 않음)",
    ),
    (r"(?P<x>mvla .*?) \((?P<why>.*)\)", "{x} ({why})"),
    (
        r"Add a case to the study \((?P<factors>.*)\): it parts (?P<one>\w+) from (?P<others>.*), "
        r"against (?P<x>.*)\.",
        "연구에 케이스 추가 ({factors}): {x}와 견주어 {one} ↔ {others} 분리",
    ),
    (r"(?P<x>.*) is (?P<state>[a-z]+): (?P<why>.*)", "{x}: {state}, {why}"),
    (r"(?P<state>[a-z]+): (?P<why>.*)", "{state}: {why}"),
)
COMPILED = tuple((re.compile(pattern, re.DOTALL), korean) for pattern, korean in RULES)
FACTOR = re.compile(rf"\b({'|'.join(sorted(FACTORS, key=len, reverse=True))}|recipe\.[\w.]+)\b")
FACTOR_GROUPS = ("factors", "others", "one")


def korean_reason(sentence: str) -> str | None:
    """A reason of the casebook in Korean, None where no rule knows it."""
    for pattern, korean in COMPILED:
        match = pattern.fullmatch(sentence)
        if match and match.groupdict().get("state", "failed") in STATES:
            return korean.format(
                **{key: _group(key, text) for key, text in match.groupdict().items()}
            )
    return None


def _group(key: str, text: str) -> str:
    if key == "why":
        return korean_reason(text) or text
    if key == "state":
        return pick(STATES[text], "ko")  # type: ignore[index]
    if key in FACTOR_GROUPS:
        return FACTOR.sub(lambda match: factor_name(match[0], "ko"), text).replace(
            " against ", " ↔ "
        )
    return text
