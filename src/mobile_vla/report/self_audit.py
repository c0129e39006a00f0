"""A report of our own, audited against the page that today's evidence gives.

A line that stands in the page written anew from the run folders, under the same heading, is
supported whole: what it says beyond what claims are read from (intervals, tests, baselines), too.
One that stands there with other digits is contradicted; stale, where it speaks of a run that was
or is under way. What other documents say wrongly is held against those documents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

import msgspec

from mobile_vla.analysis.casebook import Casebook
from mobile_vla.evidence.model import CaseView, Evidence, State
from mobile_vla.messages.catalogue import phrase, term
from mobile_vla.messages.formats import LANGUAGES, Language
from mobile_vla.old_claims.model import Audit, Claim, Judged
from mobile_vla.old_claims.source import Document, parse_document
from mobile_vla.old_claims.surroundings import QUOTED
from mobile_vla.report.false_claims import wrong_in
from mobile_vla.report.markdown_text import escape
from mobile_vla.report.render import report_markdown
from mobile_vla.report.report_data import ReportView
from mobile_vla.report.write_report import view_of

LINK = re.compile(r"\]\(([^)\s]+)\)")
DIGITS = re.compile(r"\d+(?:[.,]\d+)*")
STATE = re.compile(r" \([^()]*\)$")
"""The state at the end of a case's heading."""
UNDER_WAY: tuple[State, ...] = ("queued", "running", "stalled")
TO_COME: tuple[State, ...] = ("planned", "blocked", *UNDER_WAY)


@dataclass(frozen=True, slots=True)
class OwnLine:
    """A line that is not empty. `head`: the heading above, without a state; `start`: its byte."""

    head: str
    text: str
    number: int
    start: int

    @property
    def shape(self) -> tuple[str, str]:
        """What stands there but for its digits."""
        return self.head, DIGITS.sub("#", self.text)


class OwnReport:
    """The pages that today's evidence gives, by language; written when first needed."""

    def __init__(self, titles: Sequence[str], view: Callable[[], ReportView]) -> None:
        """`titles`: the study's, by which its reports are known. `view`: reads the evidence."""
        self.titles, self._read = titles, view
        self._view: ReportView | None = None

    def judge(self, document: Document, audit: Audit) -> Audit:
        """The audit with the report's own lines judged; as it was for any other document."""
        language = self._language(document)
        if language is None:
            return audit
        self._view = self._view or self._read()
        return _Judging(document, audit, self._view, language).audited()

    def _language(self, document: Document) -> Language | None:
        """The language of the report that the document is, by its first heading."""
        title = next((p.text for p in document.pieces if p.kind == "heading"), "")
        for name in self.titles:
            for language in LANGUAGES:
                if title == "# " + escape(phrase("report.report", language) + ": " + name):
                    return language
        return None


