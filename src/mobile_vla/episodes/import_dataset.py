"""`mvla episodes import`: recordings become a data set; an interrupted import can be continued.

DEST/<id>.h5         the episodes: files of the lab's format are linked or copied, others written
DEST/import.jsonl    one line for each imported episode, so that none is decoded again
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
from mobile_vla.episodes.direction import direction_evidence
from mobile_vla.episodes.episode_summary import SIDE, EpisodeSummary, summarize
from mobile_vla.episodes.filename_pattern import LAB_NAMES, Naming
from mobile_vla.episodes.findings import Finding, finding_row
from mobile_vla.episodes.formats.import_source import Source, Sources
from mobile_vla.episodes.formats.validation import EpisodeError
from mobile_vla.episodes.frame_store import add_to_store, store_folder, stored
from mobile_vla.episodes.manifest import MANIFEST_FILE, Manifest, read_manifest, write_manifest
from mobile_vla.episodes.quality.checks import check_episodes
from mobile_vla.episodes.scan_folder import Progress, parallel_map
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.reason import reason
from mobile_vla.runs.files import explain_os_error
from mobile_vla.runs.locks import sole_writer
from mobile_vla.runs.outside_files import decode_json

LEDGER_FILE = "import.jsonl"
LEFT_OVER_SECONDS = 3600


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the ledger: an episode's origin and its summary."""

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
class ImportTarget:
    """Where an import writes: the data set's folder, the frame store and its size in px."""

    folder: Path
    store: Path
    size: int
    naming: Naming


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The manifest, the number of new episodes, and a finding for each one left out.

    `remarks` are findings of imported episodes that `mvla episodes check` calls spoiling; there
    are none but with `keep_spoilt` and in a data set that was imported with it.
    """

    manifest: Manifest
    new: int
    findings: list[Finding]
    remarks: list[Finding]

    @property
    def answer(self) -> dict[str, object]:
        """The JSON answer."""
        return {
            "manifest": self.manifest,
            "new": self.new,
            "findings": [finding_row(finding) for finding in self.findings],
            "remarks": [finding_row(finding) for finding in self.remarks],
        }


def import_episodes(
    sources: Sources,
    folder: Path,
    *,
    seed: int,
    size: int,
    cache_dir: Path,
    split: bool = True,
    naming: Naming = LAB_NAMES,
    keep_spoilt: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
) -> ImportResult:
    """Import `sources` into the data set in `folder`, and their frames at `size` px into the store.

    Imported episodes stay, keep their splits and are not read again unless their origin changed.
    An unusable episode is a finding, and so is one that `mvla episodes check` calls spoilt, unless
    `keep_spoilt`; the others are imported.

    Raises:
        UserError: no usable episode, or the disk is full, and finished episodes stay; another
            process imports into `folder`.
    """
    if sources.folder != folder and sources.folder.resolve() in folder.resolve().parents:
        raise UserError(
            f"{folder} stands within {sources.folder}, which is to be imported: "
            "give a folder elsewhere."
        )
    target = ImportTarget(folder, store_folder(cache_dir, size), size, naming)
    with sole_writer(folder, "importing episodes"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise explain_os_error(error, folder) from error
        return _import(
            sources, target, progress, seed=seed, split=split, keep_spoilt=keep_spoilt, jobs=jobs
        )


def _import(
    sources: Sources,
    target: ImportTarget,
    progress: Progress | None,
    *,
    seed: int,
    split: bool,
    keep_spoilt: bool,
    jobs: int,
) -> ImportResult:
    folder = target.folder
    ledger = read_ledger(folder)
    _refuse_strangers(sources, folder, ledger)
    _sweep(folder, target.store)
    waiting, findings = _waiting(sources, target, ledger)
    new = 0
    import_one = partial(import_episode, target=target)
    for done, result in enumerate(parallel_map(import_one, waiting, jobs), start=1):
        if isinstance(result, Finding):
            findings.append(result)
        else:
            _append(folder / LEDGER_FILE, result)
            ledger[result.name] = result
            new += 1
        if progress:
            progress(done, len(waiting))
    manifest, rejected = _pin_ledger(ledger, target, seed, split, keep_spoilt)
    if not manifest.episodes:
        raise _nothing_usable([*findings, *rejected])
    write_manifest(folder, manifest)
    remarks = _remarks(_summaries(ledger, target), manifest)
    return ImportResult(manifest, new, [*findings, *rejected], remarks)


def read_ledger(folder: Path) -> dict[str, LedgerEntry]:
    """The imported episodes of a data set by file name; a line that was cut off is skipped."""
    ledger: dict[str, LedgerEntry] = {}
    file = folder / LEDGER_FILE
    for line in file.read_bytes().splitlines() if file.exists() else ():
        try:
            row = decode_json(line, LedgerEntry)
        except ValueError:
            continue
        ledger[row.name] = row
    return ledger


def _refuse_strangers(sources: Sources, folder: Path, ledger: dict[str, LedgerEntry]) -> None:
    """Refuse a data set that was made in another way: its episodes would be dropped."""
    if not (folder / MANIFEST_FILE).exists():
        return
    names = {*ledger, *(source.name for source in sources.episodes)}
    strangers = [r.source for r in read_manifest(folder).episodes if r.source not in names]
    if strangers:
        raise UserError(
            f"{folder} is a data set that was not imported ({len(strangers)} episodes, such as "
            f"{strangers[0]}): import into a new folder."
        )


def _sweep(*folders: Path) -> None:
    """Remove half-written files that a killed import left more than an hour ago."""
    for folder in folders:
        for path in folder.glob(".*.part"):
            if path.is_file() and time.time() - path.stat().st_mtime > LEFT_OVER_SECONDS:
                path.unlink(missing_ok=True)


def _waiting(
    sources: Sources, target: ImportTarget, ledger: dict[str, LedgerEntry]
) -> tuple[list[Source], list[Finding]]:
    """The sources that are not imported yet, and a finding for each name that is taken."""
    findings, waiting = list(sources.findings), []
    names: dict[str, str] = {}
    for source in sources.episodes:
        entry = ledger.get(source.name)
        other = names.setdefault(source.name, source.origin)
        if entry and entry.origin != source.origin and entry.stamp != source.stamp:
            other = entry.origin
        if other != source.origin:
            why = reason("episode.name_taken", origin=other)
            findings.append(Finding(source.origin, why, "name"))
        elif not (entry and entry.stamp == source.stamp and _is_complete(entry, target)):
            waiting.append(source)
    return waiting, findings


def import_episode(source: Source, target: ImportTarget) -> LedgerEntry | Finding:
    """Write one episode into the data set and its frames into the store, decoding it once."""
    stamp = source.stamp
    file = target.folder / source.name
    try:
        episode = source.write_to(file)
    except EpisodeError as error:
        return Finding(source.origin, error.reason, error.check)
    except MemoryError:
        return Finding(source.origin, reason("episode.out_of_memory"), "too_long")
    summary = summarize(episode, source.name, target.naming)
    if not stored(target.store, summary.hash):
        add_to_store(target.store, episode, summary.hash, target.size)
    return LedgerEntry(
        name=source.name,
        origin=source.origin,
        stamp=stamp,
        file_size=file.stat().st_size,
        hash=summary.hash,
        size=summary.size,
        step=summary.step,
        instruction=summary.instruction,
        actions=summary.actions.tolist(),
        thumbs=summary.thumbs.tobytes(),
        dark=summary.dark,
        frozen=summary.frozen,
    )


def _is_complete(entry: LedgerEntry, target: ImportTarget) -> bool:
    """Whether the data set still has the file, and the store its frames."""
    file = target.folder / entry.name
    present = file.exists() and file.stat().st_size == entry.file_size
    return present and stored(target.store, entry.hash)


def _pin_ledger(
    ledger: dict[str, LedgerEntry], target: ImportTarget, seed: int, split: bool, keep_spoilt: bool
) -> tuple[Manifest, list[Finding]]:
    """The manifest of all imported episodes whose file exists, and what it leaves out.

    Spoilt episodes are left out unless `keep_spoilt`; those of the manifest as it was stay.
    """
    folder, episodes = target.folder, _summaries(ledger, target)
    previous = read_manifest(folder) if (folder / MANIFEST_FILE).exists() else None
    pinned = {row.source for row in previous.episodes} if previous else set()
    spoilt = [] if keep_spoilt else _spoilt(episodes, pinned)
    refused = {finding.episode for finding in spoilt}
    usable = [episode for episode in episodes if episode.source not in refused]
    manifest, rejected = pin(usable, name=folder.name, seed=seed, split=split, previous=previous)
    return manifest, [*spoilt, *rejected]


def _spoilt(episodes: list[EpisodeSummary], pinned: set[str]) -> list[Finding]:
    """The first spoiling finding of each episode that is not pinned yet."""
    first: dict[str, Finding] = {}
    for finding in check_episodes(episodes):
        if finding.spoils and finding.episode not in pinned and finding.check != "direction":
            first.setdefault(finding.episode, finding)
    return list(first.values())


def _summaries(ledger: dict[str, LedgerEntry], target: ImportTarget) -> list[EpisodeSummary]:
    present = [row for row in ledger.values() if (target.folder / row.name).exists()]
    return [_summary(row, target.naming) for row in sorted(present, key=lambda row: row.name)]


def _remarks(episodes: list[EpisodeSummary], manifest: Manifest) -> list[Finding]:
    pinned = {row.source for row in manifest.episodes}
    findings = check_episodes([episode for episode in episodes if episode.source in pinned])
    return [finding for finding in findings if finding.spoils]


def _nothing_usable(findings: list[Finding]) -> UserError:
    left_out = len({finding.episode for finding in findings if finding.episode})
    example = ""
    if findings:
        example = f", for example {findings[0].episode or 'the data set'} {findings[0].what}"
    return UserError(
        f"No sound episode was found and {left_out} were left out{example}: "
        "mend what is wrong with them, or give another folder.",
        exit_code=1,
    )


def _summary(row: LedgerEntry, naming: Naming) -> EpisodeSummary:
    actions = np.array(row.actions, np.float32)
    return EpisodeSummary(
        id=Path(row.name).stem,
        source=row.name,
        hash=row.hash,
        size=row.size,
        actions=actions,
        step=row.step,
        instruction=row.instruction,
        evidence=direction_evidence(row.instruction, row.name, actions, row.step, naming),
        parts=naming.parts(row.name),
        thumbs=np.frombuffer(row.thumbs, np.uint8).reshape(-1, SIDE, SIDE),
        dark=row.dark,
        frozen=row.frozen,
    )


def _append(file: Path, row: LedgerEntry) -> None:
    """Append a line and sync it to the disk."""
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
