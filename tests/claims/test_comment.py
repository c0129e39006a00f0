"""The comment that keeps confirmed bindings in the page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.claims_evidence import RUNS

from mobile_vla.claims.bindings_comment import with_comment
from mobile_vla.claims.read import read_document
from mobile_vla.messages.errors import UserError


@given(st.text(alphabet="ab# \r\n-", max_size=40))
def test_what_is_written_is_read_again_and_every_other_byte_stays(text: str) -> None:
    data = f"- Case 2: seed 3\n\n{text}".encode()
    once = with_comment(data, {"Case 2": "baseline"})
    assert once.startswith(data)
    assert with_comment(once, {"Case 2": "baseline"}) == once


def test_a_written_comment_binds() -> None:
    data = with_comment(b"- Case 2: seed 3\n", {"Case 2": "baseline"})
    assert [claim.run for claim in read_document(data, "p", RUNS).claims] == ["baseline"]


def test_a_comment_is_replaced_where_it_stands() -> None:
    data = b"<!-- mvla: A 1 = x -->\ntext\n"
    assert with_comment(data, {"Case 2": "baseline"}) == b"<!-- mvla: Case 2 = baseline -->\ntext\n"


@pytest.mark.parametrize("name", ["a;b", "a=b", "a --> b", " ", "a\nb"])
def test_a_name_that_would_break_the_comment_is_refused(name: str) -> None:
    with pytest.raises(UserError):
        with_comment(b"", {name: "baseline"})
