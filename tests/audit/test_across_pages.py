"""Pages held against each other."""

from __future__ import annotations

import msgspec

from made_claims import claim
from mobile_vla.audit.across_pages import disagreements
from mobile_vla.claims.model import Claim, Place
from mobile_vla.messages.catalogue import sentence


def page(name: str, *claims: Claim) -> tuple[str, list[Claim]]:
    """A page that was read; each claim stands on a line of its own."""
    placed = [msgspec.structs.replace(one, place=Place(line=number, start=0, end=1))
              for number, one in enumerate(claims, 1)]  # fmt: skip
    return name, placed


def test_two_pages_that_give_one_quantity_two_values_are_both_named():
    first = page("a.md", claim("seed", "1"), claim("val_loss", "0.013", qualifier="best"))
    second = page("b.md", claim("val_loss", "0.027", qualifier="best"))
    (found,) = disagreements([first, second])
    assert (found.first_page, found.first.place.line) == ("a.md", 2)
    assert (found.second_page, found.second.place.line) == ("b.md", 1)
    assert "0.013" in sentence(found.reason, "en")
    assert "a.md" in sentence(found.reason, "ko")


def test_rounded_values_and_other_epochs_splits_and_runs_do_not_disagree():
    told = page(
        "a.md", claim("val_loss", "0.027", epoch=8), claim("val_loss", "0.0271", epoch=8),
        claim("val_loss", "0.036", epoch=9), claim("episodes", "200", split="train"),
        claim("episodes", "50", split="val"), claim("seed", "1"), claim("seed", "2", run="b"),
        claim("seed", "3", sure="candidate"), claim("epochs", "9", comparator="at_most"),
        claim("epochs", "10"),
    )  # fmt: skip
    assert disagreements([told]) == []


def test_two_places_of_one_page_and_words_disagree_too():
    told = page("a.md", claim("state", "finished"), claim("state", "failed"),
                claim("state", "finished"))  # fmt: skip
    assert [(d.first.value, d.second.value) for d in disagreements([told])] == [
        ("finished", "failed"), ("failed", "finished"),
    ]  # fmt: skip
