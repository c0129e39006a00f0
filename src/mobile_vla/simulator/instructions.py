"""Instructions: the task's sentence, paraphrases, and sentences about other objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mobile_vla.simulator.world import Side

Language = Literal["en", "ko"]
SIDE_WORDS: dict[Language, dict[Side, str]] = {
    "en": {"left": "left", "right": "right"},
    "ko": {"left": "왼쪽", "right": "오른쪽"},
}


@dataclass(frozen=True, slots=True)
class Phrase:
    """A sentence with a place for the side, `{side}`, in one language."""

    text: str
    language: Language

    def for_side(self, direction: Side) -> str:
        """The sentence for one side."""
        return self.text.format(side=SIDE_WORDS[self.language][direction])


PARAPHRASES = (
    Phrase("pass the box on the {side}, then go to the basket", "en"),
    Phrase("drive to the basket, past the box on the {side}", "en"),
    Phrase("move to the {side} of the box and then to the basket", "en"),
    Phrase("go {side} around the box, to the basket", "en"),
    Phrase("Navigate around the obstacle on the {side} side and reach the basket", "en"),
    Phrase("상자를 {side}으로 돌아서 바구니까지 가세요", "ko"),
    Phrase("박스를 {side}으로 피해서 바구니까지 가세요", "ko"),
)
"""The task in other words. The small VLMs' tokenizer knows the words of the first four only."""

OTHER_OBJECTS = (
    Phrase("go around the box on the {side}, to the ball", "en"),
    Phrase("go around the box on the {side}, to the cylinder", "en"),
    Phrase("go around the box on the {side}, to the cup", "en"),
)
"""The task's sentence with another goal, an object that is not in the scene."""


def instruction(direction: Side, goal: str = "basket") -> str:
    """The task's sentence: pass the box on `direction`, go to `goal`."""
    return f"go around the box on the {direction}, to the {goal}"
