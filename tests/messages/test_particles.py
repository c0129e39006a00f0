"""Korean particles by the last sound of a word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.messages.particles import PAIRS, RIEUL, with_particle

HANGUL = st.characters(min_codepoint=ord("가"), max_codepoint=ord("힣"))
PAIR = st.sampled_from(sorted(PAIRS))


@given(st.text(max_size=12), PAIR)
def test_a_word_is_kept_and_followed_by_one_of_the_pair(word: str, pair: str) -> None:
    assert with_particle(word, pair) in {word + particle for particle in PAIRS[pair]}


@given(st.text(max_size=6), HANGUL, PAIR)
def test_hangul_decides_by_its_final_consonant(head: str, last: str, pair: str) -> None:
    final = (ord(last) - ord("가")) % 28
    closed, open_ = PAIRS[pair]
    expected = closed if final and not (pair == "으로/로" and final == RIEUL) else open_
    assert with_particle(head + last, pair) == head + last + expected


@given(st.text(max_size=6), HANGUL, st.text(alphabet=" .,()[]`'\"–…", max_size=4), PAIR)
def test_punctuation_after_the_word_changes_nothing(
    head: str, last: str, tail: str, pair: str
) -> None:
    bare = with_particle(head + last, pair).removeprefix(head + last)
    assert with_particle(head + last + tail, pair) == head + last + tail + bare


@given(st.integers(min_value=0, max_value=10**9))
def test_numbers_are_read_by_their_last_digit(number: int) -> None:
    closed = str(number)[-1] in "013678"
    assert with_particle(str(number), "이/가") == f"{number}{'이' if closed else '가'}"


@pytest.mark.parametrize(
    ("word", "pair", "expected"),
    [
        ("1", "으로/로", "1로"),
        ("3", "으로/로", "3으로"),
        ("VLM", "은/는", "VLM은"),
        ("GPU", "이/가", "GPU가"),
        ("Kosmos-2", "과/와", "Kosmos-2와"),
        ("25 %", "을/를", "25 %를"),
        ("manifest.json", "이/가", "manifest.json이"),
        ("case.yaml", "으로/로", "case.yaml로"),
        ("", "이/가", "가"),
    ],
)
def test_latin_words_and_numbers(word: str, pair: str, expected: str) -> None:
    assert with_particle(word, pair) == expected


def test_a_pair_that_is_not_listed_is_an_error() -> None:
    with pytest.raises(KeyError):
        with_particle("말", "가/이")
