"""Summaries of all episodes of a folder, by one process or several; each holds one at a time."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import TypeVar

from mobile_vla.episodes.episode_summary import EpisodeSummary, summarize_file
from mobile_vla.episodes.filename_pattern import LAB_NAMES, Naming
from mobile_vla.episodes.find_episodes import find_episodes
from mobile_vla.episodes.findings import Finding
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.runs.process import end_with_parent, usable_cores

Progress = Callable[[int, int], None]
Item = TypeVar("Item")
Result = TypeVar("Result")
MIN_ITEMS_FOR_PROCESSES = 8
"""Files from which starting further processes pays."""


def summarize_folder(
    folder: Path,
    *,
    naming: Naming = LAB_NAMES,
    strips: bool = False,
    follow_external: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
) -> tuple[list[EpisodeSummary], list[Finding]]:
    """Every episode below `folder` in order of its name, and a finding for each unusable file.

    Raises:
        UserError: the folder is missing or holds no HDF5 file, or a process was killed.
    """
    found_files = find_episodes(folder, naming)
    if not found_files.files and not found_files.findings:
        raise UserError(
            f"{folder} holds no episode (*.h5): check the path, or make some with "
            "`mvla episodes simulate` or `mvla episodes import`."
        )
    episodes, findings = [], list(found_files.findings)
    files = [(path, found_files.name(path)) for path in found_files.files]
    summarize = partial(
        _summarize, naming=naming, strips=strips, follow_external=follow_external
    )  # fmt: skip
    for done, result in enumerate(parallel_map(summarize, files, jobs), start=1):
        if isinstance(result, Finding):
            findings.append(result)
        else:
            episodes.append(result)
        if progress:
            progress(done, len(files))
    return episodes, findings


def default_jobs() -> int:
    """Processes that this machine runs at once, eight at most."""
    return min(8, usable_cores())


def consistent_episodes(
    episodes: Iterable[EpisodeSummary],
) -> tuple[list[EpisodeSummary], list[Finding]]:
    """Episodes of the commonest step and action columns, each id once; the others as findings."""
    episodes = list(episodes)
    common = Counter(map(_step_and_columns, episodes)).most_common(1)
    by_id: dict[str, EpisodeSummary] = {}
    findings = []
    for episode in episodes:
        if _step_and_columns(episode) != common[0][0]:
            findings.append(Finding(episode.source, _another_step(episode, common[0][0]), "step"))
        elif episode.id in by_id:
            why = reason("episode.duplicate_id", other=by_id[episode.id].source)
            findings.append(Finding(episode.source, why, "name"))
        else:
            by_id[episode.id] = episode
    return list(by_id.values()), findings


def parallel_map(
    function: Callable[[Item], Result], items: Sequence[Item], jobs: int
) -> Iterator[Result]:
    """`function` of each item, in order; by `jobs` processes where there are enough items.

    Raises:
        UserError: a process was killed.
    """
    if jobs <= 1 or len(items) < MIN_ITEMS_FOR_PROCESSES:
        yield from map(function, items)
        return
    pool = ProcessPoolExecutor(
        jobs, mp_context=multiprocessing.get_context("spawn"), initializer=end_with_parent
    )
    try:
        yield from pool.map(function, items)
    except BrokenProcessPool as error:
        raise UserError(
            "A process that works on episodes was killed, most likely for lack of memory: "
            "run the same command again with --jobs 1."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _step_and_columns(episode: EpisodeSummary) -> tuple[float, int]:
    return episode.step, episode.actions.shape[1]


def _another_step(episode: EpisodeSummary, common: tuple[float, int]) -> Reason:
    step, columns = _step_and_columns(episode)
    return reason(
        "episode.another_step",
        step=step, columns=columns, common_step=common[0], common_columns=common[1],
    )  # fmt: skip


def _summarize(
    file: tuple[Path, str], naming: Naming, strips: bool, follow_external: bool
) -> EpisodeSummary | Finding:
    return summarize_file(*file, naming, strips, follow_external)
