"""Claims that others read: their schema, and what is refused."""

from __future__ import annotations

from typing import Any

import blake3
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.claims_evidence import RUNS

from mobile_vla.claims.model import Reading
from mobile_vla.claims.proposals import read_claims_file, schema, with_proposals
from mobile_vla.claims.read import read_document
from mobile_vla.messages.errors import UserError

PAGE = (
    "# Notes\n\nBack then baseline, after much trouble, got down to 0.19 on what we held out.\n"
    "검증에서 기준 모델은 0.22까지 갔다. Case 9 was at 0.5.\n"
).encode()
GOOD = {"quote": "got down to 0.19", "value": "0.19", "quantity": "val_loss", "name": "baseline"}


def checked(*proposals: Any) -> Reading:
    return with_proposals(read_document(PAGE, "p.md", RUNS), PAGE, proposals, "tester")


def code(proposal: Any) -> str:
    (refused,) = checked(proposal).refused
    return refused.why.code


def test_a_proposal_that_stands_in_the_page_is_a_claim() -> None:
    reading = checked(GOOD)
    (claim,) = reading.claims
    assert PAGE[claim.place.start : claim.place.end] == b"0.19"
    assert (claim.run, claim.sure, claim.number, claim.read_by) == (
        "baseline",
        "exact",
        0.19,
        "tester",
    )
    assert (claim.place.line, reading.refused) == (3, [])
    assert [one.claims for one in reading.bindings if one.name == "baseline"] == [1]


def test_the_run_is_what_the_page_binds_and_not_what_the_proposer_takes_it_for() -> None:
    (claim,) = checked({**GOOD, "run": "nav_left_20260503"}).claims
    assert (claim.run, claim.sure) == (None, "candidate")
    (claim,) = checked(
        {**GOOD, "quote": "at 0.5", "value": "0.5", "name": "Case 9", "run": "baseline"}
    ).claims
    assert claim.run is None
    (claim,) = checked({**GOOD, "name": "somebody"}).claims
    assert (claim.run, claim.sure) == (None, "none")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"quote": "got down  to 0.19"}, "claim.proposal_not_in_page"),
        ({"quote": "0", "value": "0"}, "claim.proposal_not_in_page"),
        ({"quote": ""}, "claim.proposal_not_in_page"),
        ({"start": 7}, "claim.proposal_not_in_page"),
        ({"start": -3}, "claim.proposal_not_in_page"),
        ({"value": "0.2"}, "claim.proposal_value"),
        ({"value": ""}, "claim.proposal_value"),
        ({"quantity": "greatness"}, "claim.proposal_quantity"),
        ({"number": 0.91}, "claim.proposal_number"),
        ({"value": "down"}, "claim.proposal_number"),
        ({"quantity": "episodes"}, "claim.proposal_number"),
        ({"verdict": "supported"}, "claim.proposal_shape"),
        ({"comparator": "wins"}, "claim.proposal_shape"),
        ({"epoch": "nine"}, "claim.proposal_shape"),
    ],
)
def test_what_does_not_hold_is_refused_with_why(change: dict[str, Any], expected: str) -> None:
    assert code({**GOOD, **change}) == expected


@pytest.mark.parametrize("shape", [None, 3, "text", [], {}, {"quote": 3}])
def test_another_shape_is_refused(shape: Any) -> None:
    assert code(shape) == "claim.proposal_shape"


def test_what_structure_has_read_is_not_read_twice() -> None:
    page = b"- baseline: val loss 0.19\n"
    reading = read_document(page, "p.md", RUNS)
    same = {"quote": "val loss 0.19", "value": "0.19", "quantity": "val_loss", "name": "baseline"}
    assert with_proposals(reading, page, [same, same], "x").claims == reading.claims


def test_a_file_of_claims_is_about_this_page_and_this_version() -> None:
    right = {"blake3": blake3.blake3(PAGE).hexdigest(), "claims": [GOOD]}
    assert read_claims_file(msgspec.json.encode(right), "c.json", PAGE) == [GOOD]
    with pytest.raises(UserError, match=r"c\.json"):
        read_claims_file(msgspec.json.encode(right), "c.json", PAGE + b"!")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"claims": 3}', b"\xff", b"[" * 5000])
def test_a_file_that_is_none_of_claims_is_refused(content: bytes) -> None:
    with pytest.raises(UserError, match=r"c\.json"):
        read_claims_file(content, "c.json", PAGE)


def test_the_schema_names_every_quantity_and_no_verdict() -> None:
    proposal = schema()["$defs"]["Proposal"]
    assert {"val_loss", "regime", "success"} <= set(proposal["properties"]["quantity"]["enum"])
    assert "lora_flag" not in proposal["properties"]["quantity"]["enum"]
    assert "verdict" not in proposal["properties"]


JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=9),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(GOOD)), inner))  # fmt: skip  # noqa: E501


@given(JSON)
def test_any_proposal_is_a_claim_of_the_page_or_refused(raw: Any) -> None:
    reading = checked(raw)
    assert len(reading.claims) + len(reading.refused) == 1
    for claim in reading.claims:
        assert PAGE[claim.place.start : claim.place.end].decode() == claim.value
