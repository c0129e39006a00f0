"""The site's navigation, links and generated references, without building it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_spec = importlib.util.spec_from_file_location("build_site", ROOT / "docs" / "build_site.py")
assert _spec and _spec.loader
build_site = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(build_site)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("site") / "pages"
    build_site.collect(folder)
    return folder


def test_every_page_is_in_the_navigation_exactly_once(pages: Path) -> None:
    (pages / "a_new_page.md").write_text("# New\n")
    sections = build_site.navigation(pages)
    names = [name for section in sections.values() for name in section]
    assert sorted(names) == sorted(str(p.relative_to(pages)) for p in pages.rglob("*.md"))
    assert "a_new_page.md" in sections["More"]
    (pages / "a_new_page.md").unlink()


def test_a_page_of_the_navigation_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"tutorial\.md"):
        build_site.navigation(tmp_path)


def test_a_build_removes_nothing_but_its_own_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "old.md").write_text("# Old")
    monkeypatch.setattr("sys.argv", ["build_site.py", "--out", str(tmp_path)])
    monkeypatch.setattr(build_site.sys, "executable", "true")
    assert build_site.main() == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "pages" / "old.md").exists()


def test_every_link_between_pages_holds(pages: Path) -> None:
    broken = [
        f"{page.name}: {link}"
        for page in pages.rglob("*.md")
        for link in re.findall(r"\]\(([^)#:\s]+)[^):]*\)", page.read_text())
        if not (page.parent / link).exists()
    ]
    assert broken == []


def test_the_reference_has_every_command_and_option(pages: Path) -> None:
    from mobile_vla.cli.main import commands_below, parser

    text = (pages / "reference" / "commands.md").read_text()
    commands = list(commands_below(parser()))
    assert len(commands) > 20
    for command in commands:
        assert f"## {command.prog}\n" in text
        part = text.split(f"## {command.prog}\n", 1)[1].split("\n## ", 1)[0]
        for action in command._actions:
            assert all(option in part for option in action.option_strings), command.prog


def test_the_reference_has_every_key_of_a_study_with_its_limits(pages: Path) -> None:
    from mobile_vla.study.models import Study

    text = (pages / "reference" / "study.md").read_text()
    assert all(f"| `{name}` |" in text for name in Study.__struct_fields__)
    assert "| `full_turn` | number > 0 or nothing | none |" in text
    assert "| `epochs` | whole number ≥ 1" in text
    assert "| `study` | text | required |" in text


def test_the_korean_tutorial_has_the_commands_and_files_of_the_english() -> None:
    block = re.compile(r"```\w+\n.*?```", re.DOTALL)
    english, korean = (
        block.findall((ROOT / "docs" / name).read_text())
        for name in ("tutorial.md", "tutorial.ko.md")
    )
    assert english == korean
