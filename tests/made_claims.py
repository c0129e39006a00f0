"""Claims, tables of facts and cases made by hand, for tests of the judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mobile_vla.analysis.comparison import ComparisonRequest, compare_pair
from mobile_vla.analysis.model import Comparison
from mobile_vla.audit.judge.context import CaseRecord, Context, Records, RunOfCase, claims_by_run
from mobile_vla.claims.model import Claim, Place, Term
from mobile_vla.evidence.fact_table import Fact, FactTable, fact
from mobile_vla.evidence.model import CaseView, Evidence, Known, RunView

AT = Evidence(file="run.log", where="line 7", blake3="0" * 64)


def claim(quantity: str, value: str, **fields: Any) -> Claim:
    """A bound claim of run "a"; its number and step are read off its value."""
    try:
        number = float(value.replace(",", ""))
        mantissa, _, exponent = value.replace(",", "").partition("e")
        decimals = len(mantissa.partition(".")[2])
        defaults: dict[str, Any] = {
            "number": number,
            "step": 10.0 ** (int(exponent or 0) - decimals),
        }
    except ValueError:
        defaults = {"word": value}
    defaults |= {"run": "a", "owner": "a", "sure": "exact", "quote": f"{quantity}: {value}",
                 "place": Place(line=1, start=0, end=len(value.encode()))}  # fmt: skip
    return Claim(**{"quantity": quantity, "value": value, **defaults, **fields})


def terms(*values: str) -> tuple[Term, ...]:
    """Numbers that stand beside a claim."""
    place = Place(line=1, start=90, end=91)
    return tuple(Term(place=place, value=text, number=float(text)) for text in values)


def known(quantity: str, value: float | str, **key: Any) -> Fact:
    """A fact of a log."""
    return fact(quantity, value, AT, **key)


def run_view(case: str, state: str = "finished", **fields: Any) -> RunView:
    """A run with nothing known but what is given; `factors` as plain text."""
    factors = {
        name: Known(value=value, evidence=AT) for name, value in fields.pop("factors", {}).items()
    }
    empty: dict[str, Any] = {
        "path": f"runs/{case}", "case": case, "resolved": None, "state": state, "why": "",
        "evidence": [AT], "started": None, "last_sign": None, "steps": None, "total_steps": None,
        "seconds_per_step": None, "epochs": None, "train": None, "validation": None,
        "manifest_hash": None, "train_hashes": [], "trained_parts": {}, "best_val_loss": None,
        "final_val_loss": None, "best": None, "latest": None, "offline": None, "rollouts": None,
        "conflicts": [],
    }  # fmt: skip
    return RunView(**{**empty, "factors": factors, **fields})


def case_view(runs: Sequence[RunView]) -> CaseView:
    """A case whose last run stands for it."""
    run = runs[-1]
    return CaseView(name=run.case, label=None, role="case", planned=None, after=[],
                    attempts=len(runs), runs=list(runs), run=run, state=run.state,
                    why=run.why)  # fmt: skip


class MadeRecords(Records):
    """Records whose tables are given, each with the facts of one run."""

    def __init__(self, tables: Mapping[str, Iterable[Fact]], views: Sequence[CaseView]) -> None:
        super().__init__(views, Path())
        self._tables = {path: FactTable(facts, path) for path, facts in tables.items()}


def context(
    facts: Iterable[Fact] = (), *, page: Sequence[Claim] = (),
    others: Mapping[str, tuple[RunView, Iterable[Fact]]] | None = None,
    own: RunView | None = None, earlier: Sequence[tuple[RunView, Iterable[Fact]]] = (),
) -> Context:  # fmt: skip
    """A context in which run "a" has `facts`, and other cases have theirs."""
    run = own or run_view("a")
    views = [case_view([*(view for view, _ in earlier), run])]
    tables: dict[str, Iterable[Fact]] = {run.path: facts}
    tables |= {view.path: table for view, table in earlier}
    for view, table in (others or {}).values():
        views.append(case_view([view]))
        tables[view.path] = table
    records = MadeRecords(tables, views)

    def compare(a: str, b: str, factor: str | None) -> Comparison:
        by_name = {case.name: case for case in views}
        return compare_pair(ComparisonRequest(
            a=by_name[a], b=by_name[b], question=None, factor=factor, nuisance=(), cases=views,
            seconds_per_step=None,
        ))  # fmt: skip

    return Context(records, compare, siblings=page, by_run=claims_by_run(page))


def speaking(made: Context, name: str = "a") -> FactTable:
    """The table of the run that stands for a case."""
    record: CaseRecord | None = made.records.get(name)
    assert record is not None
    attempt: RunOfCase | None = record.speaking
    assert attempt is not None
    return attempt.table
