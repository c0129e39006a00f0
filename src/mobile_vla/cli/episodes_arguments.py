"""The arguments of `mvla episodes`, an action at a time."""

from __future__ import annotations

import argparse
from typing import Literal

from mobile_vla.cli.arguments import (
    Actions,
    Function,
    Options,
    add_action,
    add_jobs,
    add_json,
    add_workspace,
    count,
    runs,
    seconds,
)


class SimulateOptions(Options):
    """The data set to record."""

    folder: str
    left: int
    right: int
    seed: int
    size: str
    evaluation: bool
    jobs: int | None
    json: bool


class ShowOptions(Options):
    """The episode to draw."""

    file: str
    out: str | None
    json: bool


class CheckOptions(Options):
    """The recordings to check."""

    folder: str
    html: str | None
    lang: Literal["en", "ko"] | None
    jobs: int | None
    study: str | None
    follow_external: bool
    json: bool


class ImportOptions(Options):
    """The recordings to import, and how to read them."""

    source: str
    folder: str
    size: int
    seed: int
    evaluation: bool
    camera: str | None
    command: str
    step: float
    instruction: str | None
    map: str | None
    keep_spoilt: bool
    follow_external: bool
    jobs: int | None
    study: str | None
    workspace: str | None
    json: bool


class DatasetDiffOptions(Options):
    """The two data sets to compare."""

    a: str
    b: str
    json: bool


class ExportOptions(Options):
    """The data set to export."""

    folder: str
    out: str
    images: bool
    json: bool


def add_simulate(actions: Actions, function: Function) -> None:
    """Add `mvla episodes simulate`."""
    action = add_action(actions, "simulate", "record episodes in the simulator")
    action.add_argument("folder", metavar="DEST", help="the folder of the new data set")
    action.add_argument(
        "--left", type=int, default=0, metavar="N",
        help="episodes that pass the box on its left (default: %(default)s)",
    )  # fmt: skip
    action.add_argument(
        "--right", type=int, default=0, metavar="N",
        help="episodes that pass the box on its right (default: %(default)s)",
    )  # fmt: skip
    action.add_argument("--seed", type=int, default=0, help="of the scenes (default: %(default)s)")
    action.add_argument(
        "--size", default="128x128", help="HEIGHTxWIDTH in pixels (default: %(default)s)"
    )
    _add_evaluation(action)
    add_jobs(action, "processes (default: one per core)")
    add_json(action)
    example = "mvla episodes simulate workspace/data/mine --left 50 --right 50"
    runs(action, function, SimulateOptions, example, needs=("sim",))


def add_import(actions: Actions, function: Function) -> None:
    """Add `mvla episodes import`."""
    summary = "import HDF5 files, a LeRobotDataset v3, images with actions.csv, or ROS bags"
    action = add_action(actions, "import", summary)
    action.add_argument("source", metavar="SRC", help="a folder of recordings, or one file")
    action.add_argument("folder", metavar="DEST", help="the data set, new or to be added to")
    action.add_argument(
        "--size", type=count, default=224,
        help="store frames at SIZE x SIZE pixels (default: %(default)s)",
    )  # fmt: skip
    action.add_argument("--seed", type=int, default=0, help="of the split (default: %(default)s)")
    _add_evaluation(action)
    action.add_argument("--camera", metavar="NAME", help="which camera, if there are several")
    action.add_argument(
        "--command", default="/cmd_vel", metavar="TOPIC",
        help="a ROS bag's topic of velocities (default: %(default)s)",
    )  # fmt: skip
    action.add_argument(
        "--step", type=seconds, default=0.4, metavar="SECONDS",
        help="length of a step of images and bags (default: %(default)s)",
    )  # fmt: skip
    action.add_argument(
        "--instruction", metavar="TEXT", help="the instruction, where the recordings hold none"
    )
    action.add_argument("--map", metavar="FILE", help="names of keys, columns and units, as YAML")
    action.add_argument(
        "--keep-spoilt", action="store_true",
        help="take in episodes that `mvla episodes check` calls spoilt",
    )  # fmt: skip
    _add_follow_external(action)
    add_jobs(action, "processes (default: one per core)")
    _add_study(action, "whose file names tell the direction")
    add_workspace(action, "where decoded frames are stored")
    add_json(action)
    runs(
        action, function, ImportOptions, "mvla episodes import recordings workspace/data/left_right"
    )


def add_check(actions: Actions, function: Function) -> None:
    """Add `mvla episodes check`."""
    action = add_action(actions, "check", "say what is wrong with recordings, episode by episode")
    action.add_argument("folder", metavar="DIR", help="the folder of recordings")
    action.add_argument("--html", metavar="FILE", help="write a contact sheet")
    action.add_argument(
        "--lang", choices=("en", "ko"), help="the contact sheet's language (default: en)"
    )
    add_jobs(action, "processes (default: one per core)")
    _add_study(action, "whose file names and full speed hold")
    _add_follow_external(action)
    add_json(action)
    example = "mvla episodes check recordings --html contact_sheet.html"
    runs(action, function, CheckOptions, example)


def add_diff(actions: Actions, function: Function) -> None:
    """Add `mvla episodes diff`."""
    summary = "show how data set B differs from A, episode by episode"
    action = add_action(actions, "diff", summary)
    action.add_argument("a", metavar="A", help="a data set's folder, or a manifest")
    action.add_argument("b", metavar="B", help="another")
    add_json(action)
    example = "mvla episodes diff workspace/data/left_right workspace/runs/CASE/RUN/manifest.json"
    runs(action, function, DatasetDiffOptions, example)


def add_export(actions: Actions, function: Function) -> None:
    """Add `mvla episodes export`."""
    action = add_action(actions, "export", "write a data set as a LeRobotDataset v3.0")
    action.add_argument("folder", metavar="SRC", help="the data set")
    action.add_argument("out", metavar="DEST", help="a new folder")
    action.add_argument("--images", action="store_true", help="write PNG files instead of a video")
    add_json(action)
    example = "mvla episodes export workspace/data/left_right left_right_lerobot"
    runs(action, function, ExportOptions, example, needs=("lerobot",))


def add_show(actions: Actions, function: Function) -> None:
    """Add `mvla episodes show`."""
    action = add_action(actions, "show", "draw an episode: frames in a row, velocities below")
    action.add_argument("file", metavar="FILE", help="an episode in the HDF5 format")
    action.add_argument("--out", metavar="PNG", help="the image (default: beside the episode)")
    add_json(action)
    example = "mvla episodes show FILE.h5 --out episode.png"
    runs(action, function, ShowOptions, example, needs=("figures",))


def _add_evaluation(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "--evaluation", action="store_true", help="hold every episode out for evaluation"
    )


def _add_follow_external(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "--follow-external", action="store_true", help="read HDF5 data that lie in other files"
    )


def _add_study(action: argparse.ArgumentParser, text: str) -> None:
    action.add_argument(
        "--study", metavar="STUDY",
        help=f"the study {text} (default: study.yaml in this folder, else left_right)",
    )  # fmt: skip
