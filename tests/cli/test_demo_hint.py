"""The last line of the demo can be pasted, whatever is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mobile_vla.cli import extras
from mobile_vla.cli.demo import browser_hint
from mobile_vla.cli.run_options import Setting
from mobile_vla.runs.workspace import Workspace

if TYPE_CHECKING:
    from run_folders import Maker


@pytest.mark.parametrize(
    ("package", "start"),
    [("json", "In a browser: mvla ui --open"),
     ("not_there", 'In a browser: pip install "mobile-vla[ui]" && mvla ui --open')],
)  # fmt: skip
def test_the_dashboard_is_named_with_what_it_lacks(
    maker: Maker, monkeypatch: pytest.MonkeyPatch, package: str, start: str
) -> None:
    monkeypatch.setitem(extras.EXTRAS, "ui", (package,))
    study = maker.study
    profile = study.profiles["laptop"]
    chosen = Setting(study, maker.path, "laptop", profile, Workspace(maker.workspace))
    assert browser_hint(chosen).startswith(start)
