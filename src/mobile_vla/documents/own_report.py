"""A report of our own, audited against the page that today's evidence gives.

What the report says beyond what claims are read from (intervals, tests, baselines) is held against
the page written anew from the run folders: a line that stands there under the same heading is
supported, one that stands there with other digits is contradicted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

import msgspec

from mobile_vla.casebook.casebook import Casebook
from mobile_vla.casebook.model import Evidence
from mobile_vla.documents.claims.model import Audit, Claim, Judged
from mobile_vla.documents.claims.source import Document, parse_document
from mobile_vla.documents.report import report_markdown
from mobile_vla.documents.view import ReportView
from mobile_vla.documents.wording import LANGUAGES
from mobile_vla.documents.writing import view_of

LINK = re.compile(r"\]\(([^)\s]+)\)")
DIGITS = re.compile(r"\d+(?:[.,]\d+)*")


class OwnReport:
    """The pages that today's evidence gives, by language; written when first needed."""

    def __init__(self, titles: Sequence[str], view: Callable[[], ReportView]) -> None:
        """`titles`: the study's, by which its reports are known. `view`: reads the evidence."""
        self.titles, self._read = titles, view
        self._view: ReportView | None = None

    def judge(self, document: Document, audit: Audit) -> Audit:
        """The audit with the report's own lines judged; as it was for any other document."""
        page = self._page_like(document)
        if page is None:
            return audit
        lines = {(head, line): start for head, line, _, start in _lines(page)}
        shapes = {(head, DIGITS.sub("#", line)): line for head, line, _, _ in _lines(page)}
        same: set[int] = set()
        found: list[Judged] = []
        told = {judged.claim.line for judged in audit.claims if judged.verdict == "supported"}
        for head, line, number, start in _lines(document):
            if (head, line) in lines:
                same.add(number)
                if DIGITS.search(line) and number not in told:
                    found.append(self._line(document, line, number, start, None))
            elif DIGITS.search(line) and (head, DIGITS.sub("#", line)) in shapes:
                right = shapes[head, DIGITS.sub("#", line)]
                found.append(self._line(document, line, number, start, right))
        kept = [
            judged for judged in audit.claims
            if judged.claim.line not in same or judged.verdict not in ("unsupported", "ambiguous")
        ]  # fmt: skip
        read = {judged.claim.line for judged in found} | same
        return msgspec.structs.replace(
            audit,
            claims=sorted([*kept, *found], key=lambda judged: judged.claim.start),
            unread=[line for line in audit.unread if line.line not in read],
        )

    def _page_like(self, document: Document) -> Document | None:
        """The page of the language whose title the document bears."""
        title = next((p.text for p in document.pieces if p.kind == "heading"), "")
        if not any(name in title for name in self.titles):
            return None
        self._view = self._view or self._read()
        for language in LANGUAGES:
            text = report_markdown(self._view, language)
            if text.split("\n", 1)[0] == title:
                return parse_document(Path(f"report.{language}.md"), text.encode())
        return None

    def _line(
        self, document: Document, line: str, number: int, start: int, right: str | None
    ) -> Judged:
        link = LINK.search(line)
        file = unquote(link[1]) if link else "runs"
        claim = Claim(
            line=number, start=start, end=start + len(line.encode()), quantity="report line",
            value=line, text=line[:300],
        )  # fmt: skip
        evidence = Evidence(file=file)
        if right is None:
            return Judged(claim=claim, verdict="supported", reason="", evidence=evidence)
        differing = [
            f"{new} where it says {old}"
            for old, new in zip(DIGITS.findall(line), DIGITS.findall(right), strict=True)
            if old != new
        ]
        return Judged(
            claim=claim, verdict="contradicted", reason=f"evidence gives {', '.join(differing)}",
            expected=right, fixable=None, evidence=evidence,
        )  # fmt: skip


def audit_all(
    documents: Sequence[Document], audits: Sequence[Audit], book: Casebook | None
) -> list[Audit]:
    """Audits with reports of our own held against today's page."""
    if book is None or book.study is None:
        return list(audits)
    title = book.study.title
    own = OwnReport([text for text in (title.en, title.ko) if text], lambda: view_of(book))
    return [own.judge(document, audit) for document, audit in zip(documents, audits, strict=True)]


def _lines(document: Document) -> Iterator[tuple[str, str, int, int]]:
    """Every line that is not empty: heading above, text, number, first byte."""
    heads = {document.line_of(p.start): p.text for p in document.pieces if p.kind == "heading"}
    head, ends = "", [*document.lines[1:], len(document.data)]
    for number, (start, end) in enumerate(zip(document.lines, ends, strict=True), 1):
        head = heads.get(number, head)
        line = document.data[start:end].decode("utf-8", "replace").rstrip("\r\n")
        if line.strip():
            yield head, line, number, start
