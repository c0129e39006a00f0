"""A file that the evidence names, as text; only files inside the workspace, only their end."""

from __future__ import annotations

import os
from pathlib import Path

from mobile_vla.dashboard.page import DashboardPage
from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError, reason_of
from mobile_vla.messages.formats import Language, one_line
from mobile_vla.runs.contained_path import PathOutsideError, contained_path
from mobile_vla.runs.outside_files import open_regular, read_regular

TAIL_BYTES = 128 << 10
LONGEST_LINE = 2000


def inside(workspace: Path, name: str, language: Language) -> Path:
    """The file of that name, which lies in the workspace after every link is followed.

    Raises: UserError otherwise.
    """
    try:
        path = contained_path(workspace, name).resolve()
        root = workspace.resolve()
    except (PathOutsideError, OSError, ValueError) as error:
        raise _no_file(name, language) from error
    shared = (root / "data").resolve()  # a workspace may link to episodes elsewhere
    if not path.is_relative_to(root) and not path.is_relative_to(shared):
        raise _no_file(name, language)
    return path


def file_page(workspace: Path, name: str, language: Language) -> DashboardPage:
    """The end of a text file, with the numbers of its lines where it is shown from its start.

    Raises: UserError for what is outside the workspace, is no file, or cannot be read.
    """
    path = inside(workspace, name, language)
    try:
        data, size = _tail(path)
    except OSError as error:
        if path.is_dir():
            raise _no_file(name, language) from error
        why = reason_of(error)
        raise UserError(phrase("dashboard.unreadable", language, path=name, why=why)) from error
    is_binary = b"\0" in data
    text = "" if is_binary else data.decode("utf-8", "replace")
    lines = [one_line(line)[:LONGEST_LINE] for line in text.splitlines()]
    answer = {"file": name, "bytes": size, "tail": len(data) < size, "lines": lines}
    return DashboardPage(
        "file.html.j2", name, lambda: answer, lambda: {**answer, "is_binary": is_binary}
    )


PICTURES = {".gif": "image/gif", ".png": "image/png"}
MOST_PICTURE_BYTES = 32 << 20


def picture(workspace: Path, name: str, language: Language) -> tuple[bytes, str]:
    """A picture of the workspace and its media type.

    Raises: UserError for what is outside the workspace, is no picture, or cannot be read.
    """
    path = inside(workspace, name, language)
    kind = PICTURES.get(path.suffix)
    try:
        data = read_regular(path, MOST_PICTURE_BYTES) if kind else b""
    except OSError as error:
        raise _no_file(name, language) from error
    if kind is None or not data.startswith((b"GIF8", b"\x89PNG")):
        raise _no_file(name, language)
    return data, kind


def _tail(path: Path) -> tuple[bytes, int]:
    """The last bytes of a regular file, from the start of a line, and the file's size."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - TAIL_BYTES))
        data = file.read(TAIL_BYTES)
    if size > TAIL_BYTES:
        data = data[data.find(b"\n") + 1 :]
    return data, size


def _no_file(name: str, language: Language) -> UserError:
    return UserError(phrase("dashboard.no_file", language, path=name), exit_code=1)
