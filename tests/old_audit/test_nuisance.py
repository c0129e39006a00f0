"""What a study declares to be no factor confounds no pair that a document speaks of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from mobile_vla.old_audit.audit_document import audit_text, gather_proof
from mobile_vla.report.false_claims import wrong_in
from mobile_vla.report.write_report import view_of

if TYPE_CHECKING:
    from run_folders import Maker

SENTENCE = "left_10 against both_10 is a valid comparison of direction balance.\n"


@pytest.fixture
def reseeded(maker: Maker) -> Maker:
    """A pair of which the question's factor and the seed moved."""
    maker.finish("left_10")
    other = maker.finish("both_10")
    other.case = msgspec.structs.replace(
        other.case, recipe=msgspec.structs.replace(other.case.recipe, seed=7)
    )
    other.write_inputs()
    return maker


def declare(maker: Maker) -> None:
    names = ("host", "wall_time", "note", "seed")
    maker.study = msgspec.structs.replace(maker.study, nuisance=names)


def test_a_page_is_judged_by_the_nuisances_of_its_study(reseeded: Maker) -> None:
    (before,) = audit_text(SENTENCE, gather_proof(reseeded.book())).claims
    declare(reseeded)
    (after,) = audit_text(SENTENCE, gather_proof(reseeded.book())).claims
    assert (before.verdict, after.verdict) == ("contradicted", "supported")


def test_a_report_tells_of_other_pages_by_the_nuisances_of_its_study(reseeded: Maker) -> None:
    page = reseeded.path.parent / "page.md"
    page.write_text(SENTENCE)
    assert len(wrong_in([page], view_of(reseeded.book()))) == 1
    declare(reseeded)
    assert wrong_in([page], view_of(reseeded.book())) == ()
