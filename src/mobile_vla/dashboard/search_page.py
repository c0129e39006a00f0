"""The search box: runs, cases, questions and documents by any part of their names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from mobile_vla.dashboard.live_book import Moment
from mobile_vla.dashboard.page import DashboardPage, Values
from mobile_vla.messages.catalogue import phrase, term
from mobile_vla.messages.formats import Language
from mobile_vla.report.report_data import in_language

MOST = 100


def search_page(
    moment: Moment, documents: Sequence[str], query: str, language: Language
) -> DashboardPage:
    """Every entry that holds all words of the query, in any order."""
    words = query.casefold().split()
    entries = _entries(moment, documents, language) if words else iter(())
    hits = [entry for entry in entries
            if all(word in entry["text"].casefold() for word in words)]  # fmt: skip
    answer = {"query": query, "total": len(hits), "hits": hits[:MOST]}
    return DashboardPage("search.html.j2", phrase("dashboard.search", language), lambda: answer,
                lambda: answer)  # fmt: skip


def _entries(moment: Moment, documents: Sequence[str], language: Language) -> Iterator[Values]:
    for case in moment.cases:
        names = f"{case.label or ''} {case.name} {term('state', case.state, language)}"
        yield _entry("case", case.label or case.name, f"/case/{quote(case.name)}", names)
        for run in case.runs:
            text = f"{names} {run.path} {term('state', run.state, language)}"
            yield _entry("run", run.path, f"/run/{quote(run.path)}", text)
    for question in moment.book.study.questions if moment.book.study else ():
        a, b = (quote(name, safe="") for name in question.pair)
        address = f"/compare?a={a}&b={b}&question={quote(question.name, safe='')}"
        title = in_language(question.title, language)
        yield _entry("question", title, address, f"{title} {question.name} {question.factor}")
    for name in documents:
        yield _entry("document", name, f"/document/{quote(name)}", name)


def _entry(kind: str, name: str, address: str, text: str) -> Values:
    return {"kind": kind, "name": name, "address": address, "text": text}
