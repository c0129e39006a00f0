"""Where the labels of a set are lost: by kind of statement, the stage that loses each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from benchmarks.audit_sets import LabelledPage, Truth
from mobile_vla.audit.audit_document import DECIDED, Audit
from mobile_vla.audit.judge.verdict import Judged

STAGES = ("right", "not read", "no owner", "not bound", "not decided", "wrong")


def stage_of(page: LabelledPage, truth: Truth, over: Sequence[Judged], audit: Audit) -> str:
    """The last step that a label reached; why the reader left its line, where it did."""
    verdicts = {judged.verdict for judged in over}
    if truth.verdict in verdicts:
        return "right"
    if not over:
        line = page.data.count(b"\n", 0, truth.start) + 1
        codes = [entry.why.code for entry in audit.unread if entry.line == line]
        return f"not read ({codes[0].partition('.')[2]})" if codes else "not read"
    if any(not judged.claim.owner for judged in over) and verdicts == {"unbound"}:
        return "no owner"
    if verdicts == {"unbound"}:
        return "not bound"
    return "wrong" if verdicts & DECIDED else f"not decided ({over[0].reason.code})"


def lines_of(stages: Sequence[tuple[Truth, str]]) -> list[str]:
    """A table of the false labels: a kind a line, with the labels at each stage."""
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    reasons: Counter[str] = Counter()
    for truth, stage in stages:
        if truth.verdict == "contradicted":
            kinds[truth.quantity or "-"][stage.partition(" (")[0]] += 1
            reasons[stage] += "(" in stage
    rows = [
        f"    {kind:24}" + "".join(f"{counts[stage] or '-':>12}" for stage in STAGES)
        for kind, counts in sorted(kinds.items(), key=lambda entry: -entry[1].total())
    ]
    head = "    " + "false labels".ljust(24) + "".join(f"{stage:>12}" for stage in STAGES)
    why = [f"    {count:4} {stage}" for stage, count in reasons.most_common() if count]
    return [head, *rows, *why]
