"""Values in one stretch of text: numbers with their quantity, words, marks; no case yet."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial

from mobile_vla.documents.claims.words import (
    CHECKPOINT,
    EPOCH,
    EXACT,
    LOSSES,
    NUMBER,
    WAY,
    Key,
    cause_of,
    qualifier_of,
    split_of,
    state_of,
    state_word,
    ways_of,
)

SPLIT = r"(?P<split>train(?:ing)?|val(?:idation)?|학습|훈련|검증)"
PRE = r"best|lowest|final|last|initial|최저|최고|최종|초기"
EPISODE = r"(?:episodes?\b|eps\b|에피소드)"
STOP = r"(?![\d,.]*\d)(?!\s*(?:→|->|~|–|%|×|배|/\s*\d|\d))"
DATE = re.compile(
    r"(?<![\d.])(?:20\d{2}[-./])?(?:0?[1-9]|1[0-2])[-/](?:0[1-9]|[12]\d|3[01])(?![\d-])"
)
HIDDEN = re.compile(
    r"\d{1,2}:\d{2}(?::\d{2})?|https?://\S+|[\w.~{}-]*/[\w./{}*=~-]+|\]\([^)]*\)|[\w=*]*\*?\.h5"
    r"|(?<!\w)[A-Za-z]+-\d[\w-]*|\b[QP]\d+\b|\d+\.(?=\s)(?<=^\d\.)|\d+-way|\bv\d[\w.]*|\d+DOF|\[\^[^\]]*\]"
)
STRUCK = re.compile(r"~~.*?~~|\(was: [^)]*\)")

LOSS = re.compile(
    rf"(?P<pre>(?:{PRE})[\s*]*)?(?:{SPLIT}[\s_*]*)?(?P<what>loss\b|손실|rmse\b)"
    rf"(?P<mid>[^\d|;,<>~≈→%\n]{{0,24}}?)(?<![\d.])(?:약\s|about\s)?{NUMBER}{STOP}",
    re.IGNORECASE,
)
AGAIN = re.compile(rf"(?P<pre>{PRE})[\s*:]*{NUMBER}{STOP}", re.IGNORECASE)
WAY_AFTER = re.compile(
    rf"(?<![\d.]){NUMBER}\s*(?:개(?:의)?\s*)?(?:\*\*)?\s*(?:{EPISODE}\s*)?{WAY}"
    rf"(?P<only>[\s-]*(?:only|만))?(?![\w-]*\s*acc)",
    re.IGNORECASE,
)
WAY_BEFORE = re.compile(
    rf"{WAY}(?P<only>[\s-]*(?:only|만))?(?:\s*(?:방향|데이터|data|{EPISODE}))?\s*[(:]?\s*{NUMBER}{STOP}"
    rf"(?!\s*(?:m/s|s\b|초|회|of\b))",
    re.IGNORECASE,
)
COUNT = re.compile(
    rf"(?<![\d.]){NUMBER}\s*(?:\*\*)?\s*(?:개의?\s*)?(?:{SPLIT}[\s-]*)?{EPISODE}(?:\s*\(\s*{WAY}(?P<only>[\s-]*(?:only|만))\s*\))?",
    re.IGNORECASE,
)
COUNT_KEY = re.compile(
    rf"(?:{SPLIT}[\s_]*)?{EPISODE}\s*(?:수|count)?\s*(?:\*\*)?\s*[:=]\s*(?:\*\*)?\s*{NUMBER}{STOP}",
    re.IGNORECASE,
)
ONLY = re.compile(rf"(?<![\w-]){WAY}[\s-]*(?P<only>only|만)(?![가-힣]*[이가] 아)", re.IGNORECASE)


def _named(words: str) -> re.Pattern[str]:
    joint = r"\s*(?:[:=]|of|is|was|은|는|이|가)?\s*"
    return re.compile(rf"(?:{words}){joint}{NUMBER}{STOP}", re.IGNORECASE)


SETTINGS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("lora_r", _named(r"\br\s*(?==)|lora[ _]rank|\brank")),
    ("lora_alpha", _named(r"\balpha")),
    ("lora_dropout", _named(r"\bdropout")),
    ("learning_rate", _named(r"\blearning[ _]rate|\blr\b|학습률(?:은|는)?")),
    ("weight_decay", _named(r"\bweight[ _]decay")),
    (
        "batch",
        re.compile(rf"\bbatch(?:[ _]size)?\s*(?:[:=]|of)?\s*{NUMBER}(?!\.?\d)", re.IGNORECASE),
    ),
    ("window", _named(r"\bwindow(?:[ _]size)?|윈도우(?: 크기)?")),
    ("chunk", _named(r"\bchunk(?:[ _]size)?|청크(?: 크기)?")),
    ("seed", _named(r"\bseed|시드")),
    ("epochs", _named(r"\b(?:max_)?epochs")),
    (
        "epochs",
        re.compile(rf"(?<![\d.]){NUMBER}\s*(?:epochs\b|(?:에폭|에포크)(?!에서|의| 후|마다))", re.I),
    ),
    ("steps", _named(r"optimi[sz]er steps|최적화 스텝(?: 수)?")),
    ("steps", re.compile(rf"(?<![\d.]){NUMBER}\s*(?:optimi[sz]er steps|최적화 스텝)", re.I)),
    (
        "params",
        re.compile(
            rf"(?<![\d.]){NUMBER}\s*(?P<unit>M|B|K|백만)?\s*(?:trained|trainable|학습)?\s*"
            r"(?:parameters|params|파라미터)",
            re.IGNORECASE,
        ),
    ),
    ("size", re.compile(rf"(?<![\d.]){NUMBER}\s*(?P<unit>TB|GB|MB|kB)\b")),
)
NEAR = re.compile(
    r"(?<!\w)(train(?:ing)?|val(?:idation)?|학습|훈련|검증)[\s:]*"
    r"(?:[\d\s+]|left|right|왼쪽|오른쪽|straight|직진)*$",
    re.IGNORECASE,
)
SETTING = re.compile(
    r"\br\s*=|rank|alpha|dropout|learning|\blr\b|학습률|decay|batch|window|윈도우|chunk|청크|seed|시드"
    r"|epochs|에폭|에포크|steps|스텝|param|파라미터|[gmkt]b\b"
)
OF_EPISODES = re.compile(r"ep|left|right|에피소드|왼쪽|오른쪽|좌측|우측|straight|직진|l/r")
OF_DRIVES = re.compile(r"성공|success|롤아웃|rollout|충돌|collision|\bacc|정확도")
DIGIT = re.compile(r"\d")
RATIO = re.compile(rf"(?<![\d.]){NUMBER}\s*(?:×(?!\s*\d)|배(?![가-힣])|x\b|times\b)")
SHARE = re.compile(r"(?<![\d.])(?P<num>\d+(?:\.\d+)?)\s*%")
PLAIN = re.compile(
    rf"(?<![\w.]){NUMBER}(?:\s*(?P<unit>GB|MB|kB|TB|M|B|K)\b)?(?![\d.]*[\dA-Za-z_%])(?!\s*(?:%|회|명|/\s*\d|of\s+\d|→|~|–))"
)
UNITS = {"K": 3, "M": 6, "백만": 6, "B": 9, "kB": 3, "MB": 6, "GB": 9, "TB": 12}


@dataclass(frozen=True, slots=True)
class Found:
    """A value in a text: its place, quantity and reading. The fields are those of a claim."""

    start: int
    end: int
    quantity: str
    number: float | None = None
    step: float = 0.0
    about: bool = False
    qualifier: str = ""
    split: str = ""
    ways: tuple[str, ...] = ()
    only: bool = False
    parts: tuple[float, ...] = ()


class Scan:
    """Reads one text. What has been read is masked, so that nothing is read twice."""

    def __init__(self, text: str, key: Key | None) -> None:
        self.text, self.key = text, key
        self.left = text
        self.found: list[Found] = []

    def mask(self, start: int, end: int) -> None:
        """Take a stretch out of what is still to be read."""
        self.left = self.left[:start] + "¤" * (end - start) + self.left[end:]

    def run(self, *, cased: bool) -> list[Found]:
        """Everything found, in the text's order. `cased`: its case is known."""
        if "~~" in self.left or "(was" in self.left:
            self._hide(STRUCK)
        if DIGIT.search(self.left):
            self._hide(HIDDEN)
            if "." in self.left:
                self._hide(CHECKPOINT)
            self._dates()
        if DIGIT.search(self.left):
            self._numbers()
        self._words(cased=cased)
        return sorted(self.found, key=lambda found: found.start)

    def _hide(self, pattern: re.Pattern[str]) -> None:
        for match in pattern.finditer(self.left):
            self._file(match)
            self.mask(match.start(), match.end())

    def _file(self, match: re.Match[str]) -> None:
        inner = CHECKPOINT.search(match[0])
        if inner and match[0][:2] != "~~" and (self.key is None or self.key.quantity != "init"):
            start = match.start() + inner.start()
            self.found.append(Found(start, start + len(inner[0]), "checkpoint_file"))

    def _dates(self) -> None:
        for match in list(DATE.finditer(self.left)):
            if self.key and self.key.quantity == "date":
                self.found.append(Found(match.start(), match.end(), "date"))
            self.mask(match.start(), match.end())

    def _numbers(self) -> None:
        lowered = self.left.lower()
        if "loss" in lowered or "손실" in lowered or "rmse" in lowered:
            self._each(LOSS, _loss)
            self._each(AGAIN, _again)
        if OF_EPISODES.search(lowered) and not OF_DRIVES.search(lowered):
            self._episodes()
        if SETTING.search(lowered):
            for quantity, pattern in SETTINGS:
                self._each(pattern, partial(_number, quantity=quantity))
        if self.key is not None:
            self._by_key(self.key)

    def _episodes(self) -> None:
        before = len(self.found)
        for pattern in (COUNT, WAY_AFTER, WAY_BEFORE, COUNT_KEY):
            self._each(pattern, self._episode)
        told = [found for found in self.found[before:] if found.ways and found.number is not None]
        for split in {found.split for found in told}:
            same = [found for found in told if found.split == split]
            parts = tuple(found.number or 0.0 for found in same) if len(same) > 1 else ()
            self.found = [
                replace(found, parts=parts) if found in same else found for found in self.found
            ]

    def _episode(self, match: re.Match[str]) -> Found | None:
        groups = match.groupdict()
        number = _number(match, "episodes")
        if number is None or number.number is None or number.number != int(number.number):
            return None
        near = NEAR.search(self.text[max(0, match.start() - 48) : match.start()])
        split = split_of(groups.get("split") or (near[1] if near else "")) or (
            self.key.split if self.key and self.key.quantity == "episodes" else ""
        )
        return replace(
            number,
            split=split,
            ways=ways_of(groups.get("way") or ""),
            only=bool(groups.get("only")),
        )

    def _by_key(self, key: Key) -> None:
        """A bare number beside a key: it is of the key's quantity."""
        quantity = "val_loss" if key.quantity == "checkpoint" else key.quantity
        if quantity not in LOSSES | EXACT | {"params", "size"}:
            return
        if quantity == "episodes" and key.split:
            for match in SHARE.finditer(self.left):
                self.found.append(_share(match, key.split))
                self.mask(match.start(), match.end())
        if any(found.quantity == quantity for found in self.found):
            return
        plain = PLAIN.search(self.left)
        found = _number(plain, quantity) if plain else None
        if plain and found:
            split = "" if quantity.endswith("_loss") else key.split
            self._keep(replace(found, split=split, qualifier=key.qualifier), plain)

    def _words(self, *, cased: bool) -> None:
        quantity = self.key.quantity if self.key else ""
        if quantity in ("vlm", "init", "regime", "lora"):
            self._whole(quantity)
        elif quantity == "status":
            self._state()
        elif quantity == "reason":
            self._cause()
        elif quantity == "checkpoint":
            self._checkpoint(self.text)
        elif quantity in ("", "episodes") and cased and not self.key:
            self._state()
        for match in ONLY.finditer(self.left) if "only" in self.left or "만" in self.left else ():
            self._keep(
                Found(match.start(), match.end(), "ways", ways=ways_of(match["way"]), only=True),
                match,
            )

    def _state(self) -> None:
        if state_of(self.left) is not None and (word := state_word(self.left)):
            self.found.append(Found(word.start(), word.end(), "status"))
            if state_of(self.left) in ("failed", "killed"):
                self._cause()
        if gone := re.search(
            r"(?:checkpoint|체크포인트)[가이은는]?\s*(?:없음|없다|:\s*none)|\bno checkpoint\b",
            self.left,
            re.I,
        ):
            self.found.append(Found(gone.start(), gone.end(), "checkpoint"))

    def _cause(self) -> None:
        if cause := cause_of(self.left):
            self.found.append(Found(cause[1].start(), cause[1].end(), "reason"))

    def _checkpoint(self, text: str) -> None:
        match = re.search(
            r"✅|❌|⏳|\byes\b|\bno(?:ne)?\b|있음|없음|\bpending\b", text, re.IGNORECASE
        )
        if match:
            self.found.append(Found(match.start(), match.end(), "checkpoint"))

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

    def unread(self) -> bool:
        """Whether a number stands in what was not read."""
        return bool(re.search(r"\d", re.sub(r"^\s*\d+[.)]\s", "", self.left)))


