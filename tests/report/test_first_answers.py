"""The first screen is an answer: at the top of the demo, of status and of the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from document_evidence import view_of
from mobile_vla.cli.brief import brief_case
from mobile_vla.cli.status import print_answers
from mobile_vla.report.first_answers import answers, answers_of_cases, next_answer
from mobile_vla.report.page_data import page_data


def test_terminal_and_report_give_the_same_answers(tmp_path: Path, capsys: Any) -> None:
    view = view_of(tmp_path)
    lines = answers(view.cases, view.comparisons, "en")
    assert page_data(view, "en")["answers"] == lines
    assert lines[:2] == answers_of_cases(view.cases, "en")
    print_answers([*lines, next_answer(view.plan, "en")])
    printed = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in printed[:5]] == [
        "What exists", "What drives", "What compares", "What does not hold", "What is next",
    ]  # fmt: skip


def test_many_driven_cases_are_counted_after_the_best(tmp_path: Path) -> None:
    driven = next(c for c in view_of(tmp_path).cases if c.run and c.run.rollouts)
    assert driven.run and driven.run.rollouts
    drives = driven.run.rollouts.rollouts[:4]
    cases = []
    for successes in (0, 4, 1, 3, 2):
        rollouts = [replace(d, success=i < successes) for i, d in enumerate(drives)]
        run = replace(driven.run, rollouts=replace(driven.run.rollouts, rollouts=rollouts))
        cases.append(replace(driven, name=f"case_{successes}", label=None, run=run))
    answer = answers_of_cases(cases, "en")[1][1].split("; ")
    assert [part.split()[0] for part in answer] == ["case_4", "case_3", "case_2", "…"]
    assert answer[-1] == "… (+2)"


def test_brief_cases_keep_states_and_headline_values(tmp_path: Path) -> None:
    for case in view_of(tmp_path).cases:
        brief = brief_case(case)
        assert (brief.state, len(brief.runs)) == (case.state, len(case.runs))
        if case.run and brief.run and case.run.offline and brief.run.offline:
            assert brief.run.offline.policy.metrics == case.run.offline.policy.metrics
        size = len(json.dumps(msgspec.to_builtins(brief.run))) if brief.run else 0
        assert size < 25_000


def test_the_repr_of_a_case_and_of_a_run_is_one_short_line(tmp_path: Path) -> None:
    for case in view_of(tmp_path).cases:
        for value in (case, case.run, *case.runs):
            if value is not None:
                assert len(repr(value)) < 120
                assert value.state in repr(value)
                assert "\n" not in repr(value)
