"""The command line: a table of commands. Only the module of the command asked for is imported."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator, Sequence

from mobile_vla import __version__
from mobile_vla.cli.arguments import add_action
from mobile_vla.cli.terminal import clean_output, close_output
from mobile_vla.messages.errors import UserError

COMMANDS = {
    "demo": "run the whole example study on this machine, from simulated episodes to the report",
    "train": "train a case, or every case that is still to do",
    "evaluate": "measure a trained case: errors, baselines, other instructions, simulated drives",
    "serve": "answer robots with a trained policy (openpi, vla-eval, REST)",
    "drive": "drive a robot, or the simulator, with a served policy",
    "status": "show which training runs exist, and in what state each is",
    "scan": "read training runs that other programs made",
    "compare": "say whether two cases may be compared, and what the comparison shows",
    "plan": "list what is done, running, to do and blocked, with the next commands",
    "audit": "check the claims of documents against the evidence, and correct them",
    "card": "write a model card of a finished run from its evidence",
    "seal": "sign what a run's files are (in-toto statement, DSSE envelope)",
    "verify": "check every byte of runs against their events and seals",
    "push": "send a run's weights, card and seal to the Hugging Face Hub",
    "report": "write the study's page from the evidence",
    "ui": "show the evidence in a browser",
    "mcp": "answer assistant programs from the evidence (an MCP server)",
    "episodes": "simulate, import, check, compare, export and draw demonstrations",
    "study": "write a first study, import one, choose the study that commands use in this folder",
    "weights": "show what checkpoints hold, compare two, merge or export a policy",
    "vlm": "make the small VLMs again",
}
"""Each command, which is a module of this package, with one line of what it does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; exit 2 for a usage error or output that fails, 1 for a negative finding."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    with clean_output():
        try:
            try:
                return _run(words)
            finally:
                close_output()
        except UserError as error:
            for fault in error.faults:
                print(f"mvla: {fault}", file=sys.stderr)
            return error.exit_code
        except KeyboardInterrupt:
            print("mvla: interrupted.", file=sys.stderr)
            return 130


def _run(words: list[str]) -> int:
    command = next((word for word in words if not word.startswith("-")), "")
    namespace = parser(command).parse_args(words)
    from mobile_vla.cli.extras import installed

    with installed(namespace.needs):
        try:
            return namespace.function(namespace.options.of(namespace)) or 0
        except BrokenPipeError:  # the reader of the output has gone
            return 0


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line; with `only`, the arguments of that command alone."""
    root = argparse.ArgumentParser(
        prog="mvla",
        description="Train vision-language-action policies for a mobile robot, "
        "and know what your training runs show.",
        epilog="Every command has --help with an example.",
    )
    root.add_argument("--version", action="version", version=f"mvla {__version__}")
    commands = root.add_subparsers(metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = add_action(commands, name, summary)
        if only in (None, name):
            importlib.import_module(f"mobile_vla.cli.{name}").add_arguments(command)
    return root


def commands_below(group: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parsers of all commands that can be run, without those that only group others."""
    tables = [a for a in group._actions if isinstance(a, argparse._SubParsersAction)]
    if not tables:
        yield group
    for table in tables:
        for command in table.choices.values():
            yield from commands_below(command)


if __name__ == "__main__":
    sys.exit(main())