def ratios(text: str) -> Iterator[Found]:
    """Ratios: "50×", "2배"."""
    for match in RATIO.finditer(text):
        if found := _number(match, "ratio"):
            yield found


def _number(match: re.Match[str], quantity: str) -> Found | None:
    groups = match.groupdict()
    try:
        value = Decimal(match["num"].replace(",", ""))
    except ArithmeticError:
        return None
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > 30 or value.adjusted() > 30:
        return None
    power = UNITS.get((groups.get("unit") or ""), 0)
    return Found(
        start=match.start("num"),
        end=match.end("num"),
        quantity=quantity,
        number=float(value.scaleb(power)),
        step=10.0 ** (exponent + power),
        about=bool(groups.get("about")),
    )


def _loss(match: re.Match[str]) -> Found | None:
    what = "rmse" if match["what"].lower() == "rmse" else "loss"
    split = split_of(match["split"] or "")
    found = _number(match, "rmse" if what == "rmse" else f"{split or 'val'}_loss")
    if found is None:
        return None
    around = f"{match['pre'] or ''} {match['mid']}"
    tail = match.string[match.end() : match.end() + 24]
    near = re.match(r"\W{0,4}(?:at\s+)?\(?\s*(?:at )?(epoch \d+|best|final|최종|최저)", tail, re.I)
    qualifier = qualifier_of(around) or (qualifier_of(near[1]) if near else "")
    if near and EPOCH.search(near[1]) and qualifier in ("best", "final"):
        qualifier = f"{qualifier} at {qualifier_of(near[1])}"
    return replace(found, split=split if what == "rmse" else "", qualifier=qualifier)


def _again(match: re.Match[str]) -> Found | None:
    found = _number(match, "val_loss")
    return replace(found, qualifier=qualifier_of(match["pre"])) if found else None


def _share(match: re.Match[str], split: str) -> Found:
    value = Decimal(match["num"])
    exponent = value.as_tuple().exponent
    step = 10.0 ** (exponent if isinstance(exponent, int) else 0)
    return Found(
        match.start("num"), match.end("num"), "share", float(value) / 100, step / 100, split=split
    )
