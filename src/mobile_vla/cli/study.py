"""`mvla study`: a first study file, one from a RoboVLMs configuration, a folder's default study."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mobile_vla.cli.arguments import Actions, Options, add_action, add_actions, add_json, runs
from mobile_vla.messages.errors import UserError

if TYPE_CHECKING:
    from mobile_vla.study.robovlms_config import ImportedConfig


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


class ImportConfigOptions(Options):
    """The options of `mvla study import`."""

    config: str
    out: str | None
    data: str | None
    leave_out: Sequence[str]
    json: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `mvla study`."""
    actions = add_actions(parser)
    _add_new(actions)
    _add_import(actions)
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


def _add_import(actions: Actions) -> None:
    text = "make a study of a RoboVLMs configuration, and list what became of every key"
    action = add_action(actions, "import", text)
    action.add_argument("config", metavar="CONFIG", help="the configuration, a JSON file")
    action.add_argument("--out", metavar="FILE", help="write a study of one case to this YAML file")
    action.add_argument("--data", metavar="FOLDER", help="the data set of episodes to train on")
    action.add_argument(
        "--leave-out", nargs="+", default=[], metavar="KEY",
        help="go on without these keys, * for any part of one (unknown or not supported ones)",
    )  # fmt: skip
    add_json(action)
    example = (
        "mvla study import kosmos.json --out studies/mine/study.yaml --data workspace/data/mine"
    )
    runs(action, import_study, ImportConfigOptions, example)


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


def import_study(options: ImportConfigOptions) -> int:
    """List what became of every key; with `--out`, write the study.

    Exit 1 where the configuration describes another model than one here.

    Raises:
        UserError: the file is no RoboVLMs configuration, a key blocks a study that is to be
            written, or the episodes do not fit.
    """
    from mobile_vla.cli.run_options import print_json
    from mobile_vla.study.robovlms_config import import_config

    if options.out and not options.data:
        raise UserError("A study needs episodes: name their folder with --data.")
    imported = import_config(Path(options.config), options.leave_out)
    if options.json:
        print_json({"study": options.out, "keys": imported.outcomes, "recipe": imported.recipe})
    else:
        _print_outcomes(imported)
    if options.out:
        _write_imported(Path(options.out), options, imported)
    return int(bool(imported.blocking))


def _print_outcomes(imported: ImportedConfig) -> None:
    from mobile_vla.messages.catalogue import phrase, sentence

    for outcome in imported.outcomes:
        kind = phrase(f"robovlms_outcome.{outcome.outcome}", "en")
        missing = phrase("robovlms_outcome.implied", "en") if outcome.implied else ""
        why = sentence(outcome.why, "en")
        print(f"{kind:<14} {outcome.key} = {outcome.value}{missing}: {why}")
    print(phrase("robovlms_outcome.count", "en", keys=len(imported.outcomes),
                 blocking=len(imported.blocking)))  # fmt: skip


def _write_imported(path: Path, options: ImportConfigOptions, imported: ImportedConfig) -> None:
    from mobile_vla.episodes.draft_study import read_recordings
    from mobile_vla.episodes.robovlms_study import PROFILE, write_study
    from mobile_vla.runs.workspace import DEFAULT
    from mobile_vla.study.command_line import command_line

    config = Path(options.config)
    recordings = read_recordings(Path(options.data or ""))
    study = write_study(path, config, imported, recordings)
    if not options.json:
        print(f"The study is {path}. Next:")
        command = f"mvla train {study.cases[0].name} --check"
        print(command_line(command, path, PROFILE, Path(DEFAULT)))


def use_study(options: UseOptions) -> None:
    """Read the study, then keep its name in this folder.

    Raises:
        UserError: there is no such study, or it has faults; the default stays as it is.
    """
    from mobile_vla.cli.run_options import print_json
    from mobile_vla.runs.files import write_named
    from mobile_vla.study.load_study import CHOSEN_STUDY, find_study, load_study

    study = load_study(find_study(options.study))
    write_named(CHOSEN_STUDY, f"{options.study}\n".encode())
    if options.json:
        print_json({"study": study.study, "chosen": options.study})
        return
    print(f"Commands in this folder use the study {study.study}; delete {CHOSEN_STUDY} to undo it.")
