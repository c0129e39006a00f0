"""A report just written over real run folders holds in every state; a gone checkpoint is none."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mobile_vla.analysis.casebook import Casebook
from mobile_vla.audit.audit_document import Audit, audit_file, audit_text, gather_proof
from mobile_vla.audit.audit_messages import message
from mobile_vla.report.write_report import write_report
from mobile_vla.runs.events import Heartbeat
from study_states import STATES, checkpoint_gone, running

if TYPE_CHECKING:
    from run_folders import Maker


def audited(book: Casebook, page: Path) -> Audit:
    return audit_file(page, gather_proof(book))


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_a_report_just_written_is_supported_in_every_state(
    maker: Maker, state: Callable[[Maker], object]
) -> None:
    state(maker)
    for page in write_report(maker.workspace, maker.book("laptop"), html=False):
        audit = audited(maker.book("laptop"), page)
        assert [judged for judged in audit.claims if judged.verdict != "supported"] == []
        assert audit.disagreements == []
        assert len(audit.claims) > 50


@pytest.mark.parametrize("ends", [False, True])
def test_what_moved_on_since_is_not_contradicted(maker: Maker, *, ends: bool) -> None:
    maker.finish("both_20")
    run = running(maker, "left_10")
    pages = write_report(maker.workspace, maker.book("laptop"), html=False)
    if ends:
        run.train()
        run.exit("finished")
        run.evaluate()
    else:
        run.log(Heartbeat(step=5, epoch=0))
    for page in pages:
        counts = audited(maker.book("laptop"), page).counts()
        assert counts["contradicted"] == 0
        assert (counts["stale"] > 0) == ends


def test_a_changed_number_in_a_report_is_contradicted(maker: Maker) -> None:
    maker.finish("left_10")
    for page in write_report(maker.workspace, maker.book("laptop"), html=False):
        page.write_text(page.read_text().replace("r=32", "r=16"))
        audit = audited(maker.book("laptop"), page)
        wrong = {judged.claim.value for judged in audit.claims if judged.verdict != "supported"}
        assert wrong == {"16"}


def test_weights_that_are_gone_never_load(maker: Maker) -> None:
    run = maker.finish("left_10")
    page = "## left_10\n\n- Checkpoint: yes\n- Checkpoint: none\n- Checkpoint: ✅\n"
    verdicts = [one.verdict for one in audit_text(page, gather_proof(maker.book())).claims]
    assert verdicts == ["supported", "contradicted", "supported"]
    shutil.rmtree(run.folder.checkpoints / "step-000040")
    (run.folder.checkpoints / "step-000040").mkdir()
    found = audit_text(page, gather_proof(maker.book())).claims
    assert [one.verdict for one in found] == ["contradicted", "supported", "contradicted"]
    assert "no checkpoint of it loads" in message(found[0], "en")
    shutil.rmtree(run.folder.checkpoints)
    found = audit_text(page, gather_proof(maker.book())).claims
    assert [one.verdict for one in found] == ["contradicted", "supported", "contradicted"]


def test_a_report_names_no_checkpoint_that_does_not_load(maker: Maker) -> None:
    checkpoint_gone(maker)
    page, _ = write_report(maker.workspace, maker.book("laptop"), html=False)
    result = next(x for x in page.read_text().splitlines() if x.startswith("- **Result**: ⚠️"))
    assert "step-000040" not in result
    assert "cannot be read" in page.read_text()


def test_what_other_documents_say_wrongly_is_no_claim_of_the_report(maker: Maker) -> None:
    maker.finish("left_10")
    notes = maker.workspace / "docs" / "notes.md"
    notes.parent.mkdir()
    notes.write_text("## left_10\n\n- epochs: 77\n")
    pages = write_report(maker.workspace, maker.book("laptop"), html=False, documents=notes.parent)
    for page in pages:
        text = page.read_text()
        assert "[notes.md line 3](docs/notes.md): `left_10" in text
        audit = audited(maker.book("laptop"), page)
        assert {judged.verdict for judged in audit.claims} == {"supported"}
        head = next(line for line in text.splitlines() if "(docs/notes.md)" in line)
        page.write_text(text.replace(head, f"{head}\n- left_10: seed 99\n"))
        assert any("seed 99" in line.text for line in audited(maker.book("laptop"), page).unread)
