"""The page from evidence, in both languages: golden files, citations, escaping, change."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pyromark
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from document_evidence import CASE_2, renamed, view_of
from in_english import note
from mobile_vla.analysis.wording import LANGUAGES
from mobile_vla.report import headings
from mobile_vla.report.markdown_page import block_markdown
from mobile_vla.report.markdown_report import report_markdown
from mobile_vla.report.page_model import Bullets, Cite, Code, Paragraph, Strong, Table

GOLDEN = Path(__file__).parent / "golden"
OPTIONS = pyromark.Options.ENABLE_TABLES | pyromark.Options.ENABLE_STRIKETHROUGH


def parsed(markdown):
    return pyromark.html(markdown, options=OPTIONS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_the_golden_page(language):
    """To accept a wanted change: write `report_markdown(view_of(Path("ws")), language)` there."""
    expected = (GOLDEN / f"report.{language}.md").read_text(encoding="utf-8")
    assert report_markdown(view_of(Path("ws")), language) == expected


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_seven_parts_stand_in_their_order(language):
    text = report_markdown(view_of(Path("ws")), language)
    places = [text.index(f"\n## {headings.text(f'part{n}', language)}\n") for n in range(1, 8)]
    assert places == sorted(places)
    assert text.count("\n## ") == 7


def test_the_profile_is_said_before_any_figure():
    text = report_markdown(view_of(Path("ws")), "en")
    assert text.index("small VLMs, simulated episodes") < text.index("| ")


def test_every_run_cites_its_evidence(tmp_path):
    view = view_of(tmp_path)
    text = report_markdown(view, "en")
    for case in view.cases:
        for run in case.runs:
            for evidence in run.evidence:
                assert f"({evidence.file})" in text


def test_paths_are_shown_relative_to_the_workspace(tmp_path):
    view = view_of(tmp_path)
    run = msgspec.structs.replace(view.cases[0].runs[0], path=str(tmp_path / "runs/x/y"))
    case = msgspec.structs.replace(view.cases[0], runs=[run], run=run)
    text = report_markdown(replace(view, cases=[case]), "en")
    assert "(runs/x/y/case.yaml)" in text and str(tmp_path) not in text


def test_a_changed_number_changes_the_page():
    view = view_of(Path("ws"))
    run = msgspec.structs.replace(view.cases[0].run, final_val_loss=0.0991)
    case = msgspec.structs.replace(view.cases[0], runs=[run], run=run)
    changed = report_markdown(replace(view, cases=[case, *view.cases[1:]]), "en")
    assert "final 0.0991" in changed and "final 0.0991" not in report_markdown(view, "en")


def test_a_failed_run_its_reason_and_a_conflict_are_listed_as_wrong():
    text = report_markdown(view_of(Path("ws")), "en")
    part = text[text.index("## 3.") : text.index("## 4.")]
    assert "Case 2" in part and "weights/x.pt" in part and "disagree" in part
    assert "Case 1 vs Case 3" in part and "optimiser steps" in part


def test_a_policy_that_does_not_beat_replay_says_so():
    text = report_markdown(view_of(Path("ws")), "en")
    rows = [line for line in text.splitlines() if "offline.json" in line]
    assert "❌ no" in rows[0] and rows[0].startswith("| **Case 1**")
    assert "✅ yes" in rows[1] and rows[1].startswith("| **Case 3**")


def test_a_part_counts_as_frozen_only_where_nothing_of_it_trains():
    assert "frozen" not in report_markdown(view_of(Path("ws")), "en").lower()


def test_an_empty_study_says_so_in_every_part():
    view = view_of(Path("ws"))
    empty = replace(view, cases=[], comparisons=[], plan=type(view.plan)(items=[], next_steps=[]))
    text = report_markdown(empty, "en")
    for key in ("not_evaluated", "nothing_wrong", "no_questions", "no_steps", "no_items"):
        assert headings.text(key, "en") in text


def test_planned_cases_without_a_run_show_what_was_asked_for():
    view = view_of(Path("ws"))
    case = msgspec.structs.replace(
        view.cases[0], runs=[], run=None, state="planned", why=note("later")
    )
    text = report_markdown(replace(view, cases=[case]), "en")
    assert "40 left (asked for)" in text and "There is no run yet." in text


def test_hostile_names_stay_text():
    name = "x|y <script>alert(1)</script> *b* [l](http://evil.example) `c` ![i](//e/p.png)"
    text = report_markdown(renamed(view_of(Path("ws")), name), "en")
    html = parsed(text)
    assert "<script>" not in html and "evil.example)" in html
    assert 'href="http' not in html and "<img" not in html and "<em>b</em>" not in html
    rows = [line for line in text.splitlines() if line.startswith("| **x")]
    assert len(rows) == 3 and "<strong>x|y &lt;script&gt;" in html


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]),
                min_size=1).filter(lambda name: name.strip() == name)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(names, st.sampled_from(["plain", "code", "cell", "item"]))
def test_any_text_survives_markdown_as_itself(name, where):
    """What a Markdown reader shows is what the evidence said."""
    from html.parser import HTMLParser

    inline = Code(name) if where == "code" else name
    table = Table("t", ("h", "i"), (((inline,), ("z",)),))
    block = {
        "plain": Paragraph((inline,)),
        "code": Paragraph(("a ", inline)),
        "cell": table,
        "item": Bullets(((inline,),)),
    }[where]
    tags, shown = [], []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.append(tag)

        def handle_data(self, data):
            shown.append(data)

    Reader().feed(parsed(block_markdown(block)))
    allowed = {
        "plain": ["p"],
        "code": ["p", "code"],
        "item": ["ul", "li"],
        "cell": ["p", "em", "table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td"],
    }
    assert tags == allowed[where]
    assert " ".join(name.split()) in " ".join("".join(shown).split())


def test_links_to_odd_paths_are_quoted():
    line = block_markdown(Paragraph((Cite("runs/a b)/x.json", "line 3"), Strong("!"))))
    assert line == "[x.json line 3](runs/a%20b%29/x.json)**!**"


def test_the_korean_page_is_korean():
    text = report_markdown(view_of(Path("ws")), "ko")
    for word in (
        "실제로 학습된 것",
        "교란됨",
        "데이터 균형 효과",
        "해야 할 것",
        "비교 가능",
        "실패",
    ):
        assert word in text
    for english in ("Next steps", "confounded", "no difference", "Evidence"):
        assert english not in text
    assert CASE_2 in text
