"""Names and sizes: few vague names, one thing a public class name, no module too long."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "mobile_vla"
VAGUE = frozenset(
    (
        "found", "told", "said", "one", "ones", "seen", "whole", "kept", "own", "known", "wanted",
        "asked", "given", "what", "begun", "began", "drawn", "made", "there", "here", "rest",
        "each", "every", "thing", "so",
    )
)  # fmt: skip
SHARE_PERCENT = 0.5
LINES = 400
USED_TWICE: frozenset[str] = frozenset()
"""Public class names that may stand for two things; meant to stay empty."""


def modules() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCE.rglob("*.py")}


def bound_names(tree: ast.AST) -> Iterator[str]:
    """Names that code assigns to, and names of parameters."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg) and node.arg not in ("self", "cls"):
            yield node.arg


def class_names(trees: dict[Path, ast.Module]) -> dict[str, list[Path]]:
    """Files of each public class name."""
    files: dict[str, list[Path]] = defaultdict(list)
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                files[node.name].append(path.relative_to(SOURCE))
    return files


def test_bound_names_are_those_of_assignments_and_parameters() -> None:
    code = "def f(self, given, *rest):\n    for one in given:\n        told: int = use(found)\n"
    assert sorted(bound_names(ast.parse(code))) == ["given", "one", "rest", "told"]


def test_few_names_are_vague() -> None:
    counts: Counter[str] = Counter()
    vague_in: Counter[str] = Counter()
    for path, tree in modules().items():
        names = list(bound_names(tree))
        counts["all"] += len(names)
        vague_in[str(path.relative_to(SOURCE))] = sum(name in VAGUE for name in names)
    share = 100 * sum(vague_in.values()) / counts["all"]
    assert share < SHARE_PERCENT, f"{share:.2f} %; most in {vague_in.most_common(8)}"


def test_no_module_is_longer_than_400_lines() -> None:
    lines = {path: path.read_text(encoding="utf-8").count("\n") for path in modules()}
    assert not {path: count for path, count in lines.items() if count > LINES}


def test_a_public_class_name_stands_for_one_thing() -> None:
    files = class_names(modules())
    twice = {name: paths for name, paths in files.items() if len(paths) > 1}
    assert not {name: paths for name, paths in twice.items() if name not in USED_TWICE}
    assert set(twice) >= USED_TWICE, "an exception that is not needed any more"
