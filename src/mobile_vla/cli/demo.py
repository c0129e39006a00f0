"""`mvla demo`: the study at laptop scale, from simulation to the report."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from mobile_vla.cli.arguments import StudyOptions, add_jobs, add_json, add_study, runs
from mobile_vla.cli.extras import is_installed
from mobile_vla.cli.run_options import (
    Setting,
    cores,
    json_only_stdout,
    print_json,
    progress,
    setting,
)
from mobile_vla.study.load_study import case_counts
from mobile_vla.study.models import Counts

if TYPE_CHECKING:
    from mobile_vla.cli.schema import Demonstrated

IMAGE_SIZE = (128, 128)
TRAIN_SEED = 1
EVALUATION_SEED = 2


class DemoOptions(StudyOptions):
    """The study to run."""

    jobs: int | None
    json: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mvla demo`."""
    add_study(parser)
    add_jobs(parser, "cases trained at once (default: one per core)")
    add_json(parser)
    runs(
        parser,
        demo,
        DemoOptions,
        "mvla demo --workspace workspace",
        needs=("train", "sim", "figures"),
    )


def demo(options: DemoOptions) -> int:
    """Simulate, train, evaluate, judge and report; started again, it goes on where it was."""
    from mobile_vla.cli.train_queue import train_here
    from mobile_vla.simulator.render import choose_backend

    start = time.monotonic()
    chosen = setting(options)
    with json_only_stdout(options.json):
        print(f"{chosen.study.title.en}: {chosen.profile.note.en}.")
        print(f"Renderer: {choose_backend()}. Workspace: {chosen.workspace.path}\n", flush=True)
        jobs = options.jobs or cores()
        simulate_study(chosen, jobs)
        failed = train_here(chosen, jobs)
        judged = _judged(chosen)
    if options.json:
        print_json(judged)
    else:
        _tell(judged)
        print(f"\n{browser_hint(chosen)}")
        print(f"This took {time.monotonic() - start:.0f} s.")
    return failed


def browser_hint(chosen: Setting) -> str:
    """How to look at the results in a browser, with what must be installed for it first."""
    install = "" if is_installed("ui") else 'pip install "mobile-vla[ui]" && '
    return f"In a browser: {install}{chosen.command('mvla ui --open')}"


def simulate_study(chosen: Setting, jobs: int) -> None:
    """Simulate the episodes that the cases need and the held-out set, once."""
    from mobile_vla.simulator.simulate import simulate_dataset

    sets = (
        (chosen.study.data.train, _needed(chosen), TRAIN_SEED, True),
        (chosen.study.data.evaluation, chosen.profile.evaluation, EVALUATION_SEED, False),
    )
    for name, counts, seed, split in sets:
        with progress(f"simulating {name}") as report:
            simulate_dataset(
                chosen.workspace.data(name),
                left=counts.left,
                right=counts.right,
                seed=seed,
                image_size=IMAGE_SIZE,
                jobs=jobs,
                split=split,
                progress=report,
            )
        print(f"{name}: {counts.left} left and {counts.right} right episodes", flush=True)


def _needed(chosen: Setting) -> Counts:
    """For each direction, as many episodes as the largest case takes."""
    counts = [case_counts(case, chosen.profile) for case in chosen.study.cases]
    return Counts(left=max(c.left for c in counts), right=max(c.right for c in counts))


def _judged(chosen: Setting) -> Demonstrated:
    from mobile_vla.cli.schema import Demonstrated
    from mobile_vla.cli.select_run import book_of
    from mobile_vla.report.write_report import write_report

    book = book_of(chosen)
    return Demonstrated(
        cases=book.cases(),
        comparisons=book.comparisons(),
        plan=book.printed_plan(),
        reports=[str(path.resolve()) for path in write_report(chosen.workspace.path, book)],
    )


def _tell(judged: Demonstrated) -> None:
    """The report's first five answers, then the tables they come from."""
    from mobile_vla.cli.compare import print_comparisons
    from mobile_vla.cli.plan import print_plan
    from mobile_vla.cli.status import print_answers, print_cases
    from mobile_vla.report.first_answers import answers, next_answer

    lines = answers(judged.cases, judged.comparisons, "en")
    print_answers([*lines, next_answer(judged.plan, "en")])
    print_cases(judged.cases)
    print_comparisons(judged.comparisons, judged.cases)
    print()
    print_plan(judged.plan)
    print("\nReports:")
    for path in judged.reports:
        print(f"  {path}")
