"""Outside text reaches a terminal without control sequences, in any encoding."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.cli.terminal import CleanStream
from mobile_vla.messages.printable import printable

HOSTILE = [
    "\x1b]52;c;cHduZWQ=\x07",
    "\x1b[2J",
    "\x1b]0;t\x1b\\",
    "\x9b31m",
    "\x1bc",
    "\u202e",
    "\r",
]


@pytest.mark.parametrize("sequence", HOSTILE)
def test_a_sequence_does_not_pass(sequence: str) -> None:
    assert printable(f"a{sequence}b") == "ab"


@given(st.text(alphabet=st.characters()))
def test_no_control_character_passes(text: str) -> None:
    shown = printable(text).replace("\r\n", "\n")
    assert not any(ord(letter) < 32 and letter not in "\n\t" for letter in shown)
    assert not any(0x7F <= ord(letter) < 0xA0 for letter in shown)
    assert printable(shown) == shown


def test_line_ends_of_windows_stay() -> None:
    assert printable("a\r\nb\rc\r") == "a\r\nbc"


def test_an_encoding_that_lacks_a_letter_is_no_error() -> None:
    behind = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    CleanStream(behind).write("실행 \ud800 ok")
    behind.flush()
    assert behind.buffer.getvalue().endswith(b" ? ok")  # type: ignore[attr-defined]
