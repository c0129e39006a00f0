"""`mvla study use`: the study that commands mean in this folder where none is named."""

from __future__ import annotations

import argparse

from mobile_vla.cli.arguments import Options, add_action, add_actions, add_json, runs


class UseOptions(Options):
    """The options of `mvla study use`."""

    study: str
    json: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `mvla study`."""
    use = add_action(
        add_actions(parser), "use", "make a study the default of commands run in this folder"
    )
    use.add_argument("study", metavar="STUDY", help="a study's name, folder or YAML file")
    add_json(use)
    runs(use, use_study, UseOptions, "mvla study use mine")


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
