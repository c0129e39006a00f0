"""Corrections put into a document's bytes; every other byte stays as it is."""

from __future__ import annotations

import difflib
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from mobile_vla.analysis.wording import Language
from mobile_vla.evidence.model import Value
from mobile_vla.messages.errors import UserError
from mobile_vla.old_audit.audit_document import Proof, audit_document
from mobile_vla.old_audit.audit_messages import message
from mobile_vla.old_audit.corrections import replacement
from mobile_vla.old_audit.judge import Judge
from mobile_vla.old_audit.markup_context import Inside
from mobile_vla.old_audit.table_alignment import aligned, is_aligned
from mobile_vla.old_claims.model import Audit, Judged
from mobile_vla.old_claims.source import Document, parse_document
from mobile_vla.runs.files import write_atomic

NOTE = re.compile(rb"mvla-(\d+)")


class Fixed(Value, frozen=True, kw_only=True):
    """A corrected document. `done`: claims corrected; `left`: false ones nothing can replace."""

    data: bytes
    done: list[Judged]
    left: list[Judged]


def fix_document(
    document: Document, audit: Audit, proof: Proof, judge: Judge | None = None
) -> Fixed:
    """Correct what is contradicted or stale, where the evidence gives a value to put there.

    A correction that a further audit would not find supported is not made.
    """
    judge = judge or proof.judge()
    wrong = [one for one in audit.claims if one.verdict in ("contradicted", "stale")]
    inside = Inside(document.data) if wrong else None
    edits = [
        (one, text) for one in wrong if inside and inside.how(one.claim.start) != "not"
        and (text := replacement(one, audit.language)) is not None
    ]  # fmt: skip
    edits = _apart(edits)
    while edits and inside:
        data = _spliced(document, edits, audit.language, inside)
        again = audit_document(parse_document(document.path, data), proof, judge)
        failed = _still_wrong(audit, again, edits)
        if not failed:
            done = [one for one, _ in edits]
            return Fixed(data=data, done=done, left=[one for one in wrong if one not in done])
        edits = [edit for edit in edits if edit[0] not in failed]
    return Fixed(data=document.data, done=[], left=wrong)


def write_fixed(document: Document, fixed: Fixed) -> None:
    """Write the corrected bytes.

    Errors: `UserError` where the document changed since it was read or is gone, is read-only, has
    several names, or is a link to a file outside its folder.
    """
    path = document.path
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(path.parent.resolve()):
            raise UserError(f"{path} is a link to {real}, outside its folder: correct that file.")
        found = real.stat()
        if not found.st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
            raise UserError(f"{path} is read-only: allow writing, or look at the --diff.")
        if found.st_nlink > 1:
            raise UserError(f"{path} has other names too (hard links): make it a file of its own.")
        if real.read_bytes() != document.data:
            raise UserError(f"{path} changed while it was audited: run the same command again.")
        write_atomic(real, fixed.data)
        if os.geteuid() == 0:
            os.chown(real, found.st_uid, found.st_gid)
        real.chmod(stat.S_IMODE(found.st_mode))
    except OSError as error:
        told = f"{path} was not corrected ({error.strerror}): look whether it is still there."
        raise UserError(told) from error


def diff_text(path: Path, before: bytes, after: bytes) -> str:
    """A unified diff of two versions of a document."""
    old, new = (data.decode("utf-8", "replace").splitlines() for data in (before, after))
    lines = difflib.unified_diff(old, new, path.as_posix(), f"{path.as_posix()} (corrected)")
    return "\n".join(line.rstrip("\n") for line in lines)


def _apart(edits: Sequence[tuple[Judged, str]]) -> list[tuple[Judged, str]]:
    """In the document's order, each byte corrected once."""
    kept: list[tuple[Judged, str]] = []
    for edit in sorted(edits, key=lambda edit: edit[0].claim.start):
        if not kept or edit[0].claim.start >= kept[-1][0].claim.end:
            kept.append(edit)
    return kept


def _spliced(
    document: Document, edits: Sequence[tuple[Judged, str]], language: Language, inside: Inside
) -> bytes:
    data, end = document.data, b"\r\n" if b"\r\n" in document.data else b"\n"
    first = 1 + max((int(match[1]) for match in NOTE.finditer(data)), default=0)
    pieces, place, notes = [], 0, []
    for number, (judged, text) in enumerate(edits, first):
        claim = judged.claim
        words = inside.how(claim.start) == "words"
        old = data[claim.start : claim.end].decode()
        pieces += [data[place : claim.start], _corrected(old, text, number, words=words)]
        place = claim.end
        notes.append(_note(judged, number, language, words=words).encode())
    body = _realigned(document, b"".join([*pieces, data[place:]]), edits)
    gap = b"" if body.endswith(end) else end
    return body + gap + end + (end + end).join(notes) + end


def _realigned(document: Document, body: bytes, edits: Sequence[tuple[Judged, str]]) -> bytes:
    """The body with tables that were aligned aligned again; no edit adds or takes a line."""
    at = {document.line_of(one.claim.start) - 1 for one, _ in edits}
    before, after = document.data.split(b"\n"), body.split(b"\n")
    for table in document.tables:
        cells = [cell for row in table for cell in row]
        if not cells:
            continue
        first = document.line_of(cells[0].start) - 1
        last = document.line_of(cells[-1].start)
        if at.isdisjoint(range(first, last)):
            continue
        if is_aligned([line.decode().rstrip("\r") for line in before[first:last]]):
            end = b"\r" if after[first].endswith(b"\r") else b""
            rows = aligned([line.decode() for line in after[first:last]])
            after[first:last] = [row.encode() + end for row in rows]
    return b"\n".join(after)


def _corrected(old: str, new: str, number: int, *, words: bool) -> bytes:
    """`words`: where nothing can be struck through, the old value is told in words."""
    if words:
        return f"{new} (was: {old}; note mvla-{number})".encode()
    return f"{new} ~~{old}~~[^mvla-{number}]".encode()


def _note(judged: Judged, number: int, language: Language, *, words: bool) -> str:
    """One line: what was written, what is so, and where that stands.

    `words`: of code and the like it is no footnote, since nothing there can refer to one.
    """
    head = f"note mvla-{number}" if words else f"[^mvla-{number}]"
    return f"{head}: mvla audit: " + re.sub(r"\s+", " ", message(judged, language))


def _still_wrong(before: Audit, after: Audit, edits: Sequence[tuple[Judged, str]]) -> list[Judged]:
    """Corrections whose place is still wrong afterwards; all, where others became wrong."""
    wrong = {(one.claim.line, one.claim.quantity) for one in after.claims
             if one.verdict in ("contradicted", "stale")}  # fmt: skip
    fixed = {id(one) for one, _ in edits}
    known = {(one.claim.line, one.claim.quantity) for one in before.claims
             if one.verdict in ("contradicted", "stale") and id(one) not in fixed}  # fmt: skip
    new = wrong - known
    return [one for one, _ in edits if (one.claim.line, one.claim.quantity) in new or
            (new and one.claim.line in {line for line, _ in new})]  # fmt: skip
