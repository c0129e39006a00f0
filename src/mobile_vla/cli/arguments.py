"""Arguments that several commands share, and the typed options made of them.

A command's module defines a class of its options and `add_arguments(parser)`, which
adds the arguments and names the function that takes these options. Importing such a module is
cheap: whatever is heavy is imported by the function.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeAlias, dataclass_transform

Actions: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Function: TypeAlias = Callable[[Any], int | None]


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Options:
    """The options of one command, as its annotations type them; they cannot be changed.

    No dataclass: importing `dataclasses` takes a third of the time of `mvla status --help`.
    """

    def __init__(self, **values: object) -> None:
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} cannot be changed")

    @classmethod
    def of(cls, namespace: argparse.Namespace) -> Self:
        """The options that a parsed command line holds."""
        names = [name for base in cls.__mro__[:-1] for name in base.__annotations__]
        return cls(**{name: getattr(namespace, name) for name in names})

    def replace(self, **values: object) -> Self:
        """The same options with some other values."""
        return type(self)(**{**vars(self), **values})


class StudyOptions(Options):
    """Which study, profile and workspace; None is the default (see `run_options.setting`)."""

    study: str | None = None
    profile: str | None = None
    workspace: str | None = None


class EvidenceOptions(StudyOptions):
    """The same, and folders of runs that other programs made."""

    evidence: Sequence[str] = ()


def add_study(parser: argparse.ArgumentParser) -> None:
    """Add `--study`, `--profile` and `--workspace`."""
    parser.add_argument(
        "--study", metavar="STUDY",
        help="a study's name, folder or YAML file "
        "(default: that of `mvla study use`, else study.yaml in this folder, else left_right)",
    )  # fmt: skip
    parser.add_argument("--profile", metavar="NAME", help="the study's profile (default: laptop)")
    add_workspace(parser, "the folder of runs and data")


def add_workspace(parser: argparse.ArgumentParser, text: str) -> None:
    """Add `--workspace`."""
    parser.add_argument("--workspace", metavar="DIR", help=f"{text} (default: workspace)")


def add_evidence(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `add_study`, and `--evidence`."""
    add_study(parser)
    parser.add_argument(
        "--evidence", nargs="+", default=[], metavar="DIR",
        help="folders of runs and logs to scan; without --workspace, only these are read",
    )  # fmt: skip


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def add_jobs(parser: argparse.ArgumentParser, text: str) -> None:
    """Add `--jobs`, a number of processes."""
    parser.add_argument("--jobs", type=count, metavar="N", help=text)


def add_actions(parser: argparse.ArgumentParser) -> Actions:
    """Make a group of a command: `mvla episodes ACTION`."""
    return parser.add_subparsers(metavar="ACTION", required=True)


def add_action(actions: Actions, name: str, summary: str) -> argparse.ArgumentParser:
    """Add one command to a group, with one line of what it does."""
    description = f"{summary[0].upper()}{summary[1:]}."
    return actions.add_parser(name, help=summary, description=description)


def runs(
    parser: argparse.ArgumentParser,
    function: Function,
    options: type[Options],
    example: str,
    needs: Sequence[str] = (),
) -> None:
    """Name the function that a command runs, the type of its options, and an example for help.

    `needs`: extras without which the command does nothing (see `extras`).
    """
    parser.epilog = f"example: {example}"
    parser.set_defaults(function=function, options=options, needs=needs)


def count(text: str) -> int:
    """A whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


def seconds(text: str) -> float:
    """The length of a control step: above 0, below 60 s."""
    value = float(text)
    if not 0 < value < 60:
        raise argparse.ArgumentTypeError(f"{value} s is no step: give more than 0, less than 60")
    return value
