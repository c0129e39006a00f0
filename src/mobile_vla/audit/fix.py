"""Corrections put into a page's bytes; every other byte stays as it is."""

from __future__ import annotations

import difflib
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from mobile_vla.audit.audit_document import Audit, Proof, audit_document
from mobile_vla.audit.audit_messages import message
from mobile_vla.audit.judge.verdict import Judged
from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.formats import Language
from mobile_vla.runs.files import sweep_parts, written_beside

NOTE = re.compile(rb"mvla-(\d+)")
WRONG = ("contradicted", "stale")
SURE = ("exact", "confirmed")
NO_MARKUP = frozenset(
    {"Code", "CodeBlock", "Html", "HtmlBlock", "InlineHtml", "InlineMath", "DisplayMath", "Link",
     "Image", "MetadataBlock", "FootnoteDefinition"}
)  # fmt: skip
"""Markdown in which a struck-through value would show as text, or break what stands there."""


class Fixed(msgspec.Struct, frozen=True, kw_only=True):
    """A corrected page. `corrected`: claims put right; `left`: false ones that nothing replaces."""

    data: bytes
    corrected: list[Judged]
    left: list[Judged]


def fix_document(data: bytes, audit: Audit, proof: Proof) -> Fixed:
    """Correct what is contradicted or stale, where a binding and a whole value allow it.

    A correction that a further audit would not leave right is not made.
    """
    wrong = [judged for judged in audit.claims if judged.verdict in WRONG]
    edits = _apart([judged for judged in wrong if is_correctable(judged, audit)], data)
    while edits:
        after = _spliced(data, edits, audit.language)
        failed = _still_wrong(audit_document(after, audit.document, proof), audit, edits)
        if not failed:
            left = [judged for judged in wrong if judged not in edits]
            return Fixed(data=after, corrected=edits, left=left)
        edits = [judged for judged in edits if judged not in failed]
    return Fixed(data=data, corrected=[], left=wrong)


def is_correctable(judged: Judged, audit: Audit) -> bool:
    """Whether the run is sure, the value stands alone, and no number of the page is made of it."""
    claim = judged.claim
    if judged.correction is None or claim.sure not in SURE or not claim.whole or claim.terms:
        return False
    return not any(
        term.place.start < claim.place.end and claim.place.start < term.place.end
        for other in audit.claims for term in other.claim.terms
    )  # fmt: skip


def write_page(path: Path, before: bytes, after: bytes) -> None:
    """Write a page's new bytes with the file's mode and owner.

    Raises: UserError where the page changed since it was read or is gone, is read-only, has
    several names, or is a link to a file outside its folder.
    """
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(path.parent.resolve()):
            raise UserError(f"{path} is a link to {real}, outside its folder: correct that file.")
        status = real.stat()
        if not status.st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
            raise UserError(f"{path} is read-only: allow writing, or look at the --diff.")
        if status.st_nlink > 1:
            raise UserError(f"{path} has other names too (hard links): make it a file of its own.")
        if real.read_bytes() != before:
            raise UserError(f"{path} changed while it was audited: run the same command again.")
        sweep_parts(real.parent)
        with written_beside(real) as beside:
            beside.write_bytes(after)
            if hasattr(os, "geteuid") and os.geteuid() == 0:
                os.chown(beside, status.st_uid, status.st_gid)
            beside.chmod(stat.S_IMODE(status.st_mode))
    except OSError as error:
        why = f"{path} was not corrected ({error.strerror}): look whether it still exists."
        raise UserError(why) from error


def diff_text(path: Path, before: bytes, after: bytes) -> str:
    """A unified diff of two versions of a page."""
    old, new = (data.decode("utf-8", "replace").splitlines() for data in (before, after))
    lines = difflib.unified_diff(old, new, path.as_posix(), f"{path.as_posix()} (corrected)")
    return "\n".join(line.rstrip("\n") for line in lines)


def _apart(edits: Sequence[Judged], data: bytes) -> list[Judged]:
    """In the page's order, each byte corrected once, none where markup would not show."""
    barred = _barred(data) if edits else []
    apart: list[Judged] = []
    for judged in sorted(edits, key=lambda judged: judged.claim.place.start):
        place = judged.claim.place
        if any(start < place.end and place.start < end for start, end in barred):
            continue
        if not apart or place.start >= apart[-1].claim.place.end:
            apart.append(judged)
    return apart


def _barred(data: bytes) -> list[tuple[int, int]]:
    """The code, HTML, mathematics, links and footnotes of a page, by bytes."""
    import pyromark

    options = pyromark.Options
    flags = (options.ENABLE_TABLES | options.ENABLE_MATH | options.ENABLE_FOOTNOTES
             | options.ENABLE_YAML_STYLE_METADATA_BLOCKS)  # fmt: skip
    spans: list[tuple[int, int]] = []
    event: Any
    for event, at in pyromark.events_with_range(data.decode(), options=flags):
        if isinstance(event, str):
            continue
        ((kind, content),) = event.items()
        name = content if isinstance(content, str) else next(iter(content), "")
        if kind in NO_MARKUP or (kind == "Start" and name in NO_MARKUP):
            spans.append((at["start"], at["end"]))
    return spans


def _spliced(data: bytes, edits: Sequence[Judged], language: Language) -> bytes:
    end = b"\r\n" if b"\r\n" in data else b"\n"
    first = 1 + max((int(match[1]) for match in NOTE.finditer(data)), default=0)
    pieces: list[bytes] = []
    notes: list[bytes] = []
    place = 0
    for number, judged in enumerate(edits, first):
        at = judged.claim.place
        old = data[at.start : at.end].decode()
        pieces += [data[place : at.start], _corrected(old, judged.correction or "", number)]
        place = at.end
        text = phrase("audit.note", language, message=message(judged, language))
        notes.append(f"[^mvla-{number}]: {' '.join(text.split())}".encode())
    body = b"".join([*pieces, data[place:]])
    gap = b"" if body.endswith(end) else end
    return body + gap + end + (end + end).join(notes) + end


def _corrected(old: str, new: str, number: int) -> bytes:
    return f"{new} ~~{old}~~[^mvla-{number}]".encode()


def _still_wrong(after: Audit, before: Audit, edits: Sequence[Judged]) -> list[Judged]:
    """The corrections on whose lines something is wrong that was not so before."""
    already = {
        (judged.claim.place.line, judged.claim.quantity)
        for judged in before.claims if judged.verdict in WRONG and judged not in edits
    }  # fmt: skip
    new = {
        (judged.claim.place.line, judged.claim.quantity)
        for judged in after.claims if judged.verdict in WRONG
    } - already  # fmt: skip
    lines = {line for line, _ in new}
    failed = [judged for judged in edits if judged.claim.place.line in lines]
    return failed or (list(edits) if new else [])
