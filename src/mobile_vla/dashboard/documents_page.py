"""Documents: each page as written, its claims marked in place, and its bindings to confirm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mobile_vla.audit.audit_document import Audit, read_page
from mobile_vla.audit.bind import can_hold, with_bindings
from mobile_vla.audit.fix import write_page
from mobile_vla.audit.judge.verdict import VERDICTS, Judged
from mobile_vla.dashboard.files_page import inside
from mobile_vla.dashboard.live_book import Moment
from mobile_vla.dashboard.page import DashboardPage, Values
from mobile_vla.messages.catalogue import phrase, sentence, term
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.formats import Language

MOST_DOCUMENTS = 500
MOST_BYTES = 2 << 20


def document_names(folder: Path | None) -> list[str]:
    """The Markdown files below a folder, relative to it; nothing where no folder is named."""
    if folder is None:
        return []
    paths = sorted(folder.rglob("*.md"))[:MOST_DOCUMENTS]
    return [path.relative_to(folder).as_posix() for path in paths]


def documents_page(folder: Path | None, moment: Moment, language: Language) -> DashboardPage:
    """Every document with its counts of verdicts."""

    def rows() -> list[Values]:
        return [_row(folder, name, moment, language) for name in document_names(folder)]

    def values() -> Values:
        return {"documents": rows(), "is_named": folder is not None}

    return DashboardPage("documents.html.j2", phrase("dashboard.documents", language), rows, values)


def _row(folder: Path | None, name: str, moment: Moment, language: Language) -> Values:
    try:
        _, audit = _audited(folder, name, moment, language)
    except UserError as error:
        return {"name": name, "counts": None, "problem": str(error)}
    return {"name": name, "counts": audit.counts(), "problem": ""}


def document_page(
    folder: Path | None, moment: Moment, name: str, form_token: str, language: Language
) -> DashboardPage:
    """One document. `form_token`: "" where bindings cannot be written.

    Raises: UserError where the document is not in the folder or cannot be read.
    """
    data, audit = _audited(folder, name, moment, language)

    def values() -> Values:
        return {
            "name": name, "lines": list(marked_lines(data, audit, language)),
            "counts": audit.counts(), "form_token": form_token,
            "bindings": [binding for binding in audit.bindings if binding.claims],
            "can_hold": can_hold, "unread": audit.unread[:200],
        }  # fmt: skip

    return DashboardPage("document.html.j2", name, lambda: audit, values)


def marked_lines(data: bytes, audit: Audit, language: Language) -> Iterator[list[Values]]:
    """The lines of a page, each as pieces of text; a piece that states something has a claim.

    Of claims about the same characters one piece names all.
    """
    claims = sorted(audit.claims, key=lambda judged: judged.claim.place.start)
    position, place = 0, 0
    for line in data.splitlines(keepends=True):
        end, pieces = position + len(line), list[Values]()
        while place < len(claims) and claims[place].claim.place.start < end:
            first = claims[place].claim.place
            overlapping = [claims[place]]
            place += 1
            while place < len(claims) and claims[place].claim.place.start < first.end:
                overlapping.append(claims[place])
                place += 1
            pieces.append(_piece(data[position : first.start]))
            pieces.append(_piece(data[first.start : first.end], overlapping, language))
            position = max(position, first.end)
        pieces.append(_piece(data[position:end].rstrip(b"\r\n")))
        position = max(position, end)
        yield [piece for piece in pieces if piece["text"]]


def _piece(text: bytes, judged: Sequence[Judged] = (), language: Language = "en") -> Values:
    worst = min((claim.verdict for claim in judged), key=VERDICTS.index, default="")
    return {
        "text": text.decode("utf-8", "replace"), "verdict": worst,
        "claims": [_claim(claim, language) for claim in judged],
    }  # fmt: skip


def _claim(judged: Judged, language: Language) -> Values:
    return {
        "verdict": judged.verdict, "word": term("claim_verdict", judged.verdict, language),
        "quantity": term("quantity", judged.claim.quantity, language), "run": judged.claim.run,
        "why": sentence(judged.reason, language), "evidence": judged.evidence,
        "correction": judged.correction,
    }  # fmt: skip


def confirm_binding(
    folder: Path | None, moment: Moment, name: str, fields: Mapping[str, str], language: Language
) -> None:
    """Write one binding, which is among those that the page offers, as a comment of the page.

    Raises: UserError where the page does not offer it, or changed meanwhile.
    """
    data, audit = _audited(folder, name, moment, language)
    owner, run = fields.get("name", ""), fields.get("run", "")
    offered = {
        (binding.name, choice)
        for binding in audit.bindings
        for choice in (binding.run, *(candidate.run for candidate in binding.candidates))
        if choice
    }
    if (owner, run) not in offered:
        raise UserError(phrase("dashboard.form_refused", language))
    path = _path(folder, name, language)
    after = with_bindings(data, name, {owner: run}, moment.conclusions.proof)
    write_page(path, data, after)


def _audited(
    folder: Path | None, name: str, moment: Moment, language: Language
) -> tuple[bytes, Audit]:
    path = _path(folder, name, language)
    if path.stat().st_size > MOST_BYTES:
        why = phrase("dashboard.too_large", language)
        raise UserError(phrase("dashboard.unreadable", language, path=name, why=why))
    data = read_page(path)
    return data, moment.conclusions.audit(data, name)


def _path(folder: Path | None, name: str, language: Language) -> Path:
    if folder is None or not name.endswith(".md"):
        raise UserError(phrase("dashboard.no_file", language, path=name), exit_code=1)
    path = inside(folder, name, language)
    if not path.is_file():
        raise UserError(phrase("dashboard.no_file", language, path=name), exit_code=1)
    return path
