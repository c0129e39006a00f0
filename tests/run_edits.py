"""Edits of a finished run folder, drawn by chance, as a person or a broken disk makes them."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

LINKS = ("checkpoints/best", "checkpoints/latest")


def files_of(run: Path) -> list[Path]:
    return sorted(p for p in run.rglob("*") if p.is_file() and not p.parent.is_symlink())


def text_of(run: Path, draw: random.Random) -> tuple[Path, list[bytes]]:
    texts = [p for p in files_of(run) if p.suffix in (".json", ".jsonl", ".csv", ".yaml", ".head")]
    path = draw.choice(texts)
    return path, path.read_bytes().splitlines(keepends=True)


def flip_byte(run: Path, draw: random.Random) -> str:
    path = draw.choice([p for p in files_of(run) if p.stat().st_size])
    data = bytearray(path.read_bytes())
    data[draw.randrange(len(data))] ^= draw.randrange(1, 256)
    path.write_bytes(data)
    return str(path.relative_to(run))


def change_digit(run: Path, draw: random.Random) -> str:
    path, _ = text_of(run, draw)
    data = bytearray(path.read_bytes())
    digits = [match.start() for match in re.finditer(rb"\d", data)]
    if digits:
        at = draw.choice(digits)
        data[at] = draw.choice([d for d in b"0123456789" if d != data[at]])
        path.write_bytes(data)
    return str(path.relative_to(run))


def edit_lines(how: Callable[[list[bytes], random.Random], None]) -> Any:
    def edit(run: Path, draw: random.Random) -> str:
        path, lines = text_of(run, draw)
        if lines:
            how(lines, draw)
        path.write_bytes(b"".join(lines))
        return str(path.relative_to(run))

    edit.__name__ = how.__name__
    return edit


def drop(lines: list[bytes], draw: random.Random) -> None:
    del lines[draw.randrange(len(lines))]


def repeat(lines: list[bytes], draw: random.Random) -> None:
    lines.insert(draw.randrange(len(lines) + 1), draw.choice(lines))


def move(lines: list[bytes], draw: random.Random) -> None:
    lines.insert(draw.randrange(len(lines)), lines.pop(draw.randrange(len(lines))))


def cut_tail(lines: list[bytes], draw: random.Random) -> None:
    del lines[draw.randrange(len(lines)) :]


def truncate(run: Path, draw: random.Random) -> str:
    path = draw.choice([p for p in files_of(run) if p.stat().st_size])
    path.write_bytes(path.read_bytes()[: draw.randrange(path.stat().st_size)])
    return str(path.relative_to(run))


def append(run: Path, draw: random.Random) -> str:
    path = draw.choice(files_of(run))
    path.write_bytes(path.read_bytes() + draw.choice([b"\n", b" ", b"x", b"1,2,3\r\n", b"{}\n"]))
    return str(path.relative_to(run))


def remove(run: Path, draw: random.Random) -> str:
    path = draw.choice(files_of(run))
    path.unlink()
    return str(path.relative_to(run))


def exchange(run: Path, draw: random.Random) -> str:
    """Two files of the run trade their contents."""
    a, b = draw.sample(files_of(run), 2)
    one, other = a.read_bytes(), b.read_bytes()
    a.write_bytes(other)
    b.write_bytes(one)
    return str(a.relative_to(run))


def point_elsewhere(run: Path, draw: random.Random) -> str:
    link = run / draw.choice(LINKS)
    link.unlink()
    targets = [p.name for p in (run / "checkpoints").iterdir() if not p.is_symlink()]
    link.symlink_to(draw.choice([*targets, "step-999999"]))
    return str(link.relative_to(run))


def replace_by_link(run: Path, draw: random.Random) -> str:
    """A file becomes a link to a copy of itself elsewhere."""
    path = draw.choice([p for p in files_of(run) if not p.is_symlink()])
    there = run.parent / "elsewhere"
    there.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(os.path.relpath(there, path.parent))
    return str(path.relative_to(run))


def touch(run: Path, draw: random.Random) -> str:
    path = draw.choice(files_of(run))
    path.touch()
    path.chmod(0o600)
    return str(path.relative_to(run))


def add_file(run: Path, draw: random.Random) -> str:
    name = draw.choice(["notes.txt", "evaluation/more.json", "checkpoints/x.bin"])
    (run / name).write_text("more")
    return name


def both_losses(run: Path, draw: random.Random) -> str:
    """The same better loss in the events and in the curves, as a person would write it."""
    events, metrics = run / "events.jsonl", run / "metrics.csv"
    values = re.findall(rb'"val_loss":([0-9.]+)', events.read_bytes())
    value = draw.choice(values)
    events.write_bytes(events.read_bytes().replace(value, b"0.00420000"))
    digits = format(float(value), ".6g").encode()
    metrics.write_bytes(metrics.read_bytes().replace(digits, b"0.0042"))
    return "events.jsonl"


def flip_success(run: Path, draw: random.Random) -> str:
    path = run / "evaluation" / "rollouts.json"
    data = path.read_bytes()
    old, new = (b"false", b"true") if b'"success": false' in data else (b"true", b"false")
    path.write_bytes(data.replace(b'"success": ' + old, b'"success": ' + new, 1))
    return "evaluation/rollouts.json"


KINDS: list[Callable[[Path, random.Random], str]] = [
    flip_byte, change_digit, edit_lines(drop), edit_lines(repeat), edit_lines(move),
    edit_lines(cut_tail), truncate, append, remove, exchange, point_elsewhere, touch, add_file,
    both_losses, flip_success,
]  # fmt: skip
