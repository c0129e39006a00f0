"""Look at every episode of a folder, in one process or several; each holds one at a time."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import TypeVar

from mobile_vla.episodes.episode_summary import Seen, examine
from mobile_vla.episodes.filename_pattern import LAB_NAMES, Naming
from mobile_vla.episodes.find_episodes import find_episodes
from mobile_vla.episodes.findings import Finding
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.process import end_with_parent

Progress = Callable[[int, int], None]
Item = TypeVar("Item")
Result = TypeVar("Result")
WORTH_PROCESSES = 8
"""Files from which starting further processes pays."""


def look_at_folder(
    folder: Path,
    *,
    naming: Naming = LAB_NAMES,
    strips: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
) -> tuple[list[Seen], list[Finding]]:
    """Every episode below `folder` in order of its name, and what could not be taken in.

    Raises:
        UserError: the folder is missing or holds no HDF5 file, or a process was killed.
    """
    found = find_episodes(folder, naming)
    if not found.files and not found.findings:
        raise UserError(
            f"{folder} holds no episode (*.h5): check the path, or make some with "
            "`mvla episodes simulate` or `mvla episodes import`."
        )
    seen, findings = [], list(found.findings)
    files = [(path, found.name(path)) for path in found.files]
    look = partial(_examine, naming=naming, strips=strips)
    for done, one in enumerate(spread(look, files, jobs), start=1):
        if isinstance(one, Finding):
            findings.append(one)
        else:
            seen.append(one)
        if progress:
            progress(done, len(files))
    return seen, findings


def default_jobs() -> int:
    """Processes that this machine runs at once, eight at most."""
    return min(8, len(os.sched_getaffinity(0)))


def fitting(seen: Iterable[Seen]) -> tuple[list[Seen], list[Finding]]:
    """Those of the commonest step and action columns, each id once; the others as findings."""
    seen = list(seen)
    common = Counter((one.step, one.actions.shape[1]) for one in seen).most_common(1)
    kept: dict[str, Seen] = {}
    findings = []
    for one in seen:
        shape = (one.step, one.actions.shape[1])
        if shape != common[0][0]:
            (step, columns), _ = common[0]
            what = (
                f"has steps of {shape[0]:g} s and {shape[1]} action columns, "
                f"where the data set has {step:g} s and {columns}"
            )
            findings.append(Finding(one.source, what, "step"))
        elif one.id in kept:
            what = f"has the same id as {kept[one.id].source}"
            findings.append(Finding(one.source, what, "name"))
        else:
            kept[one.id] = one
    return list(kept.values()), findings


def spread(one: Callable[[Item], Result], items: Sequence[Item], jobs: int) -> Iterator[Result]:
    """`one` of each item, in order; by `jobs` processes where there is enough for them to do.

    Raises:
        UserError: a process was killed.
    """
    if jobs <= 1 or len(items) < WORTH_PROCESSES:
        yield from map(one, items)
        return
    pool = ProcessPoolExecutor(
        jobs, mp_context=multiprocessing.get_context("spawn"), initializer=end_with_parent
    )
    try:
        yield from pool.map(one, items)
    except BrokenProcessPool as error:
        raise UserError(
            "A process that works on episodes was killed, most likely for lack of memory: "
            "run the same command again with --jobs 1."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _examine(file: tuple[Path, str], naming: Naming, strips: bool) -> Seen | Finding:
    return examine(*file, naming, strips)