class _Judging:
    """One report against the page of today."""

    def __init__(
        self, document: Document, audit: Audit, view: ReportView, language: Language
    ) -> None:
        self.document, self.audit = document, audit
        self.lines = list(_lines(document))
        self.quoting = "### " + phrase("report.wrong_documents", language)
        quoted = replace(view, wrong=wrong_in(self._quoted(), view))
        page = list(_lines(parse_document(Path("page.md"), _page(quoted, language))))
        self.to_come = tuple(f" ({term('state', state, language)})" for state in TO_COME)
        self.standing = {(line.head, line.text) for line in page}
        self.shapes = {line.shape: line.text for line in page}
        self.cases = [_words(case) for case in view.cases]
        heads = [
            "## " + phrase("report.part1", language),
            "### " + phrase("report.run_faults", language),
        ]
        self.of_runs = {*heads, *(_title(case) for case in view.cases)}
        self.moving = [_words(case) for case in view.cases if self._moves(case)]
        self.names = {case.name for case in view.cases if self._moves(case)}

    def audited(self) -> Audit:
        """Claims of lines that stand give way to the line's verdict; others may be stale."""
        standing = {line.number for line in self.lines if self._stands(line)}
        quoted = {line.number for line in self.lines if self._quotes(line)}
        found = [one for line in self.lines if (one := self._judged(line)) is not None]
        whole = {one.claim.line for one in found if one.verdict == "supported"}
        kept = [
            self._aged(one)
            for one in self.audit.claims
            if one.claim.line not in quoted
            and (one.claim.line not in standing or one.verdict == "supported")
        ]
        told = {one.claim.line for one in kept if one.claim.line in standing}
        found = [one for one in found if one.claim.line not in told & whole]
        read = {one.claim.line for one in found} | standing
        return msgspec.structs.replace(
            self.audit,
            claims=sorted([*kept, *found], key=lambda judged: judged.claim.start),
            unread=[line for line in self.audit.unread if line.line not in read],
        )

    def _stands(self, line: OwnLine) -> bool:
        return (line.head, line.text) in self.standing

    def _quotes(self, line: OwnLine) -> bool:
        """Whether a line of the list of wrong statements quotes another document."""
        return line.head == self.quoting and bool(QUOTED.match(line.text.removeprefix("- ")))

    def _quoted(self) -> list[Path]:
        """The documents that the report's list of wrong statements names, each once."""
        links = [LINK.search(line.text) for line in self.lines if self._quotes(line)]
        folder = self.document.path.parent
        return [folder / name for name in dict.fromkeys(unquote(link[1]) for link in links if link)]

    def _judged(self, line: OwnLine) -> Judged | None:
        """A line of the report as a whole, None where only its claims can be judged."""
        if self._stands(line):
            return self._whole(line, None) if DIGITS.search(line.text) else None
        if self._quotes(line):
            told = "that document does not say so today, or other evidence corrects it"
            return msgspec.structs.replace(self._whole(line, line.text), verdict="stale",
                                           reason=told, expected=None)  # fmt: skip
        right = self.shapes.get(line.shape)
        if right is None or not DIGITS.search(line.text):
            return None
        return self._aged(self._whole(line, right), line)

    def _whole(self, line: OwnLine, right: str | None) -> Judged:
        link = LINK.search(line.text)
        evidence = Evidence(file=unquote(link[1]) if link else "runs")
        claim = Claim(
            line=line.number, start=line.start, end=line.start + len(line.text.encode()),
            quantity="report line", value=line.text, text=line.text[:300],
        )  # fmt: skip
        if right is None:
            return Judged(claim=claim, verdict="supported", reason="", evidence=evidence)
        differing = [
            f"{new} where it says {old}"
            for old, new in zip(DIGITS.findall(line.text), DIGITS.findall(right), strict=True)
            if old != new
        ]
        return Judged(
            claim=claim, verdict="contradicted", reason=f"evidence gives {', '.join(differing)}",
            expected=right, fixable=None, evidence=evidence,
        )  # fmt: skip

    def _aged(self, judged: Judged, line: OwnLine | None = None) -> Judged:
        """What was so when the report was written and may have moved on since is no falsehood."""
        if judged.verdict != "contradicted" or not self.moving:
            return judged
        if line is None:
            moved = bool({judged.claim.name, *judged.claim.pair} & self.names)
        else:
            moved = not (line.head in self.of_runs and self._of_one_at_rest(line))
        if not moved:
            return judged
        why = "a run was under way when the report was written: write it again"
        return msgspec.structs.replace(
            judged, verdict="stale", reason="; ".join(filter(None, (judged.reason, why)))
        )

    def _of_one_at_rest(self, line: OwnLine) -> bool:
        """Whether a line speaks of a case of which no run is under way, and of no other."""
        said = f"{line.head}\n{line.text}"
        at_rest = any(word.search(said) for word in self.cases)
        return at_rest and not any(word.search(said) for word in self.moving)

    def _moves(self, case: CaseView) -> bool:
        """Whether a run of a case is under way, or was so or to come by the report."""
        if any(run.state in UNDER_WAY for run in case.runs):
            return True
        title = _title(case)
        return any(
            term("sign", "running", "en") in line.text
            or (line.text.endswith(self.to_come) and case.runs)
            for line in self.lines
            if line.head == title
        )


def audit_all(
    documents: Sequence[Document], audits: Sequence[Audit], book: Casebook | None
) -> list[Audit]:
    """Audits with reports of our own held against today's page."""
    if book is None or book.study is None:
        return list(audits)
    title = book.study.title
    own = OwnReport([text for text in (title.en, title.ko) if text], lambda: view_of(book))
    return [own.judge(document, audit) for document, audit in zip(documents, audits, strict=True)]


def _page(view: ReportView, language: Language) -> bytes:
    return report_markdown(view, language).encode()


def _title(case: CaseView) -> str:
    """A case's heading, without its state."""
    return "### " + escape(f"{case.label}: {case.name}" if case.label else case.name)


def _words(case: CaseView) -> re.Pattern[str]:
    """What a line says where it speaks of a case: its name or label, whole."""
    names = [re.escape(name) for name in (case.name, case.label) if name]
    return re.compile(rf"(?<![\w+])(?:{'|'.join(names)})(?![\w+])")


def _lines(document: Document) -> Iterator[OwnLine]:
    heads = {document.line_of(p.start): p.text for p in document.pieces if p.kind == "heading"}
    head, ends = "", [*document.lines[1:], len(document.data)]
    for number, (start, end) in enumerate(zip(document.lines, ends, strict=True), 1):
        head = STATE.sub("", heads[number]) if number in heads else head
        line = document.data[start:end].decode("utf-8", "replace").rstrip("\r\n")
        if line.strip():
            yield OwnLine(head, line, number, start)
