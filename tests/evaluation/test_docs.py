"""The example of docs/evaluation.md runs, and what the page names is there."""

from __future__ import annotations

import re
from pathlib import Path

from mobile_vla.messages.reason import codes

PAGE = Path(__file__).parents[2] / "docs" / "evaluation.md"


def test_the_example_runs() -> None:
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert examples
    for example in examples:
        exec(compile(example, str(PAGE), "exec"), {})


def test_every_fault_is_documented() -> None:
    names = [code.partition(".")[2] for code in codes() if code.startswith("diagnostic.")]
    assert len(names) > 8
    for name in names:
        stem = "does_not_beat_" if name.startswith("does_not_beat_") else name
        assert f"`{stem}" in PAGE.read_text(), name
