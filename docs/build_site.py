"""Build the documentation site from docs/, the README and the program itself, by Zensical.

    python docs/build_site.py                 into build/site
    python docs/build_site.py --out FOLDER    into another folder

A page that `NAVIGATION` does not name is under "More". References are written from the
parsers and the models of a study at every build, so they cannot be stale. The build is strict: a
link to a page that does not exist fails it.
"""

from __future__ import annotations

import argparse
import inspect
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
TOP_PAGES = {
    "README.md": "index.md",
    "README.ko.md": "index.ko.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
"""Pages outside docs/, and what the site calls them."""

NAVIGATION = {
    "Start": ["index.md", "index.ko.md", "install.md", "tutorial.md", "tutorial.ko.md"],
    "How to": [
        "studies.md", "episodes.md", "weights.md", "gpu.md", "scale.md", "evaluation.md",
        "serving.md", "evidence.md", "seals.md", "audit.md", "dashboard.md",
    ],
    "Understand": ["concepts.md", "faq.md", "runs.md", "architecture.md"],
    "Reference": ["reference/commands.md", "reference/study.md", "reference/api.md"],
    "Project": ["contributing.md", "changelog.md", "security.md", "licences.md"],
}  # fmt: skip
"""Sections and their pages, in order."""

API = (
    "mobile_vla.analysis.casebook", "mobile_vla.analysis.statistics", "mobile_vla.runs.folder",
    "mobile_vla.study.load_study", "mobile_vla.messages.reason",
)  # fmt: skip
"""Modules whose docstrings the API reference shows."""


def main() -> int:
    """Build the site; exit 1 where a link or a docstring fails."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", type=Path, default=ROOT / "build" / "site")
    chosen = options.parse_args()
    work = chosen.out.resolve()
    pages = work / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    collect(pages)
    (work / "zensical.toml").write_text(configuration(pages), encoding="utf-8")
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    return subprocess.run([*command, "-f", "zensical.toml"], cwd=work, check=False).returncode


def collect(pages: Path) -> None:
    """Copy every page and picture to one folder, with links to where they lie there."""
    shutil.copytree(DOCS, pages, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for source, name in TOP_PAGES.items():
        shutil.copyfile(ROOT / source, pages / name)
    for page in pages.rglob("*.md"):
        page.write_text(relinked(page.read_text(encoding="utf-8")), encoding="utf-8")
    reference = pages / "reference"
    reference.mkdir()
    (reference / "commands.md").write_text(commands(), encoding="utf-8")
    (reference / "study.md").write_text(study_keys(), encoding="utf-8")
    (reference / "api.md").write_text(api(), encoding="utf-8")


def relinked(text: str) -> str:
    """The text with links that hold inside the site; files outside it are named, not linked."""
    text = re.sub(r"\]\(docs/", "](", text)
    for source, name in TOP_PAGES.items():
        text = re.sub(rf"\]\((\.\./)?{re.escape(source)}", f"]({name}", text)
    text = re.sub(r"\[([^]]*)\]\(\.\./[^)]*\)", r"\1", text)
    return re.sub(r"\[([^]]*)\]\(LICENSE\)", r"\1", text)


def navigation(pages: Path) -> dict[str, list[str]]:
    """`NAVIGATION`, and under "More" the pages that it does not name.

    Raises:
        SystemExit: `NAVIGATION` names a page that does not exist.
    """
    present = {str(page.relative_to(pages)) for page in pages.rglob("*.md")}
    listed = {name for names in NAVIGATION.values() for name in names}
    if absent := sorted(listed - present):
        raise SystemExit(f"NAVIGATION names pages that do not exist: {', '.join(absent)}")
    return {**NAVIGATION, "More": sorted(present - listed)}


def configuration(pages: Path) -> str:
    """The project file of Zensical."""
    nav = ", ".join(
        f"{{{msgspec.json.encode(title).decode()} = {msgspec.json.encode(names).decode()}}}"
        for title, names in navigation(pages).items()
        if names
    )
    return f"""[project]
site_name = "mobile-vla"
site_description = "Train vision-language-action policies, and know what the runs show"
docs_dir = "pages"
site_dir = "html"
nav = [{nav}]

[project.theme]
features = ["navigation.sections", "content.code.copy", "toc.follow"]
font = false

[project.plugins.mkdocstrings.handlers.python]
paths = [{msgspec.json.encode(str(ROOT / "src")).decode()}]
"""


def commands() -> str:
    """Every command with its arguments, options and defaults, from the parsers."""
    from mobile_vla.cli.main import commands_below, parser

    parts = ["# Commands\n\nEvery command, with what `--help` prints.\n"]
    for command in commands_below(parser()):
        command.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=88)
        parts.append(f"## {command.prog}\n\n```text\n{command.format_help().strip()}\n```\n")
    return "\n".join(parts)


def study_keys() -> str:
    """Every key of a study file with its type and default, from the models."""
    from mobile_vla.study.models import Recipe, Study

    parts = [
        "# Keys of study.yaml\n\nA study is read strictly: a key that is not listed here is an "
        "error. `base` and every `recipe` hold keys of [Recipe](#recipe).\n"
    ]
    for model in models(Study, models(Recipe, {})).values():
        rows = [f"| `{f.name}` | {words(f.type)} | {default(f)} |" for f in fields(model)]
        parts.append(
            f"## {model.__name__}\n\n{inspect.getdoc(model)}\n\n"
            f"| key | type | default |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"
        )
    return "\n".join(parts)


def fields(model: type) -> tuple[Any, ...]:
    """The fields of a model, with types that hold their limits."""
    kind: Any = msgspec.inspect.type_info(model)
    return tuple(kind.fields)


def models(model: type, known: dict[str, type]) -> dict[str, type]:
    """A model and all that its fields hold, by name, without those already known."""
    if model.__name__ in known:
        return known
    known = {**known, model.__name__: model}
    for field in fields(model):
        for inner in inner_types(field.type):
            if isinstance(inner, msgspec.inspect.StructType):
                known = models(inner.cls, known)
    return known


def inner_types(kind: Any) -> Iterator[Any]:
    """A type and the types inside it, without the fields of a model."""
    yield kind
    inside = [getattr(kind, name, None) for name in ("item_type", "key_type", "value_type", "type")]
    for inner in [*inside, *getattr(kind, "item_types", ()), *getattr(kind, "types", ())]:
        if isinstance(inner, msgspec.inspect.Type):
            yield from inner_types(inner)


def words(kind: Any) -> str:  # noqa: PLR0911
    """A type in words: `list of text`, `whole number ≥ 1`."""
    match kind:
        case msgspec.inspect.Metadata():
            return words(kind.type)
        case msgspec.inspect.StructType():
            name = kind.cls.__name__
            return f"[{name}](#{name.lower()})"
        case msgspec.inspect.LiteralType():
            return " or ".join(f"`{value}`" for value in kind.values)
        case msgspec.inspect.UnionType():
            return " or ".join(words(inner) for inner in kind.types)
        case msgspec.inspect.VarTupleType() | msgspec.inspect.ListType():
            return f"list of {words(kind.item_type)}"
        case msgspec.inspect.TupleType():
            return "pair of " + " and ".join(words(inner) for inner in kind.item_types)
        case msgspec.inspect.DictType():
            return f"keys to {words(kind.value_type)}"
        case msgspec.inspect.IntType() | msgspec.inspect.FloatType():
            name = "whole number" if isinstance(kind, msgspec.inspect.IntType) else "number"
            signs = {"≥": kind.ge, ">": kind.gt, "≤": kind.le, "<": kind.lt}
            limits = [f"{sign} {limit:,}" for sign, limit in signs.items() if limit is not None]
            return " ".join([name, " and ".join(limits)]).strip()
    simple = {"StrType": "text", "BoolType": "`true` or `false`", "NoneType": "nothing"}
    return simple.get(type(kind).__name__, "any value")


def default(field: Any) -> str:
    """The default of a field, or that it must be given."""
    if field.required:
        return "required"
    value = field.default
    if value is msgspec.NODEFAULT:
        value = field.default_factory()
    if isinstance(value, msgspec.Struct | dict) or value == ():
        return "its defaults" if isinstance(value, msgspec.Struct) else "empty"
    return f"`{msgspec.json.encode(value).decode()}`" if value is not None else "none"


def api() -> str:
    """The pages of modules, which mkdocstrings fills from their docstrings."""
    head = "# Python API\n\nThe evidence can be read from Python without torch.\n"
    return "\n".join([head, *(f"::: {module}\n" for module in API)])


if __name__ == "__main__":
    sys.exit(main())
