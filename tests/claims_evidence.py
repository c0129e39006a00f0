"""Runs with facts, made up for the tests of the reader of documents."""

from __future__ import annotations

from datetime import UTC, datetime

from mobile_vla.claims.binding import KnownRun
from mobile_vla.claims.model import Claim, Reading
from mobile_vla.claims.read import read_document
from mobile_vla.evidence.fact_table import Fact, FactKey, FactTable
from mobile_vla.evidence.model import Evidence

LOG = Evidence(file="log.txt", where="line 1")


def fact(quantity: str, value: float | str, **key: object) -> Fact:
    return Fact(key=FactKey(quantity, **key), value=value, source=LOG)  # type: ignore[arg-type]


def run(name: str, losses: list[float], *facts: Fact, day: int = 3, **fields: object) -> KnownRun:
    curve = [fact("val_loss", value, epoch=epoch) for epoch, value in enumerate(losses)]
    started = datetime(2026, 5, day, 9, 30, tzinfo=UTC)
    return KnownRun(name=name, started=started, facts=FactTable([*curve, *facts]), **fields)  # type: ignore[arg-type]


LEFT = run("nav_left_20260503", [0.0521, 0.0417, 0.0138], fact("rmse", 0.112, split="train"),
           fact("episodes", 250.0), files=["out/epoch=02-loss=0.0138.ckpt"])  # fmt: skip
BOTH = run("nav_leftright_20260504", [0.0633, 0.0381, 0.0276], fact("episodes", 500.0), day=4)
PLAIN = run("baseline", [0.31, 0.22, 0.19], day=2)
RUNS = [LEFT, BOTH, PLAIN]


def read(text: str, runs: list[KnownRun] | None = None, **options: object) -> Reading:
    data = text.encode()
    reading = read_document(data, "page.md", RUNS if runs is None else runs, **options)  # type: ignore[arg-type]
    for claim in reading.claims:
        assert data[claim.place.start : claim.place.end].decode() == claim.value
    return reading


def facts_of(reading: Reading) -> set[tuple[str, str]]:
    return {(claim.quantity, claim.word or claim.value) for claim in reading.claims}


def one(text: str, **options: object) -> Claim:
    (claim,) = read(text, **options).claims
    return claim
