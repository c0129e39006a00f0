"""Submit to SLURM what the plan has to do, with what waits for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from mobile_vla.analysis.casebook import Casebook
from mobile_vla.cli.run_options import Setting
from mobile_vla.cli.select_run import book_of
from mobile_vla.cli.train_queue import job_spec, needs_work, say
from mobile_vla.cluster.slurm import Slurm
from mobile_vla.cluster.slurm_jobs import UNDER_WAY, ask_slurm, newest_jobs
from mobile_vla.evidence.model import CaseView
from mobile_vla.runs.locks import sole_writer


def submit_all(chosen: Setting, slurm: Slurm) -> None:
    """Submit every case that needs work and has no job, and say which jobs they are.

    Raises:
        UserError: another process works on all cases of this workspace, or sbatch refused.
    """
    with sole_writer(chosen.workspace.path / "queue", "submitting all cases"):
        newest = newest_jobs(chosen.workspace.path)
        states = ask_slurm(list(newest.values()))
        jobs = {case: newest[case].job for case, state in states.items() if state in UNDER_WAY}
        for case, number in jobs.items():
            say(f"{case}: job {number} is {states[case]}")
        for after, views in _arrays(book_of(chosen), jobs):
            specs = [(view.name, job_spec(chosen, view)[0]) for view in views]
            submitted = slurm.submit(specs, [jobs[name] for name in after])
            jobs |= {job.case: job.job for job in submitted}
            for job in submitted:
                waits = f", after {', '.join(after)}" if after else ""
                say(f"{job.case}: submitted as job {job.job}{waits}")


def _arrays(
    book: Casebook, jobs: dict[str, str]
) -> Iterator[tuple[tuple[str, ...], list[CaseView]]]:
    """Cases to submit together, by those that they wait for; `jobs` grows between the arrays."""
    cases = {view.name: view for view in book.cases()}
    items = {item.case: item for item in book.plan().items}
    left = [view for view in cases.values() if view.planned is not None and view.name not in jobs]
    while True:
        arrays: defaultdict[tuple[str, ...], list[CaseView]] = defaultdict(list)
        for view in left:
            unfinished = tuple(name for name in view.after if cases[name].state != "finished")
            waits = bool(unfinished) and all(name in jobs for name in unfinished)
            if waits or needs_work(view, items):
                arrays[unfinished if waits else ()].append(view)
        if not arrays:
            return
        for after, views in arrays.items():
            left = [view for view in left if view not in views]
            yield after, views
