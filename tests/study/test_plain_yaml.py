"""The quick reader reads what ruamel reads, and refuses what is not plain."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from mobile_vla.messages.errors import UserError
from mobile_vla.study.case_file import read_case
from mobile_vla.study.plain_yaml import load_plain

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


def dumped(value: object) -> bytes:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    text = io.StringIO()
    yaml.dump(value, text)
    return text.getvalue().encode()


@settings(max_examples=150, deadline=None)
@given(TREES)
def test_what_is_dumped_comes_back(value: object) -> None:
    assert load_plain(dumped(value)) == value


@pytest.mark.parametrize(
    "text",
    ["a: 1e-3\nb: 0x1F\nc: -.5\nd: +3\ne: 1.\nf: .inf\ng: -.INF", "a: [1, {b: c}]\nd: 'it''s'",
     "a: |\n  two\n  lines\nb: >\n  folded\n  text", "- ~\n-\n- null\n- True\n- no", ""],
)  # fmt: skip
def test_it_reads_as_ruamel_does(text: str) -> None:
    assert load_plain(text.encode()) == YAML(typ="safe", pure=True).load(text)


def test_not_a_number() -> None:
    assert math.isnan(load_plain(b"a: .nan")["a"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &x 1\nb: *x", "anchor"),
        ("a: !!python/object:os.system x", "not plain"),
        ("a: 1\na: 2", "line 2: the key 'a' stands twice"),
        ("a: 1\n---\nb: 2", "more than one document"),
        ("[" * 100_000, "nested more than"),
        ("- " * 100_000, "nested more than"),
        ("{" * 100_000, "nested more than"),
        ("? " * 100_000, "nested more than"),
        ("a: [1", "line"),
        ("[a]: 1", "a key that is no scalar"),
        ("a: \x00", ""),
    ],
)
def test_what_is_not_plain_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words or None):
        load_plain(text.encode())
    (tmp_path / "case.yaml").write_bytes(text.encode())
    with pytest.raises(UserError, match="is no resolved case"):
        read_case(tmp_path / "case.yaml")
