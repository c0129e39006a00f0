"""Which noun a number belongs to: the one it counts, else the last one before it."""

from __future__ import annotations

import re

import msgspec

from mobile_vla.documents.claims.tokens import (
    ABOUT_BEFORE,
    AFTERWARDS,
    COUNTED,
    EACH,
    EACH_BEFORE,
    EPOCH_AFTER,
    EPOCH_INDEX,
    GAP,
    NO_SIZE,
    NOUNS,
    PARTS,
    QUALIFIER_AFTER,
    QUALIFIERS,
    SIZE_NOUN,
    SIZED,
    SPLITS,
    STOPPED,
    TOKEN,
    TOTALS,
    UNITS,
    Found,
    phrase_of,
    reading,
)
from mobile_vla.documents.claims.words import LOSSES, NUMERIC, Key

LOSS_REACH, REACH, LIST_REACH = 28, 16, 80
"""Characters between a noun and its number, names of runs not counted; between two losses."""
OTHER_UNIT = re.compile(
    r"[a-z_]|\s?(?:[kmgt]b|ms|m/s|hz|fps|px|초|분|시간|명|번|회|대|쪽|주|원|만 원|eur|usd|€|\$"
    r"|gpus?|cards?|pages?|trials?|boxes|people|weeks?|days?|hours?|minutes?|min)(?![a-z])"
)
UNITED = frozenset({"params", "size"})
RUN = "\ue000"
"""Stands for each letter of a run's name."""
TRAINED = re.compile(r"train|학습")
OTHER_LOSS = re.compile(
    r"(?:test|gripper|huber|caption|eval\w*|aux\w*|baseline|replay|평가|테스트|그리퍼|보조)[\s_-]*$"
)
LOSS_OF = re.compile(r"[\s_-]*(?:weight|coefficient|scale|가중치|on the (?:test|eval))")
"""Losses that are no run's training or validation loss, and what is none at all."""
JOINT = re.compile(
    r"(?:[\s*`\"'():=\ue000]|of\b|is\b|was\b|were\b|at\b|to\b|by\b|used\b|set\b|size|length|for\b"
    r"|spans\b|as\b|over\b|[은는이가을를로의에인도]|으로|크기|길이|값|수|약|총|모두|개)*"
)
"""What may stand between a setting's name and its number."""
PART_BESIDE = re.compile(
    rf"[\s*]*(?:belong to|are in|of|in|for)? ?(?:the )?(?P<part>{'|'.join(PARTS)})"
)
IMPLIED = re.compile(r"[\s*`\"'():=]*(?:은|는|이|가|of|at|is|was|to|reached|val)?[\s*`:=(]*")
"""What may stand between "best" and a loss that is not called one."""
DENIED = re.compile(
    r"\b(?:not|no longer|instead of|rather than|below|under|above|than|least|most|beyond)"
    r"(?: \w+){0,2} ?(?:about )?$"
)
DENIED_AFTER = re.compile(
    r"[\s*]*(?:[가-힣a-z]+\s?)?(?:이|가|은)?\s?"
    r"(?:아니|보다 (?:낮|높|작|크|적|많)|이하|이상|미만|초과|을 넘)"
)
"""Numbers that are denied, or given as bounds: they are not read."""
PART_BEFORE = re.compile(r"(?:after|within|in|first|only|just|by|처음|불과|단)\s*$")
PART_AFTER = re.compile(r"에(?![가-힣])|만에|까지")
"""Epochs or steps that may be a part of the run: "after 2 epochs", "2 epochs에 92% 감소"."""
OF = re.compile(r"[\s*]*(?:(?:done )?(?:out )?of|/)[\s¤]*(?=\d)")
PLANNED = re.compile(r"[\s*]*(?:가운데|중(?![가-힣])|중에서?)")
PLANNED_BEFORE = re.compile(r"(?:planned|계획(?:한|된)?)[^\d]{0,12}$")
WHOLE_NUMBERS = frozenset(
    {"lora_r", "accumulate", "batch", "window", "chunk", "seed", "steps", "any_steps", "epochs",
     "episodes", "frames"}
)  # fmt: skip
COMPOSITE = re.compile(r"[\s*]*/[\s*]*(?=\d)")
ARROW = re.compile(r"[\s*]*(?:→|->|에서(?= ?[\d~]))[\s*]*(?=\d)")
FROM_TO = re.compile(r"\s*to\s*(?=\d)")
UPWARDS = re.compile(r"\bup\b|\bback\b|\brose\b|올라|상승|증가|increas")
SPANS = ("window", "chunk")
"""What is counted in frames."""
EPOCH_BEFORE = re.compile(r"[\s_=*#]*(?P<n>\d+)(?![\d.]*\d|\s*epochs)")
EPISODES = re.compile(
    r"[\s*]*(?P<counter>개(?:의)?|편|건)?[\s*]*(?:(?:are |were )?"
    r"(?P<split>training|train|validation|val|held out|학습|훈련|검증)\b)?"
    r"[\s*]*(?P<noun>episodes?\b|eps\b|demos\b|에피소드)?"
    r"(?P<all> (?:in all|in total|altogether)\b)?"
)
"""What may follow a number of episodes."""


