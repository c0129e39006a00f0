"""`mvla train`: one case in this process, or the plan's queue."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime

from mobile_vla.cli.arguments import StudyOptions, add_jobs, add_json, add_study, count, runs
from mobile_vla.cli.run_options import Setting, json_only_stdout, print_json, progress, setting
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.folder import RunFolder
from mobile_vla.training.launch import launch


class TrainOptions(StudyOptions):
    """The case to train, or all, and how."""

    case: str | None
    all: bool
    resume: bool
    check: bool
    on: str
    jobs: int | None
    threads: int | None
    json: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mvla train`."""
    parser.add_argument("case", nargs="?", help="a case's name or label")
    parser.add_argument("--all", action="store_true", help="train every case the plan has to do")
    parser.add_argument("--resume", action="store_true", help="go on from the latest checkpoint")
    parser.add_argument("--check", action="store_true", help="stop after the checks before a run")
    parser.add_argument(
        "--on", choices=("local", "ray", "slurm"), default="local",
        help="with --all: this machine, the Ray cluster at RAY_ADDRESS, or this machine's SLURM, "
        "whose jobs go on when the command has ended (default: local)",
    )  # fmt: skip
    add_jobs(parser, "with --all: cases trained at once (default: 1; all on a cluster)")
    parser.add_argument(
        "--threads", type=count, metavar="N",
        help="threads of torch (default: 1 for a small VLM, else one per core)",
    )  # fmt: skip
    add_study(parser)
    add_json(parser)
    runs(parser, train, TrainOptions, 'mvla train "Case 1"', needs=("train",))


def train(options: TrainOptions) -> int:
    """Train a case, or with `--all` what the plan says is to do."""
    chosen, place = setting(options), launch()
    if options.all:
        if place.size > 1:
            raise UserError(
                "--all starts the processes of each case by itself: start it once, without "
                "torchrun or srun, or name a case."
            )
        return _train_all(chosen, options)
    if options.case is None:
        names = ", ".join(case.label or case.name for case in chosen.study.cases)
        raise UserError(f"Name a case to train, or --all; {chosen.path} has {names}.")
    if place.rank != 0:
        if not options.check:  # rank 0 checks, and then waits for nobody
            from mobile_vla.training.ranks import follow

            follow()
        return 0
    from mobile_vla.cli.select_run import case_view, run_to_train

    run = run_to_train(chosen, case_view(chosen, options.case), resume=options.resume)
    return _train(run, chosen, options)


def _train_all(chosen: Setting, options: TrainOptions) -> int:
    from mobile_vla.cli.extras import require
    from mobile_vla.cli.select_run import book_of

    require(("sim",))  # each trained case is evaluated, and driven
    with json_only_stdout(options.json):
        failed = _run_all(chosen, options.on, options.jobs)
    if options.json:
        print_json(book_of(chosen).cases())
    return failed


def _run_all(chosen: Setting, engine: str, jobs: int | None) -> int:
    from mobile_vla.cli.extras import require
    from mobile_vla.cli.train_queue import train_all, train_here

    if engine == "local":
        return train_here(chosen, jobs or 1)
    require((engine,))
    workspace, devices = chosen.workspace.path, chosen.profile.devices
    at_once = jobs or len(chosen.study.cases)
    if engine == "ray":
        from mobile_vla.cluster.ray_cluster import RayCluster

        with RayCluster(workspace, devices) as cluster:
            return train_all(chosen, cluster, at_once)
    from mobile_vla.cli.slurm_queue import submit_all
    from mobile_vla.cluster.slurm import Slurm

    submit_all(chosen, Slurm(workspace, devices, at_once))
    return 0


def _train(run: RunFolder, chosen: Setting, options: TrainOptions) -> int:
    from mobile_vla.evidence.run_view import view_run
    from mobile_vla.training.run import train as train_run

    if options.threads:
        import torch

        os.environ["OMP_NUM_THREADS"] = str(options.threads)  # which keeps it, whatever the model
        torch.set_num_threads(options.threads)
    print(f"run folder: {run.path}", file=sys.stderr)
    try:
        with json_only_stdout(options.json), progress(run.path.parent.name) as report:
            ended = train_run(
                run,
                chosen.workspace,
                resume=options.resume,
                check_only=options.check,
                progress=report,
            )
    finally:  # a run that was refused or failed is an answer as well
        if options.json:
            print_json(view_run(run, chosen.workspace.path, datetime.now(UTC)))
    if not options.json:
        print(f"{ended.outcome}: {ended.reason}")
    return 0 if ended.outcome == "finished" else 1
