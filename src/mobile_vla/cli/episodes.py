"""`mvla episodes`: simulate, import, check, diff, export, show."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mobile_vla.cli import episodes_arguments as arguments
from mobile_vla.cli.arguments import add_actions
from mobile_vla.cli.run_options import json_only_stdout, print_json, progress
from mobile_vla.messages.errors import UserError
from mobile_vla.study.load_study import find_study, load_study

if TYPE_CHECKING:
    from mobile_vla.episodes.filename_pattern import Naming
    from mobile_vla.episodes.findings import Finding, FindingRow
    from mobile_vla.episodes.quality.run import CheckReport
    from mobile_vla.study.models import Study


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mvla episodes`, one action after the other."""
    actions = add_actions(parser)
    arguments.add_simulate(actions, simulate)
    arguments.add_import(actions, import_)
    arguments.add_check(actions, check)
    arguments.add_diff(actions, diff)
    arguments.add_export(actions, export)
    arguments.add_show(actions, show)


def simulate(options: arguments.SimulateOptions) -> None:
    """Record episodes in the simulator and pin them in a manifest."""
    from mobile_vla.episodes.manifest import read_manifest
    from mobile_vla.episodes.scan_folder import default_jobs
    from mobile_vla.simulator.simulate import simulate_dataset

    with json_only_stdout(options.json), progress("simulating episodes") as report:
        manifest = simulate_dataset(
            Path(options.folder),
            left=options.left,
            right=options.right,
            seed=options.seed,
            image_size=_size(options.size),
            jobs=options.jobs or default_jobs(),
            split=not options.evaluation,
            progress=report,
        )
    if options.json:
        print_json({"path": manifest, "manifest": read_manifest(manifest)})
    else:
        print(f"{options.left} left and {options.right} right episodes, pinned in {manifest}")


def show(options: arguments.ShowOptions) -> None:
    """Draw one episode as a PNG."""
    from mobile_vla.episodes.formats.hdf5 import read_episode
    from mobile_vla.episodes.plot_episode import draw_episode

    file = Path(options.file)
    picture = Path(options.out) if options.out else file.with_suffix(".png")
    episode = read_episode(file)
    draw_episode(episode, picture)
    if options.json:
        answer = {"frames": len(episode), "step": episode.step, "instruction": episode.instruction}
        print_json({"picture": picture, "episode": episode.id, **answer})
    else:
        print(picture)


def check(options: arguments.CheckOptions) -> int:
    """Report what is wrong with the episodes of a folder; 1 where it would spoil training."""
    from mobile_vla.episodes.quality.run import check_folder
    from mobile_vla.episodes.scan_folder import default_jobs

    if options.lang and not options.html:
        raise UserError("--lang is the language of the contact sheet: name its file with --html.")
    study = load_study(find_study(options.study))
    with progress("checking episodes") as report:
        checked = check_folder(
            Path(options.folder),
            naming=study_naming(study),
            full_speed=study.robot.limits,
            strips=options.html is not None,
            follow_external=options.follow_external,
            jobs=options.jobs or default_jobs(),
            progress=report,
        )
    if options.html:
        from mobile_vla.episodes.quality.contact_sheet import write_page

        write_page(checked, Path(options.html), options.lang or "en")
    if options.json:
        print_json(checked.report)
    else:
        _print_check(checked.report)
    return int(checked.report.spoils)


