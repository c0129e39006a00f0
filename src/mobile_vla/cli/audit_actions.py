"""What `mvla audit` prints and writes: verdicts, corrections, bindings."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mobile_vla.audit.audit_document import Audit, AuditedPage, Proof
from mobile_vla.audit.audit_messages import binding_lines, claim_lines, summary_lines
from mobile_vla.audit.bind import can_hold, proposed_bindings, with_bindings
from mobile_vla.audit.fix import Fixed, diff_text, fix_document, write_page
from mobile_vla.claims.model import Binding
from mobile_vla.cli.run_options import print_json
from mobile_vla.messages.catalogue import phrase, sentence
from mobile_vla.messages.errors import UserError


def print_audits(pages: Sequence[AuditedPage], *, unread: bool, every: bool) -> None:
    """Each page's claims by line, where places disagree, and what its coverage is."""
    for audit in (page.audit for page in pages):
        print(audit.document)
        for judged in audit.claims:
            if every or judged.verdict != "supported":
                print("\n".join(claim_lines(judged, audit.language)))
        for pair in audit.disagreements:
            print(f"  {pair.second.place.line}: {sentence(pair.reason, audit.language)}")
        for line in summary_lines(audit):
            print(f"  {line}")
        for entry in [*audit.unread, *audit.refused] if unread else ():
            print(f"    {entry.line}: {entry.text}\n        {sentence(entry.why, audit.language)}")


def correct(
    pages: Sequence[AuditedPage], proof: Proof, *, fix: bool, diff: bool, json: bool
) -> int:
    """Show what would be corrected, then write it with `--fix`. `diff`: in JSON too.

    Exit 1 where something false is left, 2 where a file could not be written; the others are.
    """
    answers, refused, left = [], False, False
    for page in pages:
        fixed = fix_document(page.data, page.audit, proof)
        lines = diff_text(page.path, page.data, fixed.data)
        if not json and lines:
            print(lines)
        problem = _refusal(page, fixed) if fix and fixed.corrected else None
        remaining = fixed.left if fix else [*fixed.left, *fixed.corrected]
        left = left or any(judged.verdict == "contradicted" for judged in remaining)
        refused = refused or problem is not None
        if json:
            answers.append({"document": page.path, "corrected": fixed.corrected,
                            "left": fixed.left, "diff": lines if diff else None,
                            "problem": problem})  # fmt: skip
        else:
            _print_corrected(page.audit, fixed, problem)
    if json:
        print_json(answers)
    return 2 if refused else int(left)


def _refusal(page: AuditedPage, fixed: Fixed) -> str | None:
    """Write a corrected page; the reason where that cannot be."""
    try:
        write_page(page.path, page.data, fixed.data)
    except UserError as error:
        return str(error)
    return None


def _print_corrected(audit: Audit, fixed: Fixed, problem: str | None) -> None:
    language = audit.language
    if problem:
        print(phrase("audit.corrections_refused", language, why=problem), file=sys.stderr)
        return
    counts = {"corrected": len(fixed.corrected), "left": len(fixed.left)}
    print(f"{audit.document}: {phrase('audit.corrected', language, **counts)}")
    for judged in fixed.left:
        print("\n".join(claim_lines(judged, language)))


def bind(pages: Sequence[AuditedPage], proof: Proof, *, write: bool, yes: bool, json: bool) -> int:
    """List what each name means; with `--write`, confirm it in a comment of the page."""
    if json:
        print_json([{"document": page.path, "bindings": page.audit.bindings,
                     "open": dict(page.audit.open_names())} for page in pages])  # fmt: skip
    for page in pages:
        if not json:
            print_bindings(page.audit)
        if write:
            confirm(page, proof, yes=yes)
    return 0


def print_bindings(audit: Audit) -> None:
    """Each name with what it means, those on which most claims hang first."""
    print(audit.document)
    for binding in sorted(audit.bindings, key=lambda binding: -binding.claims):
        for line in binding_lines(binding, audit.language):
            print(f"  {line}")
    for line in summary_lines(audit):
        print(f"  {line}")


def confirm(page: AuditedPage, proof: Proof, *, yes: bool) -> None:
    """Write the bindings that evidence gives and those that the user chooses.

    Raises: UserError where nobody says yes, or the page cannot be written.
    """
    language, name = page.audit.language, page.path.as_posix()
    confirmed = proposed_bindings(page.audit)
    if not yes and sys.stdin.isatty():
        confirmed |= _chosen(page.audit.bindings, page.audit)
    if not confirmed:
        print(phrase("audit.nothing_to_confirm", language, file=name), file=sys.stderr)
        return
    after = with_bindings(page.data, name, confirmed, proof)
    comment = "; ".join(f"{name} = {run}" for name, run in confirmed.items())
    question = phrase("audit.question", language, comment=comment, file=name)
    if not yes and not (sys.stdin.isatty() and input(question).strip().lower() in ("y", "yes")):
        raise UserError(phrase("audit.not_confirmed", language, file=name))
    write_page(page.path, page.data, after)
    print(phrase("audit.written", language, file=name), file=sys.stderr)


def _chosen(bindings: Sequence[Binding], audit: Audit) -> dict[str, str]:
    """Candidates that the user picks on the terminal, by name."""
    chosen = {}
    for binding in bindings:
        if binding.run or not binding.claims or not binding.candidates:
            continue
        runs = [candidate.run for candidate in binding.candidates]
        for number, run in enumerate(runs, 1):
            print(f"  {number}  {run}")
        reply = input(phrase("audit.which_run", audit.language, name=binding.name)).strip()
        if reply.isdecimal() and 1 <= int(reply) <= len(runs) and can_hold(binding.name):
            chosen[binding.name] = runs[int(reply) - 1]
    return chosen
