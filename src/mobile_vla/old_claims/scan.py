"""Values in one stretch of text: numbers with their quantity, words, marks; no case yet."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import msgspec

from mobile_vla.old_claims.around import HIDDEN, PATHS, RUN, SIZE_NOUN, WHOLE_NUMBERS
from mobile_vla.old_claims.fates import (
    BECAUSE,
    MARKS,
    cause_of,
    state_of,
    state_word,
    states_of_each,
)
from mobile_vla.old_claims.gates import Gate
from mobile_vla.old_claims.numbers import Numbers
from mobile_vla.old_claims.prose import part_beside, read_prose, read_ways
from mobile_vla.old_claims.times import (
    BEGUN,
    DATE,
    DATED,
    DOTTED,
    NOT_BEGUN,
    durations,
    of_begin,
    times,
)
from mobile_vla.old_claims.tokens import (
    ABOUT,
    ANY_WORD,
    NUMBER,
    SHORT,
    Found,
    is_about,
    reading,
    small,
)
from mobile_vla.old_claims.words import (
    CHECKPOINT,
    DISPUTED,
    FOREIGN,
    LOSSES,
    WAY,
    Key,
    split_of,
    ways_of,
)

SPLIT = r"(?P<split>train(?:ing)?|val(?:idation)?|학습|훈련|검증)"
EPISODE = r"(?:episodes?\b|eps\b|demos?\b|에피소드)"
IN_ALL = re.compile(r" (?:in total|in all|altogether)\b")
STOP = r"(?![\d,.]*\d)(?!\s*(?:→|->|~|–|%|×|배|/\s*\d|\d))"
DAY_ALONE = re.compile(rf"[\W\d]*(?:{DATE.pattern})[\W\d]*{RUN}+\W*")
"""A day and a run: when it was begun."""
STRUCK = re.compile(r"~~.*?~~(?:\[\^mvla-\d+\])?|\(was: [^)]*\)")
QUOTED = re.compile(
    r"[\"“][^\"“”]{1,80}[\"”] ?(?:이?라고|이?라는|이?란"
    r"|[^\"“”.]{0,6}(?:아니|틀[렸리린]|wrong|false|not ))|"
    r"(?:wrote|claimed|called|said|saying|stated|read|reads) (?:it |that )?[\"“][^\"“”]{1,80}[\"”]"
)
"""What somebody once wrote or called it."""
OF_OTHERS = re.compile(rf"[^,;—{RUN}]*(?:{FOREIGN.pattern})[^,;—{RUN}]*")
IN_DISPUTE = re.compile(rf"[^;]*?(?:{DISPUTED.pattern})[^;,]*")
ALL = re.compile(r".+", re.DOTALL)

WAY_AFTER = re.compile(
    rf"{NUMBER}\s*(?:개(?:의)?\s*)?(?:\*\*)?\s*(?:{EPISODE}\s*)?{WAY}"
    r"(?P<only>[\s-]*(?:only|만))?(?![\w-]*\s*acc)"
)
WAY_BEFORE = re.compile(
    rf"{WAY}(?P<only>[\s-]*(?:only|만))?(?:\s*(?:방향|데이터|data|{EPISODE}))?"
    rf"\s*[(:]?\s*{ABOUT}?{NUMBER}{STOP}"
    r"(?!\s*(?:m/s|s\b|초|회|of\b))"
)
WAY_BESIDE = re.compile(rf"{WAY}\s*$")
COUNT = re.compile(
    rf"{NUMBER}\s*(?:\*\*)?\s*(?:개의?\s*)?(?:{SPLIT}[\s-]*)?{EPISODE}"
    rf"(?:\s*\(\s*{WAY}(?P<only>[\s-]*(?:only|만))\s*\))?(?!\s*(?:of |per |for |in )?each|씩)"
)
COUNT_KEY = re.compile(
    rf"(?:{SPLIT}[\s_]*)?"
    rf"(?:{EPISODE}\s*(?:수|count)?\s*(?:\*\*)?\s*[:=]|에피소드(?: 수)?[는은를]?(?=\s))"
    rf"\s*(?:\*\*)?\s*{ABOUT}?{NUMBER}{STOP}(?!\s*번)"
)
COUNT_SPLIT = re.compile(
    rf"{SPLIT}(?:용|에는|에|으로)?[\s:=*]*{ABOUT}?{NUMBER}\s*(?:개|편){STOP}|"
    r"(?P<pair>(?<![\d.])\d+(?=\s*(?:of them )?(?:(?:were|was|are|is)\s+)?"
    r"(?:held out |kept |used )?for\s+"
    r"(?P<for>train(?:ing)?|val(?:idation)?)))"
)
NEAR = re.compile(
    r"(?<!\w)(train(?:ing|ed)?|val(?:idation|idated)?|학습|훈련|검증)(?:용|에)?"
    r"(?:[\s:*]|데이터|에피소드|[는은]|(?:ran |was run )?on\b)*"
    r"(?:[\d\s+개]|left|right|왼쪽|오른쪽|straight|직진)*$"
)
FOR_SPLIT = re.compile(
    r"(?:\s|\d|[+,]|and\b|left|right|straight|episodes?|were|was|are|held out|kept|used)*"
    r"\bfor\s+(train(?:ing)?|val(?:idation)?)"
)
NOT_READ = re.compile(
    r"evaluat|평가|\btest|테스트|수집|collect|record|추가|additional|\bmore\b|남음|필요|bench"
    r"|더 (?:모|필|추)"
)
"""Episodes that were evaluated on, recorded or wanted are not those that a run was trained on."""
OF_EPISODES = Gate(r"ep|demo|left|right|에피소드|왼쪽|오른쪽|좌측|우측|straight|직진|l/r|편|for ")
OF_DRIVES = Gate(r"성공|success|롤아웃|rollout|충돌|collision|acc(?<!\wacc)|정확도")
DIGIT = re.compile(r"\d")
LISTED = re.compile(r"^\s*\d+[.)]\s")
BARE = re.compile(rf"[\s*`]*{ABOUT}?{NUMBER}[\s*`]*")
ALONE = LOSSES | {"lora_r", "lora_alpha", "lora_dropout", "learning_rate", "weight_decay", "batch"}
ALONE |= {"accumulate", "window", "chunk", "seed", "epochs", "steps", "action_dim", "hidden"}
"""Quantities of which a bare number beside the key needs no further reading."""
SHARE = re.compile(rf"{NUMBER}\s*%")
HELD_OUT = re.compile(rf"(?:held|holds|holding) out {ABOUT}?{NUMBER}\s*%")
SHARE_OF = re.compile(
    rf"{NUMBER}\s*%\s*(?:를|을|는|of the episodes)?\s*(?:were |was )?"
    r"(?:used )?(?:for )?(?P<split>train(?:ing)?|val(?:idation)?|학습|훈련|검증)"
)
GONE = re.compile(
    r"(?:checkpoint|체크포인트)(?: 파일)?[가이은는도]?\s*(?:없음|없다|없습니다|:\s*none)"
    r"|no checkpoint\b"
)
KEPT = re.compile(
    r"✅|❌|⏳|\byes\b|\bno(?:ne)?\b|있음|없음|\bpending\b|(?<![\d.])\d+\s?개|\b\d+ files?"
)
WEIGHTS_FILES = (".ckpt", ".pt", ".safetensors")
WHOLE = frozenset({"vlm", "init", "regime", "lora"})


class Seen(msgspec.Struct, frozen=True):
    """What was found in a text. `unread`: a number stands in what was not read."""

    found: tuple[Found, ...]
    unread: bool


def scan(text: str, key: Key | None, *, cased: bool) -> Seen:
    """The values of a text, names of runs masked, beside its key. `cased`: its case is known."""
    return (_short if len(text) <= SHORT else _scan)(text, key, cased)


def _scan(text: str, key: Key | None, cased: bool) -> Seen:
    text = small(text)
    if key is not None and key.quantity in ALONE and (match := BARE.fullmatch(text)):
        found = reading(match, "val_loss" if key.quantity == "checkpoint" else key.quantity)
        if found is not None and (key.quantity not in WHOLE_NUMBERS or found.step >= 1):
            split = key.split if key.quantity in ("rmse", "val_loss") else ""
            bound = msgspec.structs.replace(found, split=split, qualifier=key.qualifier)
            return Seen((bound,), False)
    reader = _Scan(text, key)
    found_all = tuple(reader.run(cased=cased))
    return Seen(found_all, has_number(reader.left))


_short = lru_cache(maxsize=8192)(_scan)


def has_number(text: str) -> bool:
    """Whether digits stand in a text beyond a list's own."""
    listed = LISTED.match(text)
    return bool(DIGIT.search(text, listed.end() if listed else 0))


