"""Every reason of the judge has its words in both languages."""

from __future__ import annotations

from typing import Any

import pytest

from mobile_vla.messages.catalogue import sentence
from mobile_vla.messages.reason import codes, reason

SAMPLES: dict[str, Any] = {
    "text": "run_a", "count": 3, "number": 1.5, "exact": "0.027", "seconds": 90.0, "share": 0.8,
    "state": "failed", "verdict": "confounded", "metric": "success", "quantity": "val_loss",
    "direction": "left", "part": "vision", "split": "train", "factors": ["seed"],
    "texts": ["a", "b"], "reason": reason("judge.no_evidence"),
}  # fmt: skip
JUDGE = [code for code in codes() if code.startswith(("judge.", "audit."))]


@pytest.mark.parametrize("code", JUDGE)
@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_reason_is_a_sentence_without_holes(code, language):
    fields = {name: SAMPLES[kind] for name, kind in codes()[code].items()}
    text = sentence(reason(code, **fields), language)
    assert text
    assert "{" not in text
    assert language == "en" or any("가" <= letter <= "힣" for letter in text)
