"""Confirmed bindings in a comment of the page: `<!-- mvla: Case 2 = RUN; No-Chunk = RUN -->`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from mobile_vla.claims.binding import KnownRun
from mobile_vla.claims.lexer import atoms_of
from mobile_vla.claims.model import Unread
from mobile_vla.claims.structure import Page
from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.reason import reason

COMMENT = re.compile(r"<!--\s*mvla:(.*?)-->", re.DOTALL)
BYTES = re.compile(rb"<!--\s*mvla:(.*?)-->[ \t]*\r?\n?", re.DOTALL)


def aliases_in(page: Page, runs: Sequence[KnownRun]) -> tuple[dict[str, str], list[Unread]]:
    """Names that comments of a page bind, and entries that bind nothing with why.

    A name that two entries bind to two runs is bound by neither.
    """
    registered = {run.name for run in runs}
    aliases: dict[str, str] = {}
    spelled: dict[tuple[str, ...], str] = {}
    disputed: set[str] = set()
    faults: list[Unread] = []
    entries = [(start, entry.strip()) for start, comment in page.comments
               for match in COMMENT.finditer(comment) for entry in match[1].split(";")]  # fmt: skip
    for start, entry in entries:
        name, equals, run = (part.strip() for part in entry.partition("="))
        why = None
        if not (equals and run and atoms_of(name)):
            why = reason("claim.comment_not_read", text=entry[:120])
        elif run not in registered:
            why = reason("claim.bind_no_such_run", run=run)
        else:
            name = spelled.setdefault(atoms_of(name), name)
            if aliases.setdefault(name, run) != run:
                disputed.add(name)
                why = reason("claim.comments_disagree", name=name)
        if why is not None and entry:
            faults.append(Unread(line=page.line_at(start), text=entry[:200], why=why))
    return {name: run for name, run in aliases.items() if name not in disputed}, faults


def with_comment(data: bytes, aliases: Mapping[str, str]) -> bytes:
    """The page with one comment that binds these names; every other byte as it was.

    The first comment of a page is replaced; without one, a line is added at the end.

    Raises: UserError for a name or run that a comment cannot hold.
    """
    for text in (*aliases, *aliases.values()):
        if not text.strip() or any(sign in text for sign in (";", "=", "--", "\n", ">")):
            raise UserError(phrase("claim.cannot_bind_name", "en", name=text))
    entries = "; ".join(f"{name} = {run}" for name, run in aliases.items())
    comment = f"<!-- mvla: {entries} -->\n".encode()
    match = BYTES.search(data)
    if match is not None:
        return data[: match.start()] + comment + data[match.end() :]
    gap = b"" if not data or data.endswith(b"\n\n") else b"\n" if data.endswith(b"\n") else b"\n\n"
    return data + gap + comment
