# ruff: noqa: E501  (a table of sentences)
"""Findings in Korean: their English sentences are the keys, what varies in them stands in braces."""

from __future__ import annotations

import re

from mobile_vla.episodes.findings import Check

MEANING: dict[Check, str] = {
    "unreadable": "열거나 해독할 수 없음",
    "truncated": "잘렸거나 비어 있음",
    "not_an_episode": "HDF5 파일이 아니거나 영상 또는 행동이 없음",
    "shape_or_type": "차원, 크기, 자료형, 글자가 틀리거나 길이가 서로 다름",
    "not_a_number": "NaN 또는 무한대인 행동",
    "too_long": "에피소드라고 할 수 없을 만큼 긺",
    "changed": "읽는 동안 바뀜",
    "dark_frames": "어둡거나 한 가지 색뿐인 프레임",
    "frozen_frames": "로봇은 움직이는데 화면이 멈춰 있음",
    "no_instruction": "로봇에게 내린 지시가 없음",
    "direction": "지시문, 파일 이름, 움직임의 방향이 서로 다름",
    "duplicate": "같은 내용이 두 번 있음",
    "near_duplicate": "거의 같은 화면. train과 val에 나뉘어 있으면 검증을 망침",
    "same_actions": "많은 에피소드의 행동 순서가 똑같음",
    "balance": "한쪽 방향의 에피소드가 훨씬 많음",
    "range": "학습 분할의 범위나 최고 속도를 벗어난 행동",
    "one_sided_split": "한쪽 방향만 있는 분할",
    "step": "한 걸음의 길이나 행동의 열 수가 나머지와 다름",
    "name": "파일 이름이 형식에 맞지 않거나 겹침",
    "manifest": "매니페스트와 파일이 서로 다름",
}
_SENTENCES = {
    "shows nothing (dark or of one colour) in {said}":
        "{said}: 아무것도 보이지 않음(어둡거나 한 가지 색)",
    "drives but repeats the picture before in {said}":
        "{said}: 움직이는데 앞 화면이 되풀이됨",
    "has no instruction":
        "지시문이 없음",
    "has the same content as {name}":
        "{name}: 이것과 내용이 같음",
    "({said}) shows almost the same pictures as {name} ({side}): they differ by {n} of 255 grey levels":
        "({said}) {name} ({side}): 이것과 화면이 거의 같음. 차이는 회색 255단계 중 {n}단계",
    "{n} of {all} {said} episodes ({share}) show almost the same pictures as another, such as {name} and {other}":
        "{said} 에피소드 {all}개 중 {n}개({share})의 화면이 다른 것과 거의 같음. 예: {name}, {other}",
    "{n} of {all} {said} episodes ({share}) are one and the same action sequence, that of {name}: replaying it by step would score as well":
        "{said} 에피소드 {all}개 중 {n}개({share})의 행동 순서가 {name}의 것과 똑같음. 그 순서를 그대로 재생해도 같은 점수가 나옴",
    "holds {said}: a policy may learn the commoner direction and not the instruction":
        "{said}: 정책이 지시문이 아니라 더 흔한 방향을 배울 수 있음",
    "reaches {n}, over full speed {full}, in {said}":
        "{said}: 최고 속도 {full} 초과(최대 {n})",
    "goes beyond what the training split spans in {said}":
        "{said}: 학습 분할의 범위를 벗어남",
    "the split {split} holds {said} episodes only, while the data set holds {all}: it measures one direction":
        "{split} 분할에는 {said}만 있음(데이터 세트에는 {all}). 한 방향만 재게 됨",
    "is in the manifest but not there":
        "매니페스트에는 있으나 파일이 없음",
    "is no longer the content that the manifest pins":
        "매니페스트에 고정된 내용과 더는 같지 않음",
    "is not in the manifest, so no case trains on it":
        "매니페스트에 없어서 어느 사례의 학습에도 쓰이지 않음",
    "its direction is in doubt: {said}":
        "방향이 의심스러움: {said}",
    "has steps of {n} s and {m} action columns, where the data set has {all} s and {more}":
        "한 걸음 {n}초, 행동 {m}열. 데이터 세트는 {all}초, {more}열",
    "has the same id as {name}":
        "{name}: 이것과 id가 같음",
    "holds {n} different instructions":
        "서로 다른 지시문이 {n}개 들어 있음",
    "is cut off: it is shorter than its header says":
        "잘림: 헤더에 적힌 것보다 짧음",
    "is not HDF5":
        "HDF5가 아님",
    "is no file":
        "파일이 아님",
    "is empty (0 bytes)":
        "비어 있음(0바이트)",
    "is damaged and cannot be decoded ({error})":
        "손상되어 해독할 수 없음({error})",
    "changed while it was read":
        "읽는 동안 바뀜",
    "cannot be opened ({error})":
        "열 수 없음({error})",
    "cannot be read ({error}), so nothing in it is":
        "읽을 수 없음({error}). 그 안의 것도 읽지 못함",
    "`{name}` is {n}, where {said} is needed":
        "`{name}`: {n}. 필요한 것은 {said}",
    "`{name}` holds {n} texts, where {said} are needed":
        "`{name}`: 글 {n}개. 필요한 것은 {said}개",
    "`{name}` is not UTF-8 text":
        "`{name}`: UTF-8 글이 아님",
    "has no dataset `{name}` (it holds {there})":
        "`{name}` 데이터가 없음(있는 것: {there})",
    "has no seconds between 0 and 60 as its `{name}`":
        "`{name}`: 0과 60 사이의 초가 아님",
    "holds {n} images but {m} actions":
        "영상은 {n}개인데 행동은 {m}개",
    "holds {n} frames{size}, which is no episode":
        "프레임이 {n}개{size}로, 에피소드라고 할 수 없음",
    "holds no frames":
        "프레임이 없음",
    "has NaN or infinite actions, first at frame {n}":
        "NaN 또는 무한대인 행동이 있음. 처음은 프레임 {n}",
    "does not fit into this machine's memory":
        "이 컴퓨터의 메모리에 들어가지 않음",
    "{name} is not a manifest: {error}. Make it again from its episodes.":
        "매니페스트가 아님({error}). 에피소드에서 다시 만드십시오",
    "The episodes listed in {name} do not match its own hash, so it was edited by hand: make it again from its episodes.":
        "적힌 에피소드가 스스로의 해시와 맞지 않음. 손으로 고친 것이니 에피소드에서 다시 만드십시오",
    "does not fit the pattern {name}, and is left out":
        "이름이 형식 {name}에 맞지 않아 빠짐",
}  # fmt: skip
_WORDS = {
    r"frames? ": "프레임 ", r"(\d+) to (\d+)": r"\1–\2", r"instruction says ": "지시문은 ",
    r"file name says ": "파일 이름은 ", r"motion says ": "움직임은 ", r"\bleft\b": "왼쪽",
    r"\bright\b": "오른쪽", r"\bstraight\b": "직진", r" and ": ", ", r"\btext\b": "글",
    r" or ": " 또는 ",
}  # fmt: skip
_VARYING = re.compile(r"\\{(\w+)\\}")
_PATTERNS = [
    (re.compile(_VARYING.sub(r"(?P<\1>.*?)", re.escape(english))), korean)
    for english, korean in _SENTENCES.items()
]


def in_korean(what: str) -> str:
    """A finding's predicate in Korean; one that is not known stays as it is, for it is true."""
    for pattern, korean in _PATTERNS:
        match = pattern.fullmatch(what)
        if match:
            told = match.groupdict()
            return korean.format(
                **{k: _words(v) if k in ("said", "all") else v for k, v in told.items()}
            )
    return what


def _words(text: str) -> str:
    for english, korean in _WORDS.items():
        text = re.sub(english, korean, text)
    return text
