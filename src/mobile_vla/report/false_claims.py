"""What other documents say wrongly, for part 3 of the report."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from mobile_vla.audit.audit_document import Proof, audit_file
from mobile_vla.messages.errors import UserError
from mobile_vla.report.report_data import ReportView, WrongLine


def wrong_lines(folder: Path, view: ReportView, written: Collection[Path]) -> tuple[WrongLine, ...]:
    """What the Markdown below a folder says wrongly, by file and line.

    `written`: reports that this project wrote, which are not judged.

    Raises: UserError where `folder` is none.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: name the one that holds the documents.")
    ours = {report.resolve() for report in written}
    return wrong_in([path for path in sorted(folder.rglob("*.md")) if path.resolve() not in ours],
                    view)  # fmt: skip


def wrong_in(documents: Sequence[Path], view: ReportView) -> tuple[WrongLine, ...]:
    """Every claim of these files that is contradicted, or was so and is no longer.

    Files are named as seen from the workspace, where the report stands. One that cannot be read
    is listed as such.
    """
    proof = Proof(view.cases, view.workspace, view.nuisance)
    lines: list[WrongLine] = []
    for path in documents:
        name = Path(os.path.relpath(path, view.workspace)).as_posix()
        try:
            claims = audit_file(path, proof).claims
        except UserError as error:
            lines.append(WrongLine(name, 1, None, str(error)))
            continue
        wrong = [judged for judged in claims if judged.verdict in ("contradicted", "stale")]
        lines += [WrongLine(name, judged.claim.place.line, judged) for judged in wrong]
    return tuple(lines)
