"""Which noun a number belongs to: the one it counts, else the last one before it."""

from __future__ import annotations

import re

import msgspec

from mobile_vla.documents.claims.tokens import (
    ABOUT_BEFORE,
    COUNTED,
    EPOCH_AFTER,
    GAP,
    NO_SIZE,
    NOUNS,
    QUALIFIER_AFTER,
    QUALIFIERS,
    SIZE_NOUN,
    SIZED,
    SPLITS,
    STOPPED,
    TOKEN,
    UNITS,
    Found,
    phrase_of,
    reading,
)
from mobile_vla.documents.claims.words import LOSSES, NUMERIC, Key

LOSS_REACH, REACH, LIST_REACH = 28, 16, 80
"""Characters between a noun and its number, names of runs not counted; between two losses."""
OTHER_UNIT = re.compile(r"[a-z_]|\s?(?:[kmgt]b|ms|m/s|hz|px|초|분|시간|명|번|회)(?![a-z])")
UNITED = frozenset({"params", "size"})
RUN = "\ue000"
"""Stands for each letter of a run's name."""
TRAINED = re.compile(
    r"trainable|trained param|param\w*\s+(?:are |were )?(?:trained|trainable|train\b)"
    r"|학습\S*\s*(?:파라미터|매개변수)|(?:파라미터|매개변수)[를가만이]?\s*학습"
)
OTHER_LOSS = re.compile(
    r"(?:test|gripper|huber|caption|eval\w*|aux\w*|평가|테스트|그리퍼|보조)[\s_-]*$"
)
LOSS_OF = re.compile(r"[\s_-]*(?:weight|coefficient|scale|가중치|on the (?:test|eval))")
"""Losses that are no run's training or validation loss, and what is none at all."""
JOINT = re.compile(
    r"(?:[\s*`\"'():=\ue000]|of\b|is\b|was\b|were\b|at\b|to\b|by\b|used\b|set\b|size|length"
    r"|[은는이가을를로의에인]|으로|크기|길이|값|수|약|총|개)*"
)
"""What may stand between a setting's name and its number."""
PART_BEFORE = re.compile(r"(?:after|within|in|first|only|just|by|처음|불과|단)\s*$")
PART_AFTER = re.compile(r"에(?![가-힣])|만에|까지")
"""Epochs or steps that may be a part of the run: "after 2 epochs", "2 epochs에 92% 감소"."""
OF = re.compile(r"[\s*]*(?:of|out of|/)\s*(?=\d)")
WHOLE_NUMBERS = frozenset(
    {"lora_r", "accumulate", "batch", "window", "chunk", "seed", "steps", "any_steps", "epochs",
     "episodes"}
)  # fmt: skip
COMPOSITE = re.compile(r"[\s*]*/[\s*]*(?=\d)")
ARROW = re.compile(r"[\s*]*(?:→|->)[\s*]*(?=\d)")
EPOCH_BEFORE = re.compile(r"[\s_=*]*(?P<n>\d+)(?![\d.]*\d|\s*epochs)")


