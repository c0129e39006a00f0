"""What the words before a number say of it: what it counts, of which split, at which epoch."""

from __future__ import annotations

import re

from mobile_vla.old_claims import around
from mobile_vla.old_claims.tokens import (
    NOUNS,
    PARTS,
    QUALIFIERS,
    SPLITS,
    TOKEN,
    TOTALS,
    Found,
    phrase_of,
)
from mobile_vla.old_claims.words import LOSSES, NUMERIC, Key


class Frame:
    """What the words of a text, small letters, say so far of the numbers to come.

    `noun`: the quantity; `fresh`: whether the next number is its; `keyed`: whether only the key
    before the text said it; `other`: whether something was named that no claim is about.
    """

    def __init__(self, text: str, key: Key | None, noun: str = "") -> None:
        """`noun`: what was counted in the text before, and may be again."""
        self.text, self.key, self.before = text, key, noun
        self.found: list[tuple[Found, int]] = []
        self.sized = bool(around.SIZE_NOUN.search(text)) or (
            key is not None and key.quantity == "size"
        )
        self.sized = self.sized and not around.NO_SIZE.search(text)
        self.place = 0
        self.clear()

    def clear(self) -> None:
        """As at the beginning of a sentence: only the key speaks."""
        quantity = self.key.quantity if self.key else ""
        quantity = "val_loss" if quantity == "checkpoint" else quantity
        self.noun = quantity if quantity in NUMERIC else ""
        self.split = self.key.split if self.key else ""
        self.noun_end, self.fresh = 0, bool(self.noun)
        self.qualifier, self.epoch, self.near_split = "", "", ("", -9)
        self.qualified, self.totalled, self.last = -9, -9, (0, "")
        self.part, self.other, self.total = "", False, False
        self.keyed = bool(self.noun)
        self.noun = self.noun or self.before

    def word(self, match: re.Match[str]) -> None:
        """Take in one word of the vocabulary."""
        phrase = phrase_of(match["word"]) if match["word"] else "rank"
        if phrase in QUALIFIERS:
            self.qualifier, self.fresh, self.qualified = QUALIFIERS[phrase], True, match.end()
            if phrase == "bottomed out":
                self.noun, self.noun_end = "val_loss", match.end()
        elif phrase in SPLITS:
            self.near_split = (SPLITS[phrase], match.end())
            if self.noun in ("episodes", "frames"):
                self.split, self.fresh, self.noun_end = SPLITS[phrase], True, match.end()
                self.total = False
        elif phrase in PARTS:
            self.part = PARTS[phrase]
            if self.noun == "params":
                self.fresh, self.noun_end = True, match.end()
        elif phrase in TOTALS:
            self.totalled = match.end()
            if self.noun == "episodes":
                self.split, self.fresh, self.noun_end = "", True, match.end()
                self.total = True
        elif phrase not in NOUNS:
            self.noun, self.keyed, self.other = "", False, True
        elif NOUNS[phrase] == "epoch" and (at := around.EPOCH_BEFORE.match(self.text, match.end())):
            self.at_epoch(at.start("n"), at.end("n"))
        elif NOUNS[phrase] == "epoch" and (
            match.start() - self.qualified in (0, 1) or self._one(match)
        ):
            pass  # "the last epoch", "that epoch": a place, no count
        else:
            self._noun(NOUNS[phrase], match)

    def _noun(self, noun: str, match: re.Match[str]) -> None:
        split, end = self.near_split
        near = split if not self.text[end : match.start()].strip(" _*") else ""
        if noun == "trains" and self.noun != "params":
            return
        if noun == "loss" and self._other_loss(match):
            self.noun, self.keyed = "", False
            return
        if noun == "params" and not self._trained(match):
            self.noun, self.keyed = "", False
            return
        if noun in ("loss", "rmse"):
            self.split = near
            noun = "rmse" if noun == "rmse" else f"{near or 'val'}_loss"
        if noun in ("episodes", "frames"):
            self.split = near
        if noun == "params" and match["word"].startswith("total"):
            self.part = "total"
        noun = {"epoch": "epochs", "trains": "params"}.get(noun, noun)
        self.noun, self.noun_end, self.fresh, self.keyed = noun, match.end(), True, False

    def _one(self, match: re.Match[str]) -> bool:
        before = self.text[max(0, match.start() - 8) : match.start()]
        return around.ONE_EPOCH.search(before) is not None

    def _trained(self, match: re.Match[str]) -> bool:
        """Whether parameters are those that train, not all that the model has."""
        before = self.text[max(0, match.start() - 16) : match.start()].rpartition(",")[2]
        after = self.text[match.end() : match.end() + 16].partition(",")[0]
        return bool(around.TRAINED.search(before + after))

    def _other_loss(self, match: re.Match[str]) -> bool:
        before = self.text[max(0, match.start() - 24) : match.start()]
        return bool(
            around.OTHER_LOSS.search(before) or around.LOSS_OF.match(self.text, match.end())
        )

    def at_epoch(self, start: int, end: int) -> None:
        """ "Epoch 9" before a value is its qualifier; where none follows, the place of the best."""
        self.epoch, self.fresh, self.place = f"epoch {int(self.text[start:end])}", True, end
        if self.noun in LOSSES:
            self.noun_end = max(self.noun_end, end)
        best = self.qualifier == "best" or (self.last[1] == "best" and bool(self.found))
        if best and self.noun in ("val_loss", ""):
            rest = TOKEN.search(self.text, self.place)
            if rest is None or not rest["num"]:
                self.best_epoch(start, end)

    def best_epoch(self, start: int, end: int) -> None:
        """The number there is the epoch of the best."""
        found = Found(start, end, "best_epoch", float(self.text[start:end]), 1.0)
        self.found.append((found, end))
