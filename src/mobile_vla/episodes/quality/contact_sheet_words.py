"""The words of the contact sheet, in English and Korean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from mobile_vla.episodes.findings import MEANING, Check
from mobile_vla.episodes.quality import korean

Language = Literal["en", "ko"]
_TEXTS: dict[str, tuple[str, str]] = {
    "title": ("Episodes of {folder}", "{folder}의 에피소드"),
    "bad": ("Something here would spoil training.", "이대로 학습하면 안 되는 문제가 있습니다."),
    "unsure": (
        "Worth a look, but nothing that spoils training.",
        "살펴볼 점은 있으나 학습을 망칠 문제는 없습니다.",
    ),
    "good": ("Nothing was found.", "발견된 문제가 없습니다."),
    "episodes": ("episodes read", "읽은 에피소드"),
    "unread": ("could not be taken in", "읽지 못한 것"),
    "frames": ("frames", "프레임"),
    "driving": ("of driving", "주행"),
    "seconds": ("{n} s", "{n}초"),
    "identity": ("The data set's identity is", "데이터 세트의 고유값:"),
    "no_manifest": (
        "There is no manifest, so nothing of splits was checked.",
        "매니페스트가 없어 분할은 검사하지 않았습니다.",
    ),
    "findings": ("Findings", "발견된 문제"),
    "the_set": ("The data set", "데이터 세트"),
    "spoil": ("{n} spoil training", "{n}건은 학습을 망침"),
    "note": ("to note", "참고"),
    "counts": ("Counts", "개수"),
    "direction": ("direction", "방향"),
    "distinct": ("different action sequences", "서로 다른 행동 순서"),
    "commonest": ("driven by the commonest", "가장 흔한 순서의 에피소드"),
    "split": ("split", "분할"),
    "scene": ("scene", "장면"),
    "date": ("date", "날짜"),
    "count": ("episodes", "에피소드"),
    "above": ("From above", "위에서 본 궤적"),
    "above_note": (
        "Each line is a distinct action sequence, integrated from the start; a thicker one is "
        "driven by more episodes. Lines of the grid are {grid} m apart.",
        "선 하나가 서로 다른 행동 순서 하나이며, 출발점에서 적분한 것입니다. 굵을수록 더 많은 "
        "에피소드가 그 순서로 달립니다. 격자 간격은 {grid} m입니다.",
    ),
    "sequences": ("Every distinct action sequence", "서로 다른 행동 순서 모두"),
    "sequences_note": (
        "{n} of them, the commonest first, with one episode of each. Velocities fill their lane "
        "upwards where positive (ahead, left, counter-clockwise); its edge is {fastest} m/s "
        "or rad/s.",
        "모두 {n}가지이며 흔한 것부터, 각각 한 에피소드를 보입니다. 속도는 양수(앞, 왼쪽, "
        "반시계)이면 위쪽으로 채워지고, 칸의 끝이 {fastest} m/s 또는 rad/s입니다.",
    ),
    "left": ("left", "왼쪽"),
    "right": ("right", "오른쪽"),
    "straight": ("straight", "직진"),
    "unknown": ("in doubt", "불확실"),
    "ahead": ("ahead", "앞"),
    "leftward": ("left", "왼쪽"),
    "turn": ("turn", "회전"),
    "picture": ("{episode}, picture {n} of {all}", "{episode}, 사진 {all}장 중 {n}"),
    "velocities": ("Velocities of {episode}", "{episode}의 속도"),
    "times": ("{n} × {direction}", "{direction} × {n}"),
    "length": ("{frames} frames, {seconds} s", "{frames}프레임, {seconds}초"),
}


@dataclass(frozen=True, slots=True)
class Words:
    """One language: `text(key, …)` of the page, what checks mean, and how findings are told."""

    texts: Mapping[str, str]
    meaning: Mapping[Check, str]
    finding: Callable[[str], str]

    def text(self, key: str, **values: object) -> str:
        """The page's text under `key`, its places filled."""
        return self.texts[key].format(**values)


def words_of(language: Language) -> Words:
    """The words of "en" or "ko"."""
    if language == "ko":
        texts = {key: text for key, (_, text) in _TEXTS.items()}
        return Words(texts, korean.MEANING, korean.in_korean)
    return Words({key: text for key, (text, _) in _TEXTS.items()}, MEANING, str)