class _Scan:
    """Reads one text, small letters. What has been read is masked: nothing is read twice."""

    def __init__(self, text: str, key: Key | None) -> None:
        self.text, self.key = text, key
        self.quantity = key.quantity if key else ""
        self.left = text
        self.found: list[Found] = []

    def mask(self, start: int, end: int) -> None:
        """Take a stretch out of what is still to be read."""
        self.left = self.left[:start] + "¤" * (end - start) + self.left[end:]

    def run(self, *, cased: bool) -> list[Found]:
        """Everything found, in the text's order. `cased`: its case is known."""
        text = self.text
        if "~~" in text or "(was" in text:
            text = STRUCK.sub(lambda struck: " " * len(struck[0]), text)
            self.text = self.left = text
        if '"' in text or "“" in text:
            self._drop(QUOTED)
        if not self.key and DISPUTED.search(text):
            self._drop(IN_DISPUTE)
        if not self.key and FOREIGN.search(text):
            self._drop(OF_OTHERS if RUN in text else ALL)
        if DIGIT.search(self.left):
            self._times()
            if "/" in self.left:
                self._hide(PATHS)
            for sign, pattern in HIDDEN:
                if sign in self.left:
                    self._hide(pattern)
            if any(ending in self.left for ending in WEIGHTS_FILES):
                self._hide(CHECKPOINT)
        if DIGIT.search(self.left):
            self._numbers()
        self._words(cased=cased)
        begun = {found.start for found in self.found if found.quantity == "init"}
        found = [one for one in self.found if one.quantity != "checkpoint_file" or not begun]
        return sorted(found, key=lambda found: found.start)

    def _drop(self, pattern: re.Pattern[str]) -> None:
        """Take what is no claim out of all further reading."""
        for match in pattern.finditer(self.text):
            self.mask(match.start(), match.end())
        self.text = self.left

    def _times(self) -> None:
        if self.quantity == "date":
            self._each(DOTTED, lambda m: Found(m.start(), m.end(), "date"))
        self._take(durations(self.left, self.quantity) + times(self.left))
        if not DATED.search(self.left):
            return
        begun = self.quantity == "date" or bool(
            BEGUN.search(self.left) and not NOT_BEGUN.search(self.left)
        )
        begun = begun or bool(DAY_ALONE.fullmatch(self.left))
        for match in list(DATE.finditer(self.left)):
            if begun and of_begin(self.left, match.start(), match.end()):
                self.found.append(Found(match.start(), match.end(), "date"))
            self.mask(match.start(), match.end())

    def _hide(self, pattern: re.Pattern[str]) -> None:
        for match in pattern.finditer(self.left):
            self._file(match)
            self.mask(match.start(), match.end())

    def _file(self, match: re.Match[str]) -> None:
        inner = CHECKPOINT.search(match[0])
        if inner and match[0][:2] != "~~" and self.quantity != "init":
            start = match.start() + inner.start()
            self.found.append(Found(start, start + len(inner[0]), "checkpoint_file"))

    def _numbers(self) -> None:
        episodes = OF_EPISODES.search(self.left) or self.quantity == "episodes"
        if episodes and not OF_DRIVES.search(self.left):
            self._episodes()
        if self.quantity == "episodes" and self.key and self.key.split:
            self._each(SHARE, lambda match: _share(match, self.key.split if self.key else ""))
        if "%" in self.left:
            self._each(SHARE_OF, lambda match: _share(match, split_of(match["split"])))
            self._each(HELD_OUT, lambda match: _share(match, "val"))
        key = self.key
        if key and any(found.quantity == key.quantity for found in self.found):
            key = None
        counted = any(found.quantity == "episodes" for found in self.found)
        if key or counted or ANY_WORD.may(self.left) or SIZE_NOUN.may(self.left):
            self._take(Numbers(self.left, key, "episodes" if counted else "").read())

    def _take(self, found: list[tuple[Found, int]]) -> None:
        for one, end in found:
            self.found.append(one)
            self.mask(one.start, max(one.end, end))

    def _episodes(self) -> None:
        before = len(self.found)
        named = "ep" in self.left or "demo" in self.left or "에피소드" in self.left
        for pattern in (COUNT, WAY_AFTER, WAY_BEFORE, COUNT_KEY):
            if named or pattern in (WAY_AFTER, WAY_BEFORE):
                self._each(pattern, self._episode)
        spoken = len(self.found) > before or "편" in self.left or "of them for" in self.left
        if spoken or self.quantity == "episodes":
            self._each(COUNT_SPLIT, self._of_split)
        told = [found for found in self.found[before:] if found.ways and found.number is not None]
        for split in {found.split for found in told}:
            same = [found for found in told if found.split == split]
            parts = tuple(found.number or 0.0 for found in same) if len(same) > 1 else ()
            self.found = [
                msgspec.structs.replace(found, parts=parts) if found in same else found
                for found in self.found
            ]

    def _episode(self, match: re.Match[str]) -> Found | None:
        groups = match.groupdict()
        number = reading(match, "episodes")
        if number is None or number.number != int(number.number or 0):
            return None
        if NOT_READ.search(self.text[max(0, match.start() - 24) : match.end() + 16]):
            return None
        near = NEAR.search(self.text[max(0, match.start() - 48) : match.start()])
        after = FOR_SPLIT.match(self.text, match.end())
        split = split_of(
            groups.get("split") or (near[1] if near else "") or (after[1] if after else "")
        ) or (self.key.split if self.key and self.quantity == "episodes" else "")
        beside = WAY_BESIDE.search(self.text[max(0, match.start() - 16) : match.start()])
        return msgspec.structs.replace(
            number,
            split=split,
            qualifier="total" if IN_ALL.match(self.text, match.end()) else "",
            ways=ways_of(groups.get("way") or (beside["way"] if beside else "")),
            only=bool(groups.get("only")),
        )

    def _of_split(self, match: re.Match[str]) -> Found:
        """ "학습 200개", "100 were held out for validation", where episodes are spoken of."""
        if match["pair"]:
            number, split = match["pair"], split_of(match["for"])
            start = match.start("pair")
        else:
            number, split, start = match["num"], split_of(match["split"]), match.start("num")
        return Found(start, start + len(number), "episodes", float(number.replace(",", "")),
                     1.0, split=split, about=is_about(match))  # fmt: skip

    def _words(self, *, cased: bool) -> None:
        if self.quantity in WHOLE:
            self._whole(self.quantity)
        elif self.quantity == "part" and self.key:
            self.found.extend(part_beside(self.left, self.key.qualifier))
        elif self.quantity == "status":
            self._state()
        elif self.quantity == "reason":
            self._cause(asked=True)
        elif self.quantity == "checkpoint":
            self._one(KEPT, "checkpoint")
            if self.found and self.found[-1].quantity == "checkpoint":
                self.mask(self.found[-1].start, self.found[-1].end)
        elif cased and not self.key:
            self._state()
        elif not self.key and self.left.count(RUN) > 1:
            for start, end in states_of_each(self.left):
                self.found.append(Found(start, end, "status"))
        if not self.key or self.quantity in ("episodes", "ways"):
            keyed = self.quantity != ""
            self.found.extend([*read_prose(self.text), *read_ways(self.left, keyed=keyed)])

    def _state(self) -> None:
        self._one(GONE, "checkpoint")
        state = state_of(self.left)
        word = state_word(self.left) if state is not None else None
        if word is not None and state_of(word[0]) == state:
            self.found.append(Found(word.start(), word.end(), "status"))
            self._mark(word, state)
        if not self.key or state in ("failed", "killed"):
            told = state in ("failed", "killed")
            self._cause(asked=bool(BECAUSE.search(self.left)), after=-1 if told else self._run())

    def _mark(self, word: re.Match[str], state: str | None) -> None:
        """A mark beside the word that says the same is a claim as well."""
        for mark, meaning in MARKS.items():
            place = self.left.find(mark)
            if meaning == state and place >= 0 and mark not in word[0]:
                self.found.append(Found(place, place + 1, "status"))

    def _run(self) -> int:
        """Where a run is first named: what is wrong before that need not be its failure."""
        return self.left.find(RUN)

    def _cause(self, *, asked: bool, after: int = -1) -> None:
        cause = cause_of(self.left, asked=asked)
        if cause and (asked or cause[1] > after):
            self.found.append(Found(cause[1], cause[2], "reason"))

    def _one(self, pattern: re.Pattern[str], quantity: str) -> None:
        if match := pattern.search(self.left):
            self.found.append(Found(match.start(), match.end(), quantity))

    def _whole(self, quantity: str) -> None:
        start = len(self.text) - len(self.text.lstrip(" *`"))
        end = len(self.text.rstrip(" *`"))
        if end > start and not any(found.quantity == quantity for found in self.found):
            self.found.append(Found(start, end, quantity))

    def _each(
        self, pattern: re.Pattern[str], read: Callable[[re.Match[str]], Found | None]
    ) -> None:
        place = 0
        while match := pattern.search(self.left, place):
            if found := read(match):
                self._keep(found, match)
            place = match.end()

    def _keep(self, found: Found, match: re.Match[str]) -> None:
        self.found.append(found)
        self.mask(match.start(), match.end())


def _share(match: re.Match[str], split: str) -> Found:
    digits = match["num"].partition(".")[2]
    return Found(match.start("num"), match.end("num"), "share", float(match["num"]) / 100,
                 10.0 ** -(len(digits) + 2), split=split)  # fmt: skip
