"""Which noun a number belongs to: the one it counts, else the last one before it."""

from __future__ import annotations

import re

import msgspec

from mobile_vla.old_claims import around
from mobile_vla.old_claims.around import RUN
from mobile_vla.old_claims.frame import Frame
from mobile_vla.old_claims.tokens import (
    ABOUT_BEFORE,
    PARTS,
    QUALIFIERS,
    SPLITS,
    TOKEN,
    Found,
    reading,
)
from mobile_vla.old_claims.words import LOSSES


class Numbers(Frame):
    """Reads the numbers of one text, small letters, with what its words and its key say of them."""

    def read(self) -> list[tuple[Found, int]]:
        """Every number that has a noun, and where what belongs to it ends."""
        while match := TOKEN.search(self.text, self.place):
            self.place = match.end()
            if match["num"]:
                self._number(match)
            elif match["stop"] == "|":
                self.clear()
            elif match["stop"]:
                self.fresh, self.qualifier, self.epoch, self.part = False, "", "", ""
            else:
                self.word(match)
        return self.found

    def _number(self, match: re.Match[str]) -> None:
        if index := around.EPOCH_INDEX.match(self.text, match.end()):
            self.at_epoch(*match.span("num"))
            self.place = index.end()
            return
        counted = around.COUNTED.match(self.text, match.end())
        if not self.fresh and RUN in self.text[self.last[0] : match.start()]:
            self.fresh, self.qualifier = True, self.qualifier or self.last[1]
        if self._denied(match):
            pass
        elif of := self._part_of(match):
            self._of(match, of)
        elif counted and not (self.noun in around.SPANS and self.fresh and "f" in counted["noun"]):
            self._counted(match, counted)
        elif self.sized and (unit := around.SIZED.match(self.text, match.end())):
            self._keep(reading(match, "size", around.UNITS[unit["unit"]]), unit.end())
        elif self.noun == "episodes" and self._counts_episodes(match):
            self._episodes(match)
        elif self.noun and self._reaches(match):
            self._bound(match)
        elif self.noun in ("", "episodes") and self._of_split(match):
            found = reading(match, "episodes")
            if found is not None:
                split, self.noun = self.near_split[0], "episodes"
                self._keep(msgspec.structs.replace(found, split=split), found.end)
        elif not self.noun and self._implied(match):
            self.split = "val" if self.near_split[0] == "val" else ""
            self.noun = "val_loss" if self.near_split[0] != "train" else "train_loss"
            self._bound(match)
        self.fresh, self.last = False, (match.end(), self.last[1])

    def _counts_episodes(self, match: re.Match[str]) -> bool:
        """Whether a number of episodes is read with its own words: all but a key's first one."""
        after = around.EPISODES.match(self.text, match.end())
        return not self.keyed or bool(self.found) or bool(after and after["split"])

    def _denied(self, match: re.Match[str]) -> bool:
        before = self.text[max(0, match.start() - 32) : match.start()]
        told = (around.DENIED, around.LEFT_OVER)
        after = around.DENIED_AFTER.match(self.text, match.end())
        return bool(after) or any(pattern.search(before) for pattern in told)

    def _implied(self, match: re.Match[str]) -> bool:
        """Whether "best 0.0104" speaks of a loss: three decimals right after the qualifier."""
        decimals = len(match["num"].partition(".")[2])
        start = max(self.qualified, self.near_split[1])
        gap = self.text[start : match.start()].replace(RUN, "")
        unit = self._unit_of_other(match)
        if decimals >= 3 and not self.other and around.EPOCH_AFTER.match(self.text, match.end()):
            return True
        named = RUN in self.text[max(0, match.start() - 3) : match.start()]
        if decimals >= 3 and not self.other and self.qualifier and named and not unit:
            return True
        return (
            bool(self.qualifier) and decimals >= 3 and not self.other and not unit
            and start - self.qualified < 16
            and around.IMPLIED.fullmatch(ABOUT_BEFORE.sub("", gap)) is not None
        )  # fmt: skip

    def _of_split(self, match: re.Match[str]) -> bool:
        """Whether "학습 200 / 검증 50" stands here: two whole numbers, each beside its split."""
        beside = not self.text[self.near_split[1] : match.start()].strip(" :*")
        whole = match["num"].replace(",", "").isdigit() and not self.other
        pair = around.SPLIT_PAIR.match(self.text, match.end())
        second = bool(self.found) and self.found[-1][0].quantity == "episodes"
        counted = self.text[match.end() : match.end() + 1] in ("개", "편")
        if counted and self.near_split[0] and match.start() - self.totalled in (0, 1):
            self.near_split = ("", match.start())
            return True
        return beside and whole and (pair is not None or (second and self.noun == "episodes"))

    def _episodes(self, match: re.Match[str]) -> None:
        """A number of episodes after their noun: counted, or right beside its split."""
        after = around.EPISODES.match(self.text, match.end())
        assert after is not None
        gap = ABOUT_BEFORE.sub("", self.text[self.noun_end : match.start()].replace(RUN, ""))
        split = SPLITS[after["split"]] if after["split"] else "" if after["all"] else self.split
        beside = len(gap) <= around.REACH and around.JOINT.fullmatch(gap) is not None and self.fresh
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
        return bool(around.OTHER_UNIT.match(self.text, end) or around.STOPPED.match(self.text, end))

    def _counted(self, match: re.Match[str], counted: re.Match[str]) -> None:
        noun = re.sub(r"[\s-]", "", counted["noun"])
        each = around.EACH.match(self.text, counted.end()) or around.EACH_BEFORE.search(
            self.text[max(0, match.start() - 40) : match.start()]
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
        part = around.PART_BEFORE.search(
            self.text[max(0, match.start() - 40) : match.start()]
        ) or around.PART_AFTER.match(self.text, counted.end())
        if found is not None and "steps" in quantity and self._is_planned(match, counted):
            found = msgspec.structs.replace(found, quantity="any_steps", qualifier="planned")
        elif found is not None and quantity == "frames":
            found = msgspec.structs.replace(found, split=self.near_split[0])
        elif found is not None and part:
            found = msgspec.structs.replace(found, qualifier="part")
        self._keep(found, counted.end())
        planned = found is not None and found.qualifier == "planned"
        self.noun = "any_steps" if planned else ""  # "200 스텝 중 12에서"

    def _part_of(self, match: re.Match[str]) -> re.Match[str] | None:
        """ "90 of 200 steps", "3/10 epochs": the second is counted, the first a part of it."""
        of = around.OF.match(self.text, match.end())
        total = TOKEN.match(self.text, of.end()) if of else None
        counted = around.COUNTED.match(self.text, total.end()) if total and total["num"] else None
        noun = counted["noun"] if counted else ""
        if not noun or noun[0] in "pwft파매프":
            return None
        self.noun = "epochs" if noun[0] == "에" or noun.startswith("epoch") else "any_steps"
        return of

    def _is_planned(self, match: re.Match[str], counted: re.Match[str]) -> bool:
        return bool(around.PLANNED.match(self.text, counted.end())) or self._planned_before(match)

    def _planned_before(self, match: re.Match[str]) -> bool:
        total = match.start() - self.totalled in (0, 1) and bool(self.found)
        return total or bool(
            around.PLANNED_BEFORE.search(self.text[max(0, match.start() - 40) : match.start()])
        )

    def _parameters(self, match: re.Match[str], counted: re.Match[str]) -> None:
        """Trained parameters, of a part or in all; those of the whole model are no claim."""
        start = max(self.text.rfind(mark, 0, match.start()) for mark in (", ", ". ", "; ", "("))
        after = self.text[counted.end() : counted.end() + 16].partition(",")[0]
        clause = self.text[start + 1 : counted.end()] + after
        part = self._part_beside(counted.end())
        if not around.TRAINED.search(clause) and not (part and "," in match["num"]):
            return
        if counted["noun"].startswith("weights") and float(match["num"].replace(",", "")) < 1000:
            return
        self.noun, self.noun_end = "params", counted.end()
        found = reading(match, "params", around.UNITS.get(counted["unit"] or "", 0))
        if found is not None:
            found = msgspec.structs.replace(found, qualifier=part)
        self._keep(found, counted.end())

    def _part_beside(self, end: int) -> str:
        """The part of the model that trained parameters are of: told after them, or before."""
        beside = around.PART_BESIDE.match(self.text, end)
        return PARTS[beside["part"]] if beside else self.part

    def _reaches(self, match: re.Match[str]) -> bool:
        """Whether the noun's reach goes to this number: the first after it, or newly qualified."""
        if around.OTHER_UNIT.match(self.text, match.end()) and self.noun not in around.UNITED:
            times = self.noun == "epochs" and re.match(r"\s?(?:번|회)", self.text[match.end() :])
            if not times:
                return False
        if self.noun in LOSSES and "." not in match["num"] and not self.keyed:
            return False
        if not self.fresh and self.noun == "any_steps":
            return match.start() - self.last[0] <= around.REACH
        if not self.fresh and self.noun == "params":
            return around.PART_BESIDE.match(self.text, match.end()) is not None
        if not self.fresh:
            return self.noun in LOSSES and bool(self.found) and self._qualified_after(match.end())
        return (self.keyed and not self.found) or self._near(match)

    def _near(self, match: re.Match[str]) -> bool:
        gap = self.text[max(self.noun_end, 0) : match.start()].replace(RUN, "")
        gap = ABOUT_BEFORE.sub("", gap)
        if self.noun == "params":
            return len(gap) <= around.LOSS_REACH and around.GAP.fullmatch(gap) is not None
        if self.noun not in LOSSES:
            return len(gap) <= around.REACH and around.JOINT.fullmatch(gap) is not None
        if self.found and self.found[-1][0].quantity in LOSSES:
            return match.start() - self.last[0] <= around.LIST_REACH
        return len(gap) <= around.LOSS_REACH and around.GAP.fullmatch(gap) is not None

    def _qualified_after(self, end: int) -> bool:
        return bool(
            around.EPOCH_AFTER.match(self.text, end) or around.QUALIFIER_AFTER.match(self.text, end)
        )

    def _bound(self, match: re.Match[str]) -> None:
        if self.noun in LOSSES and (to := self._to(match)):
            self._arrow(match, to)
            return
        if self.noun in ("any_steps", "epochs") and (of := around.OF.match(self.text, match.end())):
            self._of(match, of)
            return
        slash = around.COMPOSITE.match(self.text, match.end())
        if slash or around.STOPPED.match(self.text, match.end()):
            if slash and self.key and self.key.also:
                self._pair(match, slash)
            return
        self._plain(match)

    def _to(self, match: re.Match[str]) -> re.Match[str] | None:
        came = self.text[max(0, match.start() - 6) : match.start()].rstrip("*` ").endswith("from")
        found = around.FROM_TO.match(self.text, match.end()) if came else None
        return found or around.ARROW.match(self.text, match.end())

    def _plain(self, match: re.Match[str]) -> None:
        power = around.UNITS.get(self._unit(match), 0) if self.noun in ("params", "size") else 0
        found = reading(match, self.noun, power)
        if found is None or found.number is None:
            return
        if self.noun == "batch" and self.text.startswith("개", match.end()):
            return  # batches of an epoch
        if self.noun in LOSSES:
            if self.key is None or self.key.quantity != "checkpoint" or found.step < 1:
                self._loss(found)
        elif self.noun not in around.WHOLE_NUMBERS or found.number == int(found.number):
            if self.noun == "episodes":
                ways = self.key.ways if self.key else ()
                whole = self.key.qualifier if self.key and not self.split else ""
                found = msgspec.structs.replace(found, split=self.split, ways=ways, qualifier=whole)
            elif self.noun == "frames":
                found = msgspec.structs.replace(found, split=self.split)
            elif self.noun == "params":
                found = msgspec.structs.replace(found, qualifier=self._part_beside(found.end))
            elif self.noun == "any_steps" and self._planned_before(match):
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
        after = around.EPOCH_AFTER.match(self.text, end) if not self.epoch else None
        said = around.QUALIFIER_AFTER.match(self.text, end)
        if after:
            number = "a" if after["a"] else "b"
            epoch = f"epoch {int(after[number])}"
            if qualifier == "best" and self.noun == "val_loss":
                self.best_epoch(after.start(number), after.end(number))
            qualifier = f"{qualifier} at {epoch}" if qualifier in ("best", "final") else epoch
            end = after.end()
        elif said and not qualifier:
            word = said["q"] or said["k"]
            qualifier = around.AFTERWARDS.get(word) or QUALIFIERS[word]
            end = said.end()
        split = self.split if self.noun != "train_loss" else ""
        self._keep(msgspec.structs.replace(found, qualifier=qualifier, split=split), end)
        self.last = (end, qualifier)
        self.qualifier = self.epoch = ""
        self.place = max(self.place, end)

    def _arrow(self, match: re.Match[str], to: re.Match[str]) -> None:
        """ "0.052 → 0.013": from the first epoch's, or from the best where it rose, to the last."""
        target = TOKEN.match(self.text, to.end())
        if target is None or around.ARROW.match(self.text, target.end()):
            return
        self.place = target.end()
        first = "best" if around.UPWARDS.search(self.text) else "initial"
        for one, qualifier in ((match, first), (target, "final")):
            found = reading(one, self.noun)
            if found is not None:
                self._keep(msgspec.structs.replace(found, qualifier=qualifier), found.end)

    def _pair(self, match: re.Match[str], slash: re.Match[str]) -> None:
        """ "200/50" under "train/val", "0.027/0.036" under "best/final"; "80/20" are shares."""
        target = TOKEN.match(self.text, slash.end())
        if target is None or self.key is None or around.COMPOSITE.match(self.text, target.end()):
            return
        self.place = target.end()
        read = [reading(one, self.noun) for one in (match, target)]
        shares = self.key.implied and sum(one.number or 0 for one in read if one) == 100
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
