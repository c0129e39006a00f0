"""Patterns behind gates: a gate never shuts out what its pattern would find."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mobile_vla.old_audit.audit_document  # noqa: F401 - every gate is made by it
from mobile_vla.old_claims import gates
from mobile_vla.old_claims.gates import Gate, branches, first_words
from mobile_vla.old_claims.tokens import small

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks import audit as corpus

LINES = sorted(
    {
        small(line)
        for name in corpus.CORPORA
        for path in name.glob("[0-9]*.md")
        for line in corpus.unmarked(path.read_bytes())[0].decode().splitlines()
    }
)


def test_every_gate_opens_for_what_its_pattern_finds_in_any_corpus() -> None:
    assert len(gates._gates) > 15
    assert len(LINES) > 800
    for gate in gates._gates:
        shut = [t for t in LINES if gate.regex.search(t) and not gate.search(t)]
        assert shut == [], gate.pattern


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([word for line in LINES for word in line.split()]), max_size=12))
def test_and_in_any_order_of_their_words(words: list[str]) -> None:
    text = " ".join(words)
    for gate in gates._gates:
        assert bool(gate.search(text)) == bool(gate.regex.search(text)), gate.pattern


def test_first_words_are_what_an_alternative_must_begin_with() -> None:
    pattern = r"ab(?:c|d)|(?:ef|g)h|[xy]z|\(q|\bkl?m|(?<!n)op"
    found = {word for branch in branches(pattern) for word in first_words(branch)}
    assert found == {"ab", "ef", "g", "x", "y", "(q", "k", "op"}


@pytest.mark.parametrize("pattern", [r"\d+", r"a?b", r"(?:a|b)?c", r"ab|\w", r"[^a]b"])
def test_a_pattern_that_may_begin_with_anything_has_no_gate(pattern: str) -> None:
    with pytest.raises(ValueError, match="may begin with anything"):
        Gate(pattern)
