"""YAML by its core schema: what is written comes back, and only plain values are made."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobile_vla.messages.errors import UserError
from mobile_vla.study.case_file import read_case
from mobile_vla.study.yaml_text import dump_yaml, load_yaml

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, width=32)
    | st.text(
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Co", "Cn")), max_size=20
    )
    | st.sampled_from(
        ["null", "1e-4", "0x1F", "yes", "on", "~", "-", "1_000", ".inf", "a: b", "#c"]
    )
)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abc_", min_size=1), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(TREES)
def test_what_is_dumped_comes_back(value: object) -> None:
    assert load_yaml(dump_yaml(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1e-3\nb: 0x1F\nc: -.5", {"a": 1e-3, "b": 31, "c": -0.5}),
        ("d: +3\ne: 1.\nf: .inf\ng: -.INF", {"d": 3, "e": 1.0, "f": math.inf, "g": -math.inf}),
        ("a: [1, {b: c}]\nd: 'it''s'", {"a": [1, {"b": "c"}], "d": "it's"}),
        ("a: |\n  two\n  lines\nb: >\n  folded\n  text", {"a": "two\nlines\n", "b": "folded text"}),
        ("- ~\n-\n- null\n- True\n- no\n- 1_0", [None, None, None, True, "no", "1_0"]),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("a: 2026-01-01\nb: 0o17", {"a": "2026-01-01", "b": 15}),
        ("", None),
    ],
)
def test_values_of_the_core_schema(text: str, value: object) -> None:
    assert load_yaml(text) == value


def test_every_scalar_as_its_text() -> None:
    assert load_yaml("a: 012\nb: 3\nc: ~", scalars_as_text=True) == {"a": "012", "b": "3", "c": "~"}


def test_not_a_number() -> None:
    assert math.isnan(load_yaml(b"a: .nan")["a"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &x [*x, *x]", "aliases"),
        ("a: !!python/object:os.system x", "tag"),
        ("a: 1\na: 2", "line 2, column 1: the key 'a' stands twice"),
        ("a: 1\n---\nb: 2", "single document"),
        ("[" * 100_000, "nested more than"),
        ("- " * 100_000, "nested more than"),
        ("{" * 100_000, "nested more than"),
        ("? " * 100_000, "nested more than"),
        ("a: [1", "line"),
        ("[a]: 1", "line 1, column 1: a key that is no scalar"),
        ("a: \x00", ""),
    ],
)
def test_what_is_not_plain_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words or None):
        load_yaml(text.encode())
    (tmp_path / "case.yaml").write_bytes(text.encode())
    with pytest.raises(UserError, match="is no resolved case"):
        read_case(tmp_path / "case.yaml")
