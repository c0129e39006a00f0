"""Claims, the names they are about, and what of a page was not read: plain frozen values."""

from __future__ import annotations

from typing import Literal

import msgspec

from mobile_vla.messages.reason import Reason

Kind = Literal[
    "value",  # one run, one quantity, one value: "best val loss 0.027"
    "comparison",  # two runs, one quantity: "A's val loss is 3× lower than B's", "A is best"
    "difference",  # two runs and their settings: "only the data differs", "same but for chunk"
    "arithmetic",  # the page's own numbers: a total, a share, a ratio of numbers beside it
]
Comparator = Literal[
    "equal", "about", "at_most", "at_least",  # kind "value"
    "lower", "higher", "better", "worse", "lowest", "highest", "best",  # kind "comparison"
    "times",  # kind "comparison": `number` is the ratio owner / other
    "comparable", "not_comparable",  # kind "comparison": may the two be compared at all
    "same", "differs", "only_differs", "same_except",  # kind "difference": `factors` names them
    "sum", "share", "ratio",  # kind "arithmetic": `terms` are the numbers it is made of
]  # fmt: skip
HowSure = Literal["exact", "confirmed", "safe", "candidate", "none"]
"""Of a binding. `exact`: the page writes the run's own name. `confirmed`: a person said so, in the
study or in a comment of the page. `safe`: found by evidence that leaves no other run. `candidate`:
several runs are possible, or the evidence is too thin. `none`: nothing speaks for any run."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the file: line from 1, and bytes from `start` up to `end`."""

    line: int
    start: int
    end: int


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """A number of the page that another is made of, or that stands beside it."""

    place: Place
    value: str
    number: float


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One statement of a document that evidence can decide.

    `place`: of the value alone; `quote`: the cell, item or sentence it stands in, as written.
    `quantity`: a key of the lexicon, such as "val_loss", "episodes", "state", "trained_part".
    `value`: as written. `number`: in the quantity's base unit, None for words; `step`: the worth of
    its last written digit, in the base unit. `unit`: the base unit, "" for plain numbers, "share",
    "bytes", "s" or "m". A rate written as "19 of 20" is a share whose `terms` are both numbers.
    `word`: the lexicon's key for a value in words; the ISO date (without the year where the page
    gives none) of a date; the file of a path or glob.
    `qualifier`: "", "best", "final", "initial", "planned" or "done". `epoch` counts as the page
    does. `split`: "", "train" or "val". `group`: a direction or group of episodes, or a part of
    the model. `owner`: the name on the page, `run`: the run that it is bound to, and `sure` how.
    `other_owner` and `other_run`: the second run of a comparison; None where it is not named.
    `factors`: settings named by a difference. `terms`: numbers that belong together with this one.
    `whole`: the value is all of its cell or of what follows its key, so it can be replaced.
    `read_by`: "structure" or the name of the reader that proposed it.
    """

    place: Place
    quote: str
    kind: Kind = "value"
    quantity: str
    value: str
    number: float | None = None
    step: float = 0.0
    unit: str = ""
    word: str = ""
    comparator: Comparator = "equal"
    qualifier: str = ""
    epoch: int | None = None
    split: str = ""
    group: str = ""
    owner: str | None = None
    run: str | None = None
    sure: HowSure = "none"
    other_owner: str | None = None
    other_run: str | None = None
    factors: tuple[str, ...] = ()
    terms: tuple[Term, ...] = ()
    whole: bool = False
    read_by: str = "structure"


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A run that a name may mean, and why."""

    run: str
    why: list[Reason]


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """What a name on a page means. `run` is None where no run is sure; `claims` hang on it."""

    name: str
    places: list[Place]
    run: str | None
    sure: HowSure
    why: list[Reason]
    candidates: list[Candidate] = []
    claims: int = 0


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """A line with numbers, marks or states of which nothing was read, and why not."""

    line: int
    text: str
    why: Reason


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """All that was read of one document. `written`: the date of the page, ISO, or None."""

    document: str
    blake3: str
    language: Literal["en", "ko", "other"]
    written: str | None
    claims: list[Claim]
    bindings: list[Binding]
    unread: list[Unread]
    refused: list[Unread] = []
