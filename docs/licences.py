"""Write `docs/licences.md`: the licences of the packages that mobile-vla and its extras bring.

`python docs/licences.py` writes the page from what is installed; `--check` fails where a row of an
installed package differs. A package that is not installed keeps its row.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "licences.md"
COPYLEFT = {"libx264": "GPL-2.0-or-later", "libx265": "GPL-2.0-or-later"}
"""Libraries inside wheels that are under stronger terms than the package itself."""
HEAD = """# Licences of what is installed

mobile-vla is under Apache-2.0. It installs the packages below under their own terms. The table is
written by `python docs/licences.py` from the packages' own metadata; `make lint` checks it.

| package | brought by | licence | inside its wheel |
| --- | --- | --- | --- |
"""


def requirements() -> dict[str, list[str]]:
    """Direct dependencies, and "base" or the extras that bring each; no development tools."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"base": project["dependencies"], **project["optional-dependencies"]}
    found: dict[str, list[str]] = {}
    for group, lines in groups.items():
        for line in lines if group not in ("dev", "all", "crosscheck") else ():
            name = re.match(r"[\w.-]+", line)[0].lower().replace("_", "-")  # type: ignore[index]
            if name != "mobile-vla":
                found.setdefault(name, []).append(group)
    return found


def row(name: str, groups: list[str]) -> str | None:
    """The table's row of a package, None where it is not installed."""
    try:
        about = metadata(name)
    except PackageNotFoundError:
        return None
    kinds = [c.rsplit(" :: ", 1)[-1] for c in about.get_all("Classifier", []) if "License" in c]
    stated = (about["License"] or "").strip()
    short = stated if len(stated) < 60 and "\n" not in stated else ""
    licence = about["License-Expression"] or ", ".join(kinds) or short or "see its files"
    return f"| {name} | {', '.join(groups)} | {licence} | {bundled(name)} |"


def bundled(name: str) -> str:
    """Libraries of `COPYLEFT` that lie in the installed package's wheel."""
    files = [str(file) for file in distribution(name).files or ()]
    found = {library for library in COPYLEFT for file in files if f"/{library}" in f"/{file}"}
    return ", ".join(f"{library} ({COPYLEFT[library]})" for library in sorted(found))


def main() -> int:
    """Write the page, or check it; the exit status."""
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    kept = {line.split("|")[1].strip(): line for line in old.splitlines() if line.startswith("| ")}
    rows = [row(name, groups) or kept.get(name) for name, groups in sorted(requirements().items())]
    new = HEAD + "\n".join(line for line in rows if line) + "\n"
    if "--check" not in sys.argv:
        PAGE.write_text(new, encoding="utf-8")
    elif new != old:
        print("docs/licences.md is stale: run `python docs/licences.py`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