class Numbers:
    """Reads the numbers of one text, small letters, with what its key says of them."""

    def __init__(self, text: str, key: Key | None, noun: str = "") -> None:
        """`noun`: what was counted in the text before, and may be again."""
        self.text, self.key, self.before = text, key, noun
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
        self.part, self.other, self.total = "", False, False
        self.keyed = bool(self.noun)
        self.noun = self.noun or self.before

    def read(self) -> list[tuple[Found, int]]:
        """Every number that has a noun, and where what belongs to it ends."""
        while match := TOKEN.search(self.text, self.place):
            self.place = match.end()
            if match["num"]:
                self._number(match)
            elif match["stop"] == "|":
                self._clear()
            elif match["stop"]:
                self.fresh, self.qualifier, self.epoch, self.part = False, "", "", ""
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
            if self.noun in ("episodes", "frames"):
                self.split, self.fresh, self.noun_end = SPLITS[phrase], True, match.end()
                self.total = False
        elif phrase in PARTS:
            self.part = PARTS[phrase]
            if self.noun == "params":
                self.fresh, self.noun_end = True, match.end()
        elif phrase in TOTALS:
            if self.noun == "episodes":
                self.split, self.fresh, self.noun_end = "", True, match.end()
                self.total = True
        elif phrase not in NOUNS:
            self.noun, self.keyed, self.other = "", False, True
        elif NOUNS[phrase] == "epoch" and (at := EPOCH_BEFORE.match(self.text, match.end())):
            self._epoch(at.start("n"), at.end("n"))
        elif NOUNS[phrase] == "epoch" and match.start() - self.qualified in (0, 1):
            pass  # "the last epoch": a place, no count
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
        noun = {"epoch": "epochs", "trains": "params"}.get(noun, noun)
        self.noun, self.noun_end, self.fresh, self.keyed = noun, match.end(), True, False

    def _trained(self, match: re.Match[str]) -> bool:
        """Whether parameters are those that train, not all that the model has."""
        before = self.text[max(0, match.start() - 16) : match.start()].rpartition(",")[2]
        after = self.text[match.end() : match.end() + 16].partition(",")[0]
        return bool(TRAINED.search(before + after))

    def _other_loss(self, match: re.Match[str]) -> bool:
        before = self.text[max(0, match.start() - 24) : match.start()]
        return bool(OTHER_LOSS.search(before) or LOSS_OF.match(self.text, match.end()))

    def _epoch(self, start: int, end: int) -> None:
        """ "Epoch 9" before a value is its qualifier; where none follows, the place of the best."""
        self.epoch, self.fresh, self.place = f"epoch {int(self.text[start:end])}", True, end
        if self.noun in LOSSES:
            self.noun_end = max(self.noun_end, end)
        best = self.qualifier == "best" or (self.last[1] == "best" and bool(self.found))
        if best and self.noun in ("val_loss", ""):
            rest = TOKEN.search(self.text, self.place)
            if rest is None or not rest["num"]:
                self._best_epoch(start, end)

    def _best_epoch(self, start: int, end: int) -> None:
        found = Found(start, end, "best_epoch", float(self.text[start:end]), 1.0)
        self.found.append((found, end))

    def _number(self, match: re.Match[str]) -> None:
        if index := EPOCH_INDEX.match(self.text, match.end()):
            self._epoch(*match.span("num"))
            self.place = index.end()
            return
        counted = COUNTED.match(self.text, match.end())
        if not self.fresh and RUN in self.text[self.last[0] : match.start()]:
            self.fresh, self.qualifier = True, self.qualifier or self.last[1]
        if self._denied(match):
            pass
        elif of := self._part_of(match):
            self._of(match, of)
        elif counted and not (self.noun in SPANS and self.fresh and "f" in counted["noun"]):
            self._counted(match, counted)
        elif self.sized and (unit := SIZED.match(self.text, match.end())):
            self._keep(reading(match, "size", UNITS[unit["unit"]]), unit.end())
        elif self.noun == "episodes" and self._counts_episodes(match):
            self._episodes(match)
        elif self.noun and self._reaches(match):
            self._bound(match)
        elif not self.noun and self._implied(match):
            self.noun = "val_loss" if self.near_split[0] != "train" else "train_loss"
            self._bound(match)
        self.fresh, self.last = False, (match.end(), self.last[1])

    def _counts_episodes(self, match: re.Match[str]) -> bool:
        """Whether a number of episodes is read with its own words: all but a key's first one."""
        after = EPISODES.match(self.text, match.end())
        return not self.keyed or bool(self.found) or bool(after and after["split"])

    def _denied(self, match: re.Match[str]) -> bool:
        before = self.text[max(0, match.start() - 32) : match.start()]
        return bool(DENIED.search(before) or DENIED_AFTER.match(self.text, match.end()))

    def _implied(self, match: re.Match[str]) -> bool:
        """Whether "best 0.0104" speaks of a loss: three decimals right after the qualifier."""
        decimals = len(match["num"].partition(".")[2])
        start = max(self.qualified, self.near_split[1])
        gap = self.text[start : match.start()].replace(RUN, "")
        unit = OTHER_UNIT.match(self.text, match.end()) or STOPPED.match(self.text, match.end())
        if decimals >= 3 and not self.other and EPOCH_AFTER.match(self.text, match.end()):
            return True
        return (
            bool(self.qualifier) and decimals >= 3 and not self.other and not unit
            and start - self.qualified < 16
            and IMPLIED.fullmatch(ABOUT_BEFORE.sub("", gap)) is not None
        )  # fmt: skip

    def _episodes(self, match: re.Match[str]) -> None:
        """A number of episodes after their noun: counted, or right beside its split."""
        after = EPISODES.match(self.text, match.end())
        assert after is not None
        gap = ABOUT_BEFORE.sub("", self.text[self.noun_end : match.start()].replace(RUN, ""))
        split = SPLITS[after["split"]] if after["split"] else "" if after["all"] else self.split
        beside = len(gap) <= REACH and JOINT.fullmatch(gap) is not None and self.fresh
        own = after["split"] or after["all"]
        counted = after["counter"] or after["noun"] or own
        if not (counted and (self.fresh or own)) and not (
            beside and not self._unit_of_other(match)
        ):
            return
        found = reading(match, "episodes")
        if found is not None and found.number == int(found.number or 0) and found.step >= 1:
            total = "total" if after["all"] or (self.total and not split) else ""
            found = msgspec.structs.replace(found, split=split, qualifier=total)
            self._keep(found, after.end() if counted else found.end)

    def _unit_of_other(self, match: re.Match[str]) -> bool:
        end = match.end()
        return bool(OTHER_UNIT.match(self.text, end) or STOPPED.match(self.text, end))

    def _counted(self, match: re.Match[str], counted: re.Match[str]) -> None:
        noun = re.sub(r"[\s-]", "", counted["noun"])
        each = EACH.match(self.text, counted.end()) or EACH_BEFORE.search(
            self.text[: match.start()]
        )
        if noun.startswith(("param", "파", "매", "weights", "train")):
            self._parameters(match, counted)
            return
        if noun.startswith(("frames", "프")):
            quantity = "frames"
        elif noun.startswith(("epoch", "에")):
            quantity = "epochs"
        else:
            own = noun not in ("step", "steps", "스텝")
            quantity = (
                "steps" if own or re.search("optimi[sz]er|최적화", self.text) else "any_steps"
            )
        if each:
            quantity = "epoch_steps" if "step" in quantity and "epoch" in self.text else ""
        found = reading(match, quantity) if quantity else None
        if found is not None and found.number != int(found.number or 0):
            found = None
        part = PART_BEFORE.search(self.text[: match.start()]) or PART_AFTER.match(
            self.text, counted.end()
        )
        if found is not None and "steps" in quantity and self._is_planned(match, counted):
            found = msgspec.structs.replace(found, quantity="any_steps", qualifier="planned")
        elif found is not None and quantity == "frames":
            found = msgspec.structs.replace(found, split=self.near_split[0])
        elif found is not None and part:
            found = msgspec.structs.replace(found, qualifier="part")
        self._keep(found, counted.end())
        self.noun = ""

    def _part_of(self, match: re.Match[str]) -> re.Match[str] | None:
        """ "90 of 200 steps", "3/10 epochs": the second is counted, the first a part of it."""
        of = OF.match(self.text, match.end())
        total = TOKEN.match(self.text, of.end()) if of else None
        counted = COUNTED.match(self.text, total.end()) if total and total["num"] else None
        noun = counted["noun"] if counted else ""
        if not noun or noun[0] in "pwft파매프":
            return None
        self.noun = "epochs" if noun[0] == "에" or noun.startswith("epoch") else "any_steps"
        return of

    def _is_planned(self, match: re.Match[str], counted: re.Match[str]) -> bool:
        after, before = PLANNED.match(self.text, counted.end()), self.text[: match.start()]
        return bool(after or PLANNED_BEFORE.search(before))

    def _parameters(self, match: re.Match[str], counted: re.Match[str]) -> None:
        """Trained parameters, of a part or in all; those of the whole model are no claim."""
        start = max(self.text.rfind(mark, 0, match.start()) for mark in (", ", ". ", "; ", "("))
        clause = self.text[start + 1 : counted.end() + 16]
        part = self._part_beside(counted.end())
        if not TRAINED.search(clause) and not (part and "," in match["num"]):
            return
        if counted["noun"].startswith("weights") and float(match["num"].replace(",", "")) < 1000:
            return
        self.noun, self.noun_end = "params", counted.end()
        found = reading(match, "params", UNITS.get(counted["unit"] or "", 0))
        if found is not None:
            found = msgspec.structs.replace(found, qualifier=part)
        self._keep(found, counted.end())

    def _part_beside(self, end: int) -> str:
        """The part of the model that trained parameters are of: told after them, or before."""
        beside = PART_BESIDE.match(self.text, end)
        return PARTS[beside["part"]] if beside else self.part

    def _reaches(self, match: re.Match[str]) -> bool:
        """Whether the noun's reach goes to this number: the first after it, or newly qualified."""
        if OTHER_UNIT.match(self.text, match.end()) and self.noun not in UNITED:
            times = self.noun == "epochs" and re.match(r"\s?(?:번|회)", self.text[match.end() :])
            if not times:
                return False
        if self.noun in LOSSES and "." not in match["num"] and not self.keyed:
            return False
        if not self.fresh and self.noun == "params":
            return PART_BESIDE.match(self.text, match.end()) is not None
        if not self.fresh:
            return self.noun in LOSSES and bool(self.found) and self._qualified_after(match.end())
        return (self.keyed and not self.found) or self._near(match)

    def _near(self, match: re.Match[str]) -> bool:
        gap = self.text[max(self.noun_end, 0) : match.start()].replace(RUN, "")
        gap = ABOUT_BEFORE.sub("", gap)
        if self.noun == "params":
            return len(gap) <= LOSS_REACH and GAP.fullmatch(gap) is not None
        if self.noun not in LOSSES:
            return len(gap) <= REACH and JOINT.fullmatch(gap) is not None
        if self.found and self.found[-1][0].quantity in LOSSES:
            return match.start() - self.last[0] <= LIST_REACH
        return len(gap) <= LOSS_REACH and GAP.fullmatch(gap) is not None

    def _qualified_after(self, end: int) -> bool:
        return bool(EPOCH_AFTER.match(self.text, end) or QUALIFIER_AFTER.match(self.text, end))

    def _bound(self, match: re.Match[str]) -> None:
        if self.noun in LOSSES and (to := self._to(match)):
            self._arrow(match, to)
            return
        if self.noun in ("any_steps", "epochs") and (of := OF.match(self.text, match.end())):
            self._of(match, of)
            return
        slash = COMPOSITE.match(self.text, match.end())
        if slash or STOPPED.match(self.text, match.end()):
            if slash and self.key and self.key.also:
                self._pair(match, slash)
            return
        self._plain(match)

    def _to(self, match: re.Match[str]) -> re.Match[str] | None:
        came = self.text[max(0, match.start() - 6) : match.start()].rstrip("*` ").endswith("from")
        found = FROM_TO.match(self.text, match.end()) if came else None
        return found or ARROW.match(self.text, match.end())

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
                whole = self.key.qualifier if self.key and not self.split else ""
                found = msgspec.structs.replace(found, split=self.split, ways=ways, qualifier=whole)
            elif self.noun == "frames":
                found = msgspec.structs.replace(found, split=self.split)
            elif self.noun == "params":
                found = msgspec.structs.replace(found, qualifier=self._part_beside(found.end))
            elif self.noun == "any_steps" and PLANNED_BEFORE.search(self.text[: match.start()]):
                found = msgspec.structs.replace(found, qualifier="planned")
            self._keep(found, found.end)

    def _of(self, match: re.Match[str], of: re.Match[str]) -> None:
        """ "Step 90 of 200": how many were done, and planned."""
        if self.noun == "any_steps":
            self._keep(reading(match, "any_steps"), match.end())
        if (total := TOKEN.match(self.text, of.end())) and total["num"]:
            found = reading(total, self.noun)
            if found is not None:
                planned = "planned" if self.noun == "any_steps" else ""
                self._keep(msgspec.structs.replace(found, qualifier=planned), total.end())

    def _unit(self, match: re.Match[str]) -> str:
        unit = re.match(r"\s*(tb|gb|mb|kb|[mbk]|백만)(?![a-z])", self.text[match.end() :])
        return unit[1] if unit else ""

    def _loss(self, found: Found) -> None:
        """A loss with what is said of it before and after; the epoch of the best is a claim too."""
        keyed = self.key.qualifier if self.key and self.keyed else ""
        qualifier, end = self.qualifier or self.epoch or keyed, found.end
        after = EPOCH_AFTER.match(self.text, end) if not self.epoch else None
        said = QUALIFIER_AFTER.match(self.text, end)
        if after:
            number = "a" if after["a"] else "b"
            epoch = f"epoch {int(after[number])}"
            if qualifier == "best" and self.noun == "val_loss":
                self._best_epoch(after.start(number), after.end(number))
            qualifier = f"{qualifier} at {epoch}" if qualifier in ("best", "final") else epoch
            end = after.end()
        elif said and not qualifier:
            word = said["q"] or said["k"]
            qualifier = AFTERWARDS.get(word) or QUALIFIERS[word]
            end = said.end()
        split = self.split if self.noun != "train_loss" else ""
        self._keep(msgspec.structs.replace(found, qualifier=qualifier, split=split), end)
        self.last = (end, qualifier)
        self.qualifier = self.epoch = ""
        self.place = max(self.place, end)

    def _arrow(self, match: re.Match[str], to: re.Match[str]) -> None:
        """ "0.052 → 0.013": from the first epoch's, or from the best where it rose, to the last."""
        target = TOKEN.match(self.text, to.end())
        if target is None or ARROW.match(self.text, target.end()):
            return
        self.place = target.end()
        first = "best" if UPWARDS.search(self.text) else "initial"
        for one, qualifier in ((match, first), (target, "final")):
            found = reading(one, self.noun)
            if found is not None:
                self._keep(msgspec.structs.replace(found, qualifier=qualifier), found.end)

    def _pair(self, match: re.Match[str], slash: re.Match[str]) -> None:
        """ "200/50" under "train/val", "0.027/0.036" under "best/final"; "80/20" are shares."""
        target = TOKEN.match(self.text, slash.end())
        if target is None or self.key is None or COMPOSITE.match(self.text, target.end()):
            return
        self.place = target.end()
        read = [reading(one, self.noun) for one in (match, target)]
        shares = self.noun == "episodes" and sum(one.number or 0 for one in read if one) == 100
        for found, (split, qualifier) in zip(read, self.key.also, strict=True):
            if found is not None:
                one = msgspec.structs.replace(found, split=split, qualifier=qualifier)
                if shares:
                    one = msgspec.structs.replace(
                        one, quantity="share", number=(one.number or 0) / 100, step=one.step / 100
                    )
                self._keep(one, found.end)

    def _keep(self, found: Found | None, end: int) -> None:
        if found is not None:
            self.found.append((found, end))
            self.place = max(self.place, end)
