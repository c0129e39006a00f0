"""English sentences of the audit in Korean; a sentence that no rule knows is left to be quoted.

It goes when the judge answers with reasons.

Named groups of a rule are filled into its Korean: `why` is itself a reason, `state` a state,
`factors` names of factors; all others stay as they are.
"""

from __future__ import annotations

import re

from mobile_vla.analysis.terms import FACTORS
from mobile_vla.analysis.wording import STATES, factor_name, pick

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
    # An audit
    (
        r"the document does not say of which run it speaks",
        "문서가 어느 실행인지 말하지 않음",
    ),
    (r"the document does not say which run (?P<x>.*) is", "{x}이(가) 어느 실행인지 문서에 없음"),
    (r"the document does not say which runs it compares", "어느 실행을 비교하는지 문서에 없음"),
    (r"no evidence of a run called (?P<x>.*)", "{x}이라는 실행의 근거가 없음"),
    (r"no file of (?P<x>.*) tells its (?P<b>.*)", "{x}의 어느 파일에도 없는 값: {b}"),
    (r"no file of (?P<x>.*) tells how many it read", "{x}의 어느 파일에도 에피소드 수가 없음"),
    (
        r"the files tell how many, not in which directions",
        "파일에는 수만 있고 방향이 없음",
    ),
    (r"no folder of its checkpoints was scanned", "체크포인트 폴더를 읽지 않음"),
    (r"no checkpoint of it loads", "열리는 체크포인트가 없음"),
    (r"no checkpoint of it loads: (?P<x>.*)", "열리는 체크포인트가 없음: {x}"),
    (r"its checkpoint loads", "체크포인트가 열림"),
    (r"its process lives", "프로세스가 살아 있음"),
    (r"of (?P<a>\S+) and (?P<b>\S+)", "{a}와 {b}의 비"),
    (r"the document does not say in which time zone", "문서에 시간대가 없음"),
    (r"no file scores it and another run", "이 실행과 다른 실행을 함께 평가한 파일이 없음"),
    (
        r"its configuration is here and no log or folder of a run: whether it ran is unknown",
        "설정만 있고 실행의 로그나 폴더가 없어 실행했는지 알 수 없음",
    ),
    (r"no file of (?P<x>.*) tells what trains", "{x}의 어느 파일에도 무엇이 학습되는지 없음"),
    (
        r"no file of (?P<x>.*) tells which parts train",
        "{x}의 어느 파일에도 어느 부분이 학습되는지 없음",
    ),
    (r"no file of (?P<x>.*) tells whether LoRA is on", "{x}의 어느 파일에도 LoRA 여부가 없음"),
    (r"it names no regime that the files tell", "파일로 확인할 수 있는 학습 방식이 아님"),
    (r"the document is of (?P<x>.*)", "문서는 {x}의 것임"),
    (r"the value stands there as (?P<x>.*)", "그 값은 거기에 {x} 값으로 있음"),
    (
        r"no run from RoboVLMs weights has finished: (?P<x>\S+) (?P<state>\w+)",
        "RoboVLMs 가중치에서 시작해 끝난 실행이 없음: {x} {state}",
    ),
    (r"a value of zero has no ratio", "0인 값에는 비가 없음"),
    (r"it has no run \((?P<why>.*)\)", "실행이 없음 ({why})"),
    (r"its val loss is lower", "검증 손실은 더 낮음"),
    (r"that alone shows nothing: (?P<why>.*)", "그것만으로는 아무것도 알 수 없음: {why}"),
    (r"evidence gives (?P<x>.*)", "근거: {x}"),
    (
        r"a run was under way when the report was written: write it again",
        "보고서를 쓸 때 실행이 진행 중이었음. 다시 쓸 것",
    ),
    (
        r"that document does not say so today, or other evidence corrects it",
        "그 문서에 지금은 그런 말이 없거나 근거가 달라짐",
    ),
    (r"its folder holds no such file", "폴더에 그런 파일이 없음"),
    (r"it died before it trained: (?P<x>.*)", "학습을 시작하기 전에 죽음: {x}"),
    (r"by its log it ended about (?P<x>.*)", "로그에 따르면 {x}쯤 끝남"),
    (r"its log says (?P<x>.*)", "로그의 말: {x}"),
    (
        r"its checkpoints were not among what was scanned",
        "체크포인트는 읽은 것에 들어 있지 않음",
    ),
    (
        r"so it was in the run (?P<x>.*); another speaks for the case now",
        "실행 {x}에서는 그랬으나 지금은 다른 실행이 이 케이스를 대표함",
    ),
    (r"that is its (?P<x>.*)", "그 값은 이 실행의 {x} 값임"),
    (r"that is the training split alone", "학습 분할만의 수임"),
    (
        r"it is the loss of (?P<x>.*), and the claim names no epoch",
        "{x}의 손실이며, 문서는 에폭을 말하지 않음",
    ),
    (
        r"it could be the best, which the evidence does not tell",
        "최저일 수 있으나 근거에 최저값이 없음",
    ),
    (
        r"an epoch of it reached (?P<x>.*), so its best is no higher",
        "한 에폭이 {x}에 이르렀으므로 최저값은 그보다 높지 않음",
    ),
    (
        r"its configuration says so, yet (?P<x>.*) parameters train by LoRA",
        "설정은 그렇다고 하나 LoRA로 파라미터 {x}개가 학습됨",
    ),
    (
        r"the log prints it, yet such values of it are roots of its loss \((?P<x>.*)\), "
        r"no error in m/s",
        "로그에 있는 값이나 손실의 제곱근임 ({x}). m/s 단위 오차가 아님",
    ),
    (
        r"its loss was measured on another validation set \((?P<n>\d+) episodes\) than that of "
        r"(?P<b>.*) \((?P<m>\d+) episodes\), so the two do not compare",
        "검증 세트가 서로 달라({n}개, {b}은 {m}개 에피소드) 손실을 비교할 수 없음",
    ),
    (r"another path", "다른 경로임"),
    (r"told by no file: (?P<factors>.*)", "어느 파일에도 없는 요인: {factors}"),
    (
        r"(?P<x>.*) is another run elsewhere in the document",
        "문서의 다른 곳에서 {x}은(는) 다른 실행임",
    ),
    (r"it may speak of a part of the run", "실행의 일부를 말한 것일 수 있음"),
    (r"it runs and has done (?P<x>\d+) by now", "실행 중이며 지금까지 {x} 스텝을 마침"),
    (r"(?P<x>.*) is (?P<state>[a-z]+): (?P<why>.*)", "{x}: {state}, {why}"),
    (r"(?P<state>[a-z]+): (?P<why>.*)", "{state}: {why}"),
)
COMPILED = tuple((re.compile(pattern, re.DOTALL), korean) for pattern, korean in RULES)
NAMES = {name: name for name in FACTORS} | {english: name for name, (english, _) in FACTORS.items()}
FACTOR = re.compile(rf"\b({'|'.join(sorted(NAMES, key=len, reverse=True))}|recipe\.[\w.]+)\b")
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
        return FACTOR.sub(
            lambda match: factor_name(NAMES.get(match[0], match[0]), "ko"), text
        ).replace(" against ", " ↔ ")
    return text
