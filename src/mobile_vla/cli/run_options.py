"""What several commands need: the study, the workspace, JSON and progress."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from mobile_vla.cli.terminal import bare
from mobile_vla.messages.printable import printable

if TYPE_CHECKING:
    from mobile_vla.cli.arguments import StudyOptions
    from mobile_vla.runs.workspace import Workspace
    from mobile_vla.study.models import Profile, Study

LINE_EVERY_SECONDS = 10.0


class Setting(NamedTuple):
    """The study, profile and workspace that a command line names."""

    study: Study
    path: Path
    profile_name: str
    profile: Profile
    workspace: Workspace

    def command(self, command: str) -> str:
        """A command as it can be pasted: `mvla train left_20 --study mine`."""
        from mobile_vla.study.command_line import command_line

        return command_line(command, self.path, self.profile_name, self.workspace.path)


def setting(options: StudyOptions) -> Setting:
    """Read the study that a command line names, or the default one; check the profile's name."""
    from mobile_vla.runs.workspace import DEFAULT, Workspace
    from mobile_vla.study.load_study import DEFAULT_PROFILE, find_study, load_study, profile_of

    path = find_study(options.study)
    study = load_study(path)
    name = options.profile or DEFAULT_PROFILE
    workspace = Workspace(Path(options.workspace or DEFAULT))
    return Setting(study, path, name, profile_of(study, name, path), workspace)


def print_json(value: Any, indent: int = 2) -> None:
    """Print a struct, or anything of plain values and paths, as indented JSON.

    A reason is its English sentence, with its code and fields beside it (`messages.as_json`).
    """
    import msgspec

    from mobile_vla.messages.as_json import plain

    data = msgspec.json.encode(plain(value), enc_hook=os.fspath)
    print(msgspec.json.format(data, indent=indent).decode())


@contextmanager
def json_only_stdout(json: bool) -> Iterator[None]:
    """With `--json`, send all other output to stderr, that of libraries and processes too."""
    if not json:
        yield
        return
    sys.stdout.flush()
    out = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(out, 1)
        os.close(out)


def cores() -> int:
    """How many CPU cores this process may use."""
    from mobile_vla.runs.process import usable_cores

    return usable_cores()


class Reports(Protocol):
    """Tells how far something is."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """`done` of `total`, with a short note."""


@contextmanager
def progress(title: str) -> Iterator[Reports]:
    """A progress bar on a terminal; elsewhere a line now and then."""
    if not sys.stderr.isatty():
        yield _lines(title)
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(file=bare(sys.stderr)), transient=True) as bars:
        task = bars.add_task(title, total=None, note="")

        def report(done: int, total: int, note: str = "") -> None:
            bars.update(task, completed=done, total=total, note=escape(printable(note)))

        yield report


def _lines(title: str) -> Reports:
    last = time.monotonic()

    def report(done: int, total: int, note: str = "") -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_EVERY_SECONDS:
            last = time.monotonic()
            print(f"{title}: {done} of {total} {note}".rstrip(), file=sys.stderr, flush=True)

    return report