def import_(options: arguments.ImportOptions) -> None:
    """Import recordings into a data set."""
    from mobile_vla.episodes.formats.detect_format import find_sources
    from mobile_vla.episodes.formats.import_source import RecordingOptions
    from mobile_vla.episodes.formats.recording_map import NO_MAP, read_map
    from mobile_vla.episodes.import_dataset import import_episodes
    from mobile_vla.episodes.scan_folder import default_jobs
    from mobile_vla.runs.workspace import DEFAULT, Workspace

    naming = study_naming(load_study(find_study(options.study)))
    mapping = read_map(Path(options.map)) if options.map else NO_MAP
    import_options = RecordingOptions(
        camera=options.camera or mapping.images,
        command=mapping.actions or options.command,
        step=mapping.step or options.step,
        instruction=options.instruction,
        follow_external=options.follow_external,
        mapping=mapping,
    )
    sources = find_sources(Path(options.source), import_options, naming)
    with progress("importing episodes") as report:
        imported = import_episodes(
            sources,
            Path(options.folder),
            seed=options.seed,
            size=options.size,
            cache_dir=Workspace(Path(options.workspace or DEFAULT)).cache,
            split=not options.evaluation,
            naming=naming,
            keep_spoilt=options.keep_spoilt,
            jobs=options.jobs or default_jobs(),
            progress=report,
        )
    if options.json:
        print_json(imported.answer)
        return
    print_findings([*imported.findings, *imported.remarks])
    counts = imported.manifest.counts()
    left_out = sum(bool(finding.episode) for finding in imported.findings)
    print(
        f"{sources.kind}: {imported.new} episodes taken in, {left_out} left out; "
        f"{options.folder} now holds {len(imported.manifest.episodes)} "
        f"({', '.join(f'{n} {direction}' for direction, n in sorted(counts.items()))}), "
        f"identity {imported.manifest.hash[:16]}"
    )


def diff(options: arguments.DatasetDiffOptions) -> int:
    """Report how the second data set differs from the first; 1 where it does."""
    from mobile_vla.episodes.dataset_diff import describe, diff_manifests
    from mobile_vla.episodes.manifest import read_manifest

    difference = diff_manifests(read_manifest(Path(options.a)), read_manifest(Path(options.b)))
    if options.json:
        print_json(difference)
    else:
        print("\n".join(describe(difference) or ["The same episodes in the same splits."]))
    return int(not difference.same)


def export(options: arguments.ExportOptions) -> None:
    """Write a data set as a LeRobotDataset v3.0."""
    from mobile_vla.episodes.dataset import load_dataset
    from mobile_vla.episodes.export_lerobot import export_lerobot

    dataset = load_dataset(Path(options.folder))
    with json_only_stdout(options.json), progress("exporting episodes") as report:
        export_lerobot(dataset, Path(options.out), video=not options.images, progress=report)
    episodes = dataset.manifest.episodes
    if options.json:
        frames = sum(episode.frames for episode in episodes)
        print_json({"folder": options.out, "episodes": len(episodes), "frames": frames})
    else:
        print(f"{len(episodes)} episodes exported to {options.out}")


def study_naming(study: Study) -> Naming:
    """The pattern of the study's episode file names."""
    from mobile_vla.episodes.filename_pattern import LAB_NAMES, Naming

    names = study.data.file_names
    if names is None:
        return LAB_NAMES
    words = {"left": names.left, "right": names.right, "straight": names.straight}
    return Naming(names.pattern, words, strict=True)  # type: ignore[arg-type]


def _print_check(report: CheckReport) -> None:
    from mobile_vla.episodes.quality.run import summary

    print_findings(report.findings)
    directions = ", ".join(f"{n} {direction}" for direction, n in report.directions.items())
    print(
        f"{report.episodes} episodes read ({directions or 'no direction certain'}), "
        f"{report.unread} not, {report.frames} frames, {report.seconds:.0f} s."
    )
    for direction, of in report.sequences.items():
        print(
            f"{direction}: {of.distinct} different action sequences, "
            f"the commonest driven by {of.commonest} of {of.episodes}."
        )
    for split, counts in report.splits.items():
        print(f"{split}: {', '.join(f'{n} {direction}' for direction, n in counts.items())}.")
    if report.manifest is None:
        print("There is no manifest here, so nothing of splits was checked.")
    for name, count, spoiling, meaning in summary(report):
        print(f"  {name:16} {count:5}  {f'{spoiling} spoil' if spoiling else '':12} {meaning}")
    print("Something would spoil training." if report.spoils else "Nothing spoils training.")


def print_findings(findings: Sequence[Finding | FindingRow]) -> None:
    """Print a line for each finding: whether it spoils training, its check, episode and reason."""
    for finding in findings:
        mark = "spoils" if finding.spoils else "note"
        subject = finding.episode or "the data set"
        print(f"{mark:6} {finding.check}: {subject} {finding.what}.")


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None or 0 in (int(match[1]), int(match[2])):
        raise UserError(f"--size {text} is no size: write HEIGHTxWIDTH, such as 128x128.")
    return int(match[1]), int(match[2])
