from pathlib import Path
from typing import get_args

from mobile_vla.episodes.filename_pattern import LAB_PATTERN
from mobile_vla.episodes.findings import MEANING, Check

PAGE = Path(__file__).parents[2] / "docs" / "episodes.md"


def test_every_check_has_a_meaning_and_stands_in_the_documents() -> None:
    assert set(MEANING) == set(get_args(Check))
    page = PAGE.read_text()
    assert [c for c, meaning in MEANING.items() if f"| `{c}` | {meaning} |" not in page] == []
    assert LAB_PATTERN in page
