"""`mvla episodes import`: recordings become a data set, each decoded once; interrupted, it goes on.

DEST/<id>.h5         the episodes: files of the lab's format are linked or copied, others written
DEST/import.jsonl    one line for each episode taken in, so that none is decoded again
DEST/manifest.json   written last
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from mobile_vla.episodes.dataset import pin
from mobile_vla.episodes.direction import ask_witnesses
from mobile_vla.episodes.episode_summary import SIDE, Seen, look
from mobile_vla.episodes.filename_pattern import LAB_NAMES, Naming
from mobile_vla.episodes.findings import Finding
from mobile_vla.episodes.formats.import_source import Source, Sources
from mobile_vla.episodes.formats.validation import EpisodeError
from mobile_vla.episodes.frame_store import add_to_store, store_folder, stored
from mobile_vla.episodes.manifest import MANIFEST_FILE, Manifest, read_manifest, write_manifest
from mobile_vla.episodes.scan_folder import Progress, spread
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.files import explain_os_error

LEDGER_FILE = "import.jsonl"
LEFT_OVER_SECONDS = 3600


class Taken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the ledger: where an episode came from and all that was seen of it."""

    name: str
    origin: str
    stamp: str
    file_size: int
    hash: str
    size: tuple[int, int]
    step: float
    instruction: str
    actions: list[list[float]]
    thumbs: bytes
    dark: tuple[int, ...]
    frozen: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where episodes are taken in: the data set's folder, the frame store and its size in px."""

    folder: Path
    store: Path
    size: int
    naming: Naming


@dataclass(frozen=True, slots=True)
class Imported:
    """The manifest, how many episodes came new, and what was left out and why."""

    manifest: Manifest
    new: int
    findings: list[Finding]


