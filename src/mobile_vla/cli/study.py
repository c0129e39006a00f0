"""`mvla study new` and `mvla study use`: a first study file, and a folder's default study."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from mobile_vla.cli.arguments import Actions, Options, add_action, add_actions, add_json, runs
from mobile_vla.messages.errors import UserError


class NewOptions(Options):
    """The options of `mvla study new`."""

    name: str
    data: str
    evaluation: str | None
    json: bool


class UseOptions(Options):
    """The options of `mvla study use`."""

    study: str
    json: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `mvla study`."""
    actions = add_actions(parser)
    _add_new(actions)
    use = add_action(actions, "use", "make a study the default of commands run in this folder")
    use.add_argument("study", metavar="STUDY", help="a study's name, folder or YAML file")
    add_json(use)
    runs(use, use_study, UseOptions, "mvla study use mine")


def _add_new(actions: Actions) -> None:
    new = add_action(actions, "new", "write a first study file for a folder of episodes")
    new.add_argument("name", metavar="NAME", help="the study's name; written to studies/NAME")
    new.add_argument("--data", metavar="FOLDER", required=True, help="a data set of episodes")
    new.add_argument("--evaluation", metavar="SET", help="the evaluation set (default: DATA_eval)")
    add_json(new)
    example = "mvla study new mine --data workspace/data/mine"
    runs(new, new_study, NewOptions, example, needs=("data",))


def new_study(options: NewOptions) -> None:
    """Look at the episodes, then write `studies/NAME/study.yaml`.

    Raises:
        UserError: the name is no name, the file exists, or no episode can be used.
    """
    from mobile_vla.cli.run_options import print_json
    from mobile_vla.episodes.draft_study import read_recordings, remarks, write_draft

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", options.name):
        raise UserError(
            f"{options.name!r} is no name of a study: use letters, digits, and . _ + - after the "
            "first."
        )
    path = Path("studies") / options.name / "study.yaml"
    recordings = read_recordings(Path(options.data))
    study = write_draft(path, options.name, recordings, options.evaluation)
    notes = remarks(recordings)
    if options.json:
        cases = [case.name for case in study.cases]
        print_json({"path": path, "episodes": recordings.counts, "cases": cases, "remarks": notes})
        return
    for note in notes:
        print(note)
    print(f"{len(recordings.episodes)} episodes; the study is {path}. Next:")
    print(f"mvla train --all --study {options.name}")


def use_study(options: UseOptions) -> None:
    """Read the study, then keep its name in this folder.

    Raises:
        UserError: there is no such study, or it has faults; the default stays as it is.
    """
    from mobile_vla.cli.run_options import print_json
    from mobile_vla.runs.files import write_atomic
    from mobile_vla.study.load_study import CHOSEN_STUDY, find_study, load_study

    study = load_study(find_study(options.study))
    write_atomic(CHOSEN_STUDY, f"{options.study}\n".encode())
    if options.json:
        print_json({"study": study.study, "chosen": options.study})
        return
    print(f"Commands in this folder use the study {study.study}; delete {CHOSEN_STUDY} to undo it.")
