"""`mvla evaluate`."""

from __future__ import annotations

import argparse

from mobile_vla.cli.arguments import StudyOptions, add_jobs, add_json, add_study, runs
from mobile_vla.cli.run_options import (
    Setting,
    cores,
    json_only_stdout,
    print_json,
    progress,
    setting,
)
from mobile_vla.messages.catalogue import sentence
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.folder import RunFolder


class EvaluateOptions(StudyOptions):
    """The case to evaluate, or all, and how."""

    case: str | None
    all: bool
    checkpoint: str
    scenes: int | None
    jobs: int | None
    json: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mvla evaluate`."""
    parser.add_argument("case", nargs="?", help="a case's name or label")
    parser.add_argument(
        "--all", action="store_true",
        help="evaluate every checkpoint that has not been, and say which offline number "
        "follows success in driving",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoint", default="best", metavar="NAME",
        help="best, latest, or a folder of checkpoints/ such as step-000200 "
        "(default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--scenes", type=int, metavar="N", help="scenes to drive (default: the profile's)"
    )
    add_jobs(parser, "processes that drive (default: one per core)")
    add_study(parser)
    add_json(parser)
    runs(parser, evaluate, EvaluateOptions, 'mvla evaluate "Case 3"', needs=("train", "sim"))


def evaluate(options: EvaluateOptions) -> None:
    """Evaluate a checkpoint of the run that speaks for a case, or all of every case."""
    chosen = setting(options)
    if options.scenes is not None and options.scenes < 0:
        raise UserError(f"--scenes {options.scenes} is less than none: give 0 or more.")
    if options.all == (options.case is not None):
        raise UserError("Name one case, or give --all for every trained case.")
    scenes = chosen.profile.rollout_scenes if options.scenes is None else options.scenes
    jobs = options.jobs or cores()
    if options.case is not None:
        _one(chosen, options, options.case, scenes, jobs)
    elif options.checkpoint != "best":
        raise UserError("--all evaluates every checkpoint: leave --checkpoint out.")
    else:
        _all(chosen, options, scenes, jobs)


def _one(chosen: Setting, options: EvaluateOptions, name: str, scenes: int, jobs: int) -> None:
    import msgspec

    from mobile_vla.analysis.diagnostics import diagnose, name_of
    from mobile_vla.cli.print_results import print_driving, print_faults, print_offline
    from mobile_vla.cli.select_run import book_of
    from mobile_vla.evaluation.evaluate import evaluate_run
    from mobile_vla.study.command_line import quoted

    view = book_of(chosen).case(name).run
    if view is None:
        train = chosen.command(f"mvla train {quoted(name)}")
        raise UserError(f"{name} has no run: train it with `{train}`.")
    run = RunFolder(chosen.workspace.path / view.path)
    with json_only_stdout(options.json), progress(f"driving {scenes} scenes") as report:
        offline, rollouts = evaluate_run(
            run, chosen.workspace, scenes, report, checkpoint=options.checkpoint, jobs=jobs
        )
    diagnostics = diagnose(msgspec.structs.replace(view, offline=offline, rollouts=rollouts))
    if options.json:
        named = [
            {"name": name_of(fault), "en": sentence(fault, "en"), "ko": sentence(fault, "ko"),
             "code": fault.code, "fields": fault.fields}
            for fault in diagnostics
        ]  # fmt: skip
        print_json({"offline": offline, "rollouts": rollouts, "faults": named})
        return
    print_offline(offline)
    print_driving(rollouts)
    print_faults(diagnostics)
    print(f"\nwritten to {run.evaluation}")


def _all(chosen: Setting, options: EvaluateOptions, scenes: int, jobs: int) -> None:
    from mobile_vla.analysis.wording_trust import trust_lines
    from mobile_vla.cli.evaluate_all import NAME, evaluate_all

    with json_only_stdout(options.json):
        results = evaluate_all(chosen, scenes, jobs)
    if options.json:
        print_json(results)
        return
    for line in trust_lines(results, "en"):
        print(line)
    print(f"\nwritten to {chosen.workspace.path / NAME}.json and .png")
