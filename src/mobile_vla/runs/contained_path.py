"""Paths that a file from outside names: each must stay in the folder it is relative to."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath


class PathOutsideError(ValueError):
    """A path that is empty, absolute or climbs out of its folder."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} is not a path inside its folder")
        self.name = name


def contained_path(folder: Path, name: str) -> Path:
    """`folder / name`, for a `name` that a manifest, table or document gives.

    Only the text is checked: links that stand in the folder are followed, as everywhere.

    Raises:
        PathOutsideError: `name` is empty, absolute (drive letters count), holds a NUL or a `..`.

    >>> contained_path(Path("set"), "videos/a.mp4").as_posix()
    'set/videos/a.mp4'
    """
    path, windows = Path(name), PureWindowsPath(name)
    outside = path.is_absolute() or windows.drive or windows.root or ".." in windows.parts
    if not name or "\0" in name or outside:
        raise PathOutsideError(name)
    return folder / path
