"""`python -m benchmarks [--list] [NAME [ARGUMENT…]]`: run one benchmark, or all in turn.

A benchmark is a module of this folder with a `main(argv) -> int`; each gets its own process.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).parent
START = "import importlib, sys; sys.exit(importlib.import_module(sys.argv[1]).main(sys.argv[2:]))"


def benchmarks() -> dict[str, str]:
    """Name of each benchmark and what it says it measures, without importing any."""
    found = {}
    for path in sorted(FOLDER.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        if not path.name.startswith("__") and "main" in functions:
            found[path.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def run(name: str, argv: Sequence[str]) -> int:
    """One benchmark in its own process, in this folder's parent."""
    print(f"== {name}", flush=True)
    command = [sys.executable, "-c", START, f"benchmarks.{name}", *argv]
    return subprocess.run(command, cwd=FOLDER.parent, check=False).returncode


def main(argv: Sequence[str]) -> int:
    """Exit status: 0 where all ran, 1 where one failed, 2 for an unknown name."""
    known = benchmarks()
    if argv and argv[0] in ("--list", "--help", "-h"):
        print(*(f"{name:<12} {what}" for name, what in known.items()), sep="\n")
        return 0
    if argv and argv[0] not in known:
        print(f"There is no benchmark {argv[0]}: choose from {', '.join(known)}.", file=sys.stderr)
        return 2
    if argv:
        return run(argv[0], argv[1:])
    return int(any([run(name, []) for name in known]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