def import_episodes(
    sources: Sources,
    folder: Path,
    *,
    seed: int,
    size: int,
    cache_dir: Path,
    split: bool = True,
    naming: Naming = LAB_NAMES,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Imported:
    """Take `sources` into the data set in `folder`, and their frames at `size` px into the store.

    Episodes that are there stay, keep their splits and are not read again unless their origin
    changed. What is no sound episode is a finding; the rest is taken in.

    Raises:
        UserError: nothing sound is there, or the disk is full; what was taken in is kept.
    """
    if sources.folder != folder and sources.folder.resolve() in folder.resolve().parents:
        raise UserError(
            f"{folder} stands within {sources.folder}, which is to be imported: "
            "give a folder elsewhere."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, folder) from error
    place = Place(folder, store_folder(cache_dir, size), size, naming)
    ledger = read_ledger(folder)
    _refuse_strangers(sources, folder, ledger)
    _sweep(folder, place.store)
    waiting, findings = _waiting(sources, place, ledger)
    new = 0
    for done, one in enumerate(spread(partial(take_in, place=place), waiting, jobs), start=1):
        if isinstance(one, Finding):
            findings.append(one)
        else:
            _append(folder / LEDGER_FILE, one)
            ledger[one.name] = one
            new += 1
        if progress:
            progress(done, len(waiting))
    manifest, doubts = _pin_ledger(ledger, place, seed, split)
    if not manifest.episodes:
        raise _nothing([*findings, *doubts])
    write_manifest(folder, manifest)
    return Imported(manifest, new, [*findings, *doubts])


def read_ledger(folder: Path) -> dict[str, Taken]:
    """What was taken into a data set, by file name; a line that was cut off does not count."""
    taken: dict[str, Taken] = {}
    file = folder / LEDGER_FILE
    for line in file.read_bytes().splitlines() if file.exists() else ():
        try:
            row = msgspec.json.decode(line, type=Taken)
        except msgspec.MsgspecError:
            continue
        taken[row.name] = row
    return taken


def _refuse_strangers(sources: Sources, folder: Path, ledger: dict[str, Taken]) -> None:
    """Leave a data set alone that was made in another way: its episodes would be dropped."""
    if not (folder / MANIFEST_FILE).exists():
        return
    known = {*ledger, *(source.name for source in sources.episodes)}
    strangers = [r.source for r in read_manifest(folder).episodes if r.source not in known]
    if strangers:
        raise UserError(
            f"{folder} is a data set that was not imported ({len(strangers)} episodes, such as "
            f"{strangers[0]}): import into a new folder."
        )


def _sweep(*folders: Path) -> None:
    """Remove what a killed import left half-written more than an hour ago."""
    for folder in folders:
        for path in folder.glob(".*.part"):
            if path.is_file() and time.time() - path.stat().st_mtime > LEFT_OVER_SECONDS:
                path.unlink(missing_ok=True)


def _waiting(
    sources: Sources, place: Place, ledger: dict[str, Taken]
) -> tuple[list[Source], list[Finding]]:
    """The sources that are not taken in yet, and those whose name another has."""
    findings, waiting = list(sources.findings), []
    names: dict[str, str] = {}
    for source in sources.episodes:
        known = ledger.get(source.name)
        other = names.setdefault(source.name, source.origin)
        if known and known.origin != source.origin and known.stamp != source.stamp:
            other = known.origin
        if other != source.origin:
            what = f"has the name of the episode that comes from {other}"
            findings.append(Finding(source.origin, what, "name"))
        elif not (known and known.stamp == source.stamp and _whole(known, place)):
            waiting.append(source)
    return waiting, findings


def take_in(source: Source, place: Place) -> Taken | Finding:
    """Bring one episode into the data set and its frames into the store: it is decoded once."""
    stamp = source.stamp
    file = place.folder / source.name
    try:
        episode = source.bring(file)
    except EpisodeError as error:
        return Finding(source.origin, error.what, error.check)
    except MemoryError:
        return Finding(source.origin, "does not fit into this machine's memory", "too_long")
    seen = look(episode, source.name, place.naming)
    if not stored(place.store, seen.hash):
        add_to_store(place.store, episode, seen.hash, place.size)
    return Taken(
        name=source.name,
        origin=source.origin,
        stamp=stamp,
        file_size=file.stat().st_size,
        hash=seen.hash,
        size=seen.size,
        step=seen.step,
        instruction=seen.instruction,
        actions=seen.actions.tolist(),
        thumbs=seen.thumbs.tobytes(),
        dark=seen.dark,
        frozen=seen.frozen,
    )


def _whole(known: Taken, place: Place) -> bool:
    """Whether the data set still has the file, and the store its frames."""
    file = place.folder / known.name
    there = file.exists() and file.stat().st_size == known.file_size
    return there and stored(place.store, known.hash)


def _pin_ledger(
    ledger: dict[str, Taken], place: Place, seed: int, split: bool
) -> tuple[Manifest, list[Finding]]:
    """The manifest of every episode taken in that is still there, and what it leaves out."""
    folder = place.folder
    there = [row for row in ledger.values() if (folder / row.name).exists()]
    seen = [_seen(row, place.naming) for row in sorted(there, key=lambda row: row.name)]
    previous = read_manifest(folder) if (folder / MANIFEST_FILE).exists() else None
    return pin(seen, name=folder.name, seed=seed, split=split, previous=previous)


def _nothing(findings: list[Finding]) -> UserError:
    example = f", for example {findings[0].episode} {findings[0].what}" if findings else ""
    return UserError(
        f"No sound episode was found and {len(findings)} were left out{example}: "
        "mend what is wrong with them, or give another folder.",
        exit_code=1,
    )


def _seen(row: Taken, naming: Naming) -> Seen:
    actions = np.array(row.actions, np.float32)
    return Seen(
        id=Path(row.name).stem,
        source=row.name,
        hash=row.hash,
        size=row.size,
        actions=actions,
        step=row.step,
        instruction=row.instruction,
        told=ask_witnesses(row.instruction, row.name, actions, row.step, naming),
        parts=naming.parts(row.name),
        thumbs=np.frombuffer(row.thumbs, np.uint8).reshape(-1, SIDE, SIDE),
        dark=row.dark,
        frozen=row.frozen,
    )


def _append(file: Path, row: Taken) -> None:
    """One line more, on the disk before the next episode is begun."""
    try:
        with open(file, "ab+") as ledger:
            if ledger.tell():  # a line that was cut off ends here
                ledger.seek(-1, os.SEEK_END)
                if ledger.read(1) != b"\n":
                    ledger.write(b"\n")
            ledger.write(msgspec.json.encode(row) + b"\n")
            ledger.flush()
            os.fsync(ledger.fileno())
    except OSError as error:
        raise explain_os_error(error, file) from error
