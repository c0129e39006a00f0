"""The example of docs/evaluation.md runs, and what the page names is there."""

from __future__ import annotations

import re
from pathlib import Path

from mobile_vla.analysis import diagnostics as faults

PAGE = Path(__file__).parents[2] / "docs" / "evaluation.md"


def test_the_example_runs() -> None:
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert examples
    for example in examples:
        exec(compile(example, str(PAGE), "exec"), {})


def test_every_fault_is_documented() -> None:
    source = Path(faults.__file__).read_text()
    names = re.findall(r'name=f?"([a-z_]+)', source)
    assert len(names) > 8
    for name in names:
        assert f"`{name}" in PAGE.read_text(), name