class Numbers:
    """Reads the numbers of one text, small letters, with what its key says of them."""

    def __init__(self, text: str, key: Key | None) -> None:
        self.text, self.key = text, key
        self.found: list[tuple[Found, int]] = []
        self.sized = bool(SIZE_NOUN.search(text)) or (key is not None and key.quantity == "size")
        self.sized = self.sized and not NO_SIZE.search(text)
        self.place = 0
        self._clear()

    def _clear(self) -> None:
        """As at the beginning of a sentence: only the key speaks."""
        quantity = self.key.quantity if self.key else ""
        quantity = "val_loss" if quantity == "checkpoint" else quantity
        self.noun = quantity if quantity in NUMERIC else ""
        self.split = self.key.split if self.key else ""
        self.noun_end, self.fresh = 0, bool(self.noun)
        self.qualifier, self.epoch, self.near_split = "", "", ("", -9)
        self.qualified, self.last = -9, (0, "")
        self.keyed = bool(self.noun)

    def read(self) -> list[tuple[Found, int]]:
        """Every number that has a noun, and where what belongs to it ends."""
        while match := TOKEN.search(self.text, self.place):
            self.place = match.end()
            if match["num"]:
                self._number(match)
            elif match["stop"] == "|":
                self._clear()
            elif match["stop"]:
                self.fresh, self.qualifier, self.epoch = False, "", ""
            else:
                self._word(match)
        return self.found

    def _word(self, match: re.Match[str]) -> None:
        phrase = phrase_of(match["word"]) if match["word"] else "rank"
        if phrase in QUALIFIERS:
            self.qualifier, self.fresh, self.qualified = QUALIFIERS[phrase], True, match.end()
            if phrase == "bottomed out":
                self.noun, self.noun_end = "val_loss", match.end()
        elif phrase in SPLITS:
            self.near_split = (SPLITS[phrase], match.end())
        elif phrase not in NOUNS:
            self.noun, self.keyed = "", False
        elif NOUNS[phrase] == "epoch" and (at := EPOCH_BEFORE.match(self.text, match.end())):
            self._epoch(at)
        elif NOUNS[phrase] == "epoch" and match.start() - self.qualified in (0, 1):
            pass  # "the last epoch": a place, no count
        else:
            self._noun(NOUNS[phrase], match)

    def _noun(self, noun: str, match: re.Match[str]) -> None:
        split, end = self.near_split
        near = split if not self.text[end : match.start()].strip(" _*") else ""
        if noun == "loss" and self._other_loss(match):
            self.noun, self.keyed = "", False
            return
        if noun in ("loss", "rmse"):
            self.split = near
            noun = "rmse" if noun == "rmse" else f"{near or 'val'}_loss"
        self.noun = "epochs" if noun == "epoch" else noun
        self.noun_end, self.fresh, self.keyed = match.end(), True, False

    def _other_loss(self, match: re.Match[str]) -> bool:
        before = self.text[max(0, match.start() - 24) : match.start()]
        return bool(OTHER_LOSS.search(before) or LOSS_OF.match(self.text, match.end()))

    def _epoch(self, at: re.Match[str]) -> None:
        """ "Epoch 9" before a value is its qualifier; where none follows, the place of the best."""
        self.epoch, self.fresh, self.place = f"epoch {int(at['n'])}", True, at.end()
        if self.qualifier == "best" and self.noun == "val_loss":
            rest = TOKEN.search(self.text, self.place)
            if rest is None or not rest["num"]:
                self._best_epoch(at.start("n"), at.end("n"))

    def _best_epoch(self, start: int, end: int) -> None:
        found = Found(start, end, "best_epoch", float(self.text[start:end]), 1.0)
        self.found.append((found, end))

    def _number(self, match: re.Match[str]) -> None:
        counted = COUNTED.match(self.text, match.end())
        if not self.fresh and RUN in self.text[self.last[0] : match.start()]:
            self.fresh, self.qualifier = True, self.qualifier or self.last[1]
        if counted:
            self._counted(match, counted)
        elif self.sized and (unit := SIZED.match(self.text, match.end())):
            self._keep(reading(match, "size", UNITS[unit["unit"]]), unit.end())
        elif self.noun and self._reaches(match):
            self._bound(match)
        self.fresh, self.last = False, (match.end(), self.last[1])

    def _counted(self, match: re.Match[str], counted: re.Match[str]) -> None:
        noun = re.sub(r"[\s-]", "", counted["noun"])
        if noun.startswith(("epoch", "에")):
            quantity = "epochs"
        elif noun.startswith(("param", "파", "매")):
            if not re.search("train|학습", counted[0]) and not TRAINED.search(self.text):
                return
            quantity = "params"
        else:
            quantity = "any_steps" if noun in ("step", "steps", "스텝") else "steps"
        found = reading(match, quantity, UNITS.get(counted["unit"] or "", 0))
        part = PART_BEFORE.search(self.text[: match.start()]) or PART_AFTER.match(
            self.text, counted.end()
        )
        if found is not None and part and quantity != "params":
            found = msgspec.structs.replace(found, qualifier="part")
        self._keep(found, counted.end())
        self.noun = ""

    def _reaches(self, match: re.Match[str]) -> bool:
        """Whether the noun's reach goes to this number: the first after it, or newly qualified."""
        if OTHER_UNIT.match(self.text, match.end()) and self.noun not in UNITED:
            return False
        if self.noun in LOSSES and "." not in match["num"] and not self.keyed:
            return False
        if not self.fresh:
            return self.noun in LOSSES and bool(self.found) and self._qualified_after(match.end())
        return (self.keyed and not self.found) or self._near(match)

    def _near(self, match: re.Match[str]) -> bool:
        gap = self.text[max(self.noun_end, 0) : match.start()].replace(RUN, "")
        gap = ABOUT_BEFORE.sub("", gap)
        if self.noun not in LOSSES:
            return len(gap) <= REACH and JOINT.fullmatch(gap) is not None
        if self.found and self.found[-1][0].quantity in LOSSES:
            return match.start() - self.last[0] <= LIST_REACH
        return len(gap) <= LOSS_REACH and GAP.fullmatch(gap) is not None

    def _qualified_after(self, end: int) -> bool:
        return bool(EPOCH_AFTER.match(self.text, end) or QUALIFIER_AFTER.match(self.text, end))

    def _bound(self, match: re.Match[str]) -> None:
        if self.noun in LOSSES and (to := ARROW.match(self.text, match.end())):
            self._arrow(match, to)
            return
        if self.noun == "any_steps" and (of := OF.match(self.text, match.end())):
            self._of(match, of)
            return
        slash = COMPOSITE.match(self.text, match.end())
        if slash or STOPPED.match(self.text, match.end()):
            if slash and self.key and self.key.also:
                self._pair(match, slash)
            return
        self._plain(match)

    def _plain(self, match: re.Match[str]) -> None:
        power = UNITS.get(self._unit(match), 0) if self.noun in ("params", "size") else 0
        found = reading(match, self.noun, power)
        if found is None or found.number is None:
            return
        if self.noun in LOSSES:
            if self.key is None or self.key.quantity != "checkpoint" or found.step < 1:
                self._loss(found)
        elif self.noun not in WHOLE_NUMBERS or found.number == int(found.number):
            if self.noun == "episodes":
                ways = self.key.ways if self.key else ()
                found = msgspec.structs.replace(found, split=self.split, ways=ways)
            self._keep(found, found.end)

    def _of(self, match: re.Match[str], of: re.Match[str]) -> None:
        """ "Step 90 of 200": how many were done, and planned."""
        self._keep(reading(match, "any_steps"), match.end())
        if (total := TOKEN.match(self.text, of.end())) and total["num"]:
            found = reading(total, "any_steps")
            if found is not None:
                self._keep(msgspec.structs.replace(found, qualifier="planned"), total.end())

    def _unit(self, match: re.Match[str]) -> str:
        unit = re.match(r"\s*(tb|gb|mb|kb|[mbk]|백만)(?![a-z])", self.text[match.end() :])
        return unit[1] if unit else ""

    def _loss(self, found: Found) -> None:
        """A loss with what is said of it before and after; the epoch of the best is a claim too."""
        keyed = self.key.qualifier if self.key and self.keyed else ""
        qualifier, end = self.qualifier or self.epoch or keyed, found.end
        after = EPOCH_AFTER.match(self.text, end)
        said = QUALIFIER_AFTER.match(self.text, end)
        if after:
            number = "a" if after["a"] else "b"
            epoch = f"epoch {int(after[number])}"
            if qualifier == "best" and self.noun == "val_loss":
                self._best_epoch(after.start(number), after.end(number))
            qualifier = f"{qualifier} at {epoch}" if qualifier in ("best", "final") else epoch
            end = after.end()
        elif said and not qualifier:
            qualifier = {"end": "final"}.get(said["q"]) or QUALIFIERS[said["q"]]
            end = said.end()
        split = self.split if self.noun == "rmse" else ""
        self._keep(msgspec.structs.replace(found, qualifier=qualifier, split=split), end)
        self.last = (end, qualifier)
        self.qualifier = self.epoch = ""
        self.place = max(self.place, end)

    def _arrow(self, match: re.Match[str], to: re.Match[str]) -> None:
        """ "0.052 → 0.013": from the first epoch's to the last one's."""
        target = TOKEN.match(self.text, to.end())
        if target is None or ARROW.match(self.text, target.end()):
            return
        self.place = target.end()
        for one, qualifier in ((match, "initial"), (target, "final")):
            found = reading(one, self.noun)
            if found is not None:
                self._keep(msgspec.structs.replace(found, qualifier=qualifier), found.end)

    def _pair(self, match: re.Match[str], slash: re.Match[str]) -> None:
        """ "200/50" under "train/val", "0.027/0.036" under "best/final"."""
        target = TOKEN.match(self.text, slash.end())
        if target is None or self.key is None or COMPOSITE.match(self.text, target.end()):
            return
        self.place = target.end()
        for one, (split, qualifier) in zip((match, target), self.key.also, strict=True):
            found = reading(one, self.noun)
            if found is not None:
                self._keep(
                    msgspec.structs.replace(found, split=split, qualifier=qualifier), found.end
                )

    def _keep(self, found: Found | None, end: int) -> None:
        if found is not None:
            self.found.append((found, end))
            self.place = max(self.place, end)
