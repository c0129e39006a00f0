"""Commands as they are printed: they can be pasted, whatever study and workspace they are for."""

from __future__ import annotations

import shlex
from pathlib import Path

from mobile_vla.messages.errors import UserError
from mobile_vla.runs.workspace import DEFAULT
from mobile_vla.study.load_study import DEFAULT_PROFILE, find_study


def command_line(command: str, study: Path, profile: str, workspace: Path) -> str:
    """A command with `--study`, `--profile` and `--workspace` where they are not the default.

    >>> shipped = find_study("left_right")
    >>> command_line('mvla train "Case 1"', shipped, "full", Path("lab"))
    'mvla train "Case 1" --profile full --workspace lab'
    """
    words = []
    if not _is(study, None):
        words += ["--study", study.parent.name if _is(study, study.parent.name) else str(study)]
    if profile != DEFAULT_PROFILE:
        words += ["--profile", profile]
    if workspace != Path(DEFAULT):
        words += ["--workspace", str(workspace)]
    return " ".join([command, *map(quoted, words)])


def quoted(word: str) -> str:
    """A word as a shell reads it, in double quotes where that is enough.

    >>> quoted("Case 1"), quoted("left_20"), quoted("$HOME")
    ('"Case 1"', 'left_20', "'$HOME'")
    """
    plain = shlex.quote(word)
    return f'"{word}"' if plain != word and not set(word) & set('"$`\\!') else plain


def _is(study: Path, name: str | None) -> bool:
    """Whether a name, or no name, means this study file."""
    try:
        return find_study(name).resolve() == study.resolve()
    except UserError:
        return False
