from pathlib import Path

from mobile_vla.episodes.filename_pattern import LAB_PATTERN
from mobile_vla.episodes.findings import CHECKS
from mobile_vla.messages.catalogue import term

PAGE = Path(__file__).parents[2] / "docs" / "episodes.md"


def test_every_check_has_a_meaning_in_both_languages_and_is_documented() -> None:
    page = PAGE.read_text()
    assert [c for c in CHECKS if f"| `{c}` | {term('check', c, 'en')} |" not in page] == []
    assert [c for c in CHECKS if term("check", c, "ko") in (c, term("check", c, "en"))] == []
    assert LAB_PATTERN in page
