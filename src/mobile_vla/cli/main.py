"""The door: one thin command each, no logic. Everything heavy is imported by the command."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from mobile_vla import __version__
from mobile_vla.messages.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; exit 2 for a usage error, 1 for a negative finding."""
    options = parser().parse_args(arguments)
    module, _, function = options.run.partition(":")
    try:
        command = importlib.import_module(f"mobile_vla.cli.{module}")
        return int(getattr(command, function)(options) or 0)
    except UserError as error:
        for fault in error.faults:
            print(f"mvla: {fault}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("mvla: interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    root = argparse.ArgumentParser(
        prog="mvla",
        description="Train vision-language-action policies for a mobile robot, "
        "and say only what is so.",
        epilog="Every command has --help with an example.",
    )
    root.add_argument("--version", action="version", version=f"mvla {__version__}")
    commands = root.add_subparsers(metavar="COMMAND", required=True)
    _making(commands)
    _evaluating(commands)
    _judging(commands)
    _comparing(commands)
    _documents(commands)
    _episodes(commands)
    _weights(commands)
    return root


def _making(commands: argparse._SubParsersAction) -> None:
    demo = _command(
        commands, "demo", "demo:demo", "the whole study at laptop scale, from nothing to report",
        "mvla demo --workspace workspace",
    )  # fmt: skip
    _study(demo)
    demo.add_argument("--jobs", type=_count, help="cases trained at once (default: one a core)")
    _json(demo)

    train = _command(
        commands, "train", "train:train", "preflight, then train; the run folder is the evidence",
        'mvla train "Case 1"',
    )  # fmt: skip
    train.add_argument("case", nargs="?", help="a case's name or label")
    _study(train)
    train.add_argument("--all", action="store_true", help="train what the plan says is to do")
    train.add_argument("--resume", action="store_true", help="go on from the latest checkpoint")
    train.add_argument("--check", action="store_true", help="stop after the preflight")
    train.add_argument("--jobs", type=_count, help="with --all: cases at once (default: 1)")
    train.add_argument("--threads", type=_count, help="torch threads (default: 1 for a small VLM)")
    _json(train)


def _evaluating(commands: argparse._SubParsersAction) -> None:
    evaluate = _command(
        commands, "evaluate", "evaluate:evaluate",
        "offline metrics, baselines, instruction swap, rollouts", 'mvla evaluate "Case 3"',
    )  # fmt: skip
    evaluate.add_argument("case", nargs="?", help="a case's name or label")
    evaluate.add_argument(
        "--all", action="store_true",
        help="evaluate every checkpoint that is not yet, and hold each offline number "
        "against driving",
    )  # fmt: skip
    _study(evaluate)
    evaluate.add_argument(
        "--checkpoint", default="best", metavar="NAME",
        help="best (the default), latest, or a folder of checkpoints/ such as step-000200",
    )  # fmt: skip
    evaluate.add_argument("--scenes", type=int, help="rollout scenes (default: the profile's)")
    evaluate.add_argument("--jobs", type=_count, help="processes that drive (default: one a core)")
    _json(evaluate)

    vlm = commands.add_parser("vlm", help="make the small VLMs again")
    kinds = vlm.add_subparsers(metavar="ACTION", required=True)
    pretrain = _command(
        kinds, "pretrain", "vlm:pretrain", "pretrain a small VLM on simulated scenes",
        "mvla vlm pretrain kosmos2-tiny --out vlms",
    )  # fmt: skip
    pretrain.add_argument("name", help="kosmos2-tiny or robovlms-tiny")
    pretrain.add_argument("--out", required=True, metavar="DIR", help="the folder to make it in")
    pretrain.add_argument("--seed", type=int, default=0)
    _json(pretrain)


def _judging(commands: argparse._SubParsersAction) -> None:
    status = _command(
        commands, "status", "status:status", "the table of what really exists", "mvla status"
    )
    status.add_argument(
        "path", nargs="*", help="workspaces or folders of runs, or one case for all its evidence"
    )
    status.add_argument(
        "--verify-metrics", action="store_true",
        help="with a case: compute its checkpoints' validation losses again",
    )  # fmt: skip
    status.add_argument(
        "--schema", action="store_true", help="print the JSON schema of what --json prints"
    )
    _study(status)
    _evidence(status)
    _json(status)

    scan = _command(
        commands, "scan", "scan:scan", "take in runs that mobile-vla did not make",
        "mvla scan runs/ logs/ configs/",
    )  # fmt: skip
    scan.add_argument("folder", nargs="+", metavar="DIR", help="folders of runs, logs and configs")
    scan.add_argument(
        "--whole", action="store_true", help="read every byte of checkpoints above 256 MB too"
    )
    _json(scan)


def _comparing(commands: argparse._SubParsersAction) -> None:
    compare = _command(
        commands, "compare", "compare:compare",
        "which comparison holds, what it shows, what confounds it, what is missing",
        'mvla compare "Case 1" "Case 3" --question balance',
    )  # fmt: skip
    compare.add_argument("cases", nargs="*", metavar="CASE", help="two cases; any, with --matrix")
    compare.add_argument("--question", help="a question of the study, or a factor")
    compare.add_argument("--all", action="store_true", help="all the study's questions")
    compare.add_argument(
        "--matrix", metavar="FILE", help="draw the verdicts on all pairs, as .svg or .png"
    )
    compare.add_argument(
        "--exploratory", action="store_true", help="show the numbers of an invalid pair, marked so"
    )
    _study(compare)
    _evidence(compare)
    _json(compare)

    plan = _command(
        commands, "plan", "plan:plan", "done, running, to do, blocked and by what", "mvla plan"
    )
    _study(plan)
    _json(plan)


def _documents(commands: argparse._SubParsersAction) -> None:
    audit = _command(
        commands, "audit", "audit:audit", "claims of documents against evidence",
        "mvla audit report.md --evidence runs/ logs/",
    )  # fmt: skip
    audit.add_argument("document", nargs="+", metavar="DOC.md", help="Markdown documents")
    audit.add_argument("--strict", action="store_true", help="exit 1 unless all is supported")
    audit.add_argument("--all", action="store_true", help="list supported claims too")
    audit.add_argument("--unread", action="store_true", help="list lines not read as claims")
    audit.add_argument("--fix", action="store_true", help="write the corrections")
    audit.add_argument("--diff", action="store_true", help="show the corrections")
    audit.add_argument("--sarif", metavar="FILE", help="write the findings for code review")
    _study(audit)
    _evidence(audit)
    _json(audit)

    mcp = _command(
        commands, "mcp", "mcp:mcp", "answers for assistants, from evidence (MCP)",
        "mvla mcp --workspace workspace --evidence runs/ logs/",
    )  # fmt: skip
    _study(mcp)
    _evidence(mcp)

    report = _command(
        commands, "report", "report:report", "write the lab's page from evidence",
        "mvla report --lang ko --html",
    )  # fmt: skip
    report.add_argument("--lang", choices=("en", "ko"), help="one language (default: both)")
    report.add_argument(
        "--documents", metavar="DIR", help="list what the Markdown below DIR says wrongly"
    )
    report.add_argument("--html", action="store_true", help="write a page with pictures as well")
    _study(report)
    _json(report)


def _episodes(commands: argparse._SubParsersAction) -> None:
    episodes = commands.add_parser(
        "episodes", help="simulate, import, check, compare, export and show demonstrations"
    )
    actions = episodes.add_subparsers(metavar="ACTION", required=True)
    simulate = _command(
        actions, "simulate", "episodes:simulate", "record episodes in the simulator",
        "mvla episodes simulate workspace/data/mine --left 50 --right 50",
    )  # fmt: skip
    simulate.add_argument("folder")
    simulate.add_argument("--left", type=int, default=0, help="episodes past the box on its left")
    simulate.add_argument("--right", type=int, default=0, help="episodes past it on its right")
    simulate.add_argument("--seed", type=int, default=0)
    simulate.add_argument("--size", default="128x128", help="HEIGHTxWIDTH in pixels")
    simulate.add_argument("--evaluation", action="store_true", help="hold all out for evaluation")
    simulate.add_argument("--jobs", type=_count, help="processes (default: one a core)")
    _json(simulate)
    _import_episodes(actions)
    _check_episodes(actions)
    show = _command(
        actions, "show", "episodes:show", "draw an episode: frames in a row, velocities below",
        "mvla episodes show FILE.h5 --out episode.png",
    )  # fmt: skip
    show.add_argument("file")
    show.add_argument("--out", help="the PNG (default: beside the episode)")
    _json(show)


def _import_episodes(actions: argparse._SubParsersAction) -> None:
    taken = _command(
        actions, "import", "episodes:import_",
        "take in HDF5 files, a LeRobotDataset v3, pictures with actions.csv, or ROS bags",
        "mvla episodes import recordings workspace/data/left_right",
    )  # fmt: skip
    taken.add_argument("source", metavar="SRC")
    taken.add_argument("folder", metavar="DEST", help="the data set, new or to be added to")
    taken.add_argument("--size", type=_count, default=224, help="frames are kept at SIZE px")
    taken.add_argument("--seed", type=int, default=0, help="of the split")
    taken.add_argument("--evaluation", action="store_true", help="hold all out for evaluation")
    taken.add_argument("--camera", help="which camera, where a recording has several")
    taken.add_argument("--command", default="/cmd_vel", help="a ROS bag's topic of velocities")
    taken.add_argument("--step", type=_seconds, default=0.4, help="of pictures and bags, in s")
    taken.add_argument("--instruction", help="for recordings that have none")
    taken.add_argument(
        "--follow-external", action="store_true", help="read HDF5 data that stand in other files"
    )
    taken.add_argument("--map", metavar="FILE", help="names of keys, columns, units (YAML)")
    taken.add_argument("--jobs", type=_count, help="processes (default: one a core)")
    taken.add_argument("--study", default="left_right", help="its file names hold")
    taken.add_argument("--workspace", default="workspace", metavar="DIR", help="keeps the frames")
    _json(taken)


def _check_episodes(actions: argparse._SubParsersAction) -> None:
    check = _command(
        actions, "check", "episodes:check", "say what is wrong with recordings, episode by episode",
        "mvla episodes check recordings --html contact_sheet.html",
    )  # fmt: skip
    check.add_argument("folder")
    check.add_argument("--html", metavar="FILE", help="write a contact sheet")
    check.add_argument("--lang", choices=("en", "ko"), help="the contact sheet's (default: en)")
    check.add_argument("--jobs", type=_count, help="processes (default: one a core)")
    check.add_argument(
        "--follow-external", action="store_true", help="read HDF5 data that stand in other files"
    )
    check.add_argument("--study", default="left_right", help="its file names and full speed hold")
    _json(check)
    diff = _command(
        actions, "diff", "episodes:diff", "how data set B differs from A, episode by episode",
        "mvla episodes diff workspace/data/left_right workspace/runs/CASE/RUN/manifest.json",
    )  # fmt: skip
    diff.add_argument("a", metavar="A", help="a data set's folder, or a manifest")
    diff.add_argument("b", metavar="B")
    _json(diff)
    export = _command(
        actions, "export", "episodes:export", "write a data set as a LeRobotDataset v3.0",
        "mvla episodes export workspace/data/left_right left_right_lerobot",
    )  # fmt: skip
    export.add_argument("folder", help="the data set")
    export.add_argument("out", metavar="DEST", help="a new folder")
    export.add_argument("--images", action="store_true", help="PNG without loss, and no video")
    _json(export)


def _weights(commands: argparse._SubParsersAction) -> None:
    weights = commands.add_parser("weights", help="what checkpoints hold; a policy merged")
    actions = weights.add_subparsers(metavar="ACTION", required=True)
    inspect = _command(
        actions, "inspect", "weights:inspect", "keys by part, sizes, types and hashes of weights",
        "mvla weights inspect kosmos_ph_oxe-pretrain.pt",
    )  # fmt: skip
    inspect.add_argument("file", nargs="+", help="a Hugging Face folder, .safetensors, .pt, .ckpt")
    _json(inspect)
    diff = _command(
        actions, "diff", "weights:diff", "in what two checkpoints differ, tensor by tensor",
        "mvla weights diff vlms/kosmos-2 robovlms.pt",
    )  # fmt: skip
    diff.add_argument("a", metavar="A", help="a Hugging Face folder or a file")
    diff.add_argument("b", metavar="B", help="another, of any format")
    _json(diff)
    merge = _command(
        actions, "merge", "weights:merge",
        "a run's best policy as a Hugging Face folder without adapters, its actions compared",
        "mvla weights merge workspace/runs/CASE/RUN --out merged",
    )  # fmt: skip
    merge.add_argument("run_folder", metavar="RUN", help="a run's folder")
    merge.add_argument("--out", required=True, metavar="FOLDER", help="a new folder")
    _json(merge)


def _command(
    commands: argparse._SubParsersAction, name: str, run: str, what: str, example: str
) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = commands.add_parser(
        name, help=what, description=f"{what[0].upper()}{what[1:]}.", epilog=f"example: {example}"
    )
    added.set_defaults(run=run)
    return added


def _study(command: argparse.ArgumentParser) -> None:
    command.add_argument("--study", default="left_right", help="name, folder or YAML file")
    command.add_argument("--profile", default="laptop", help="the study's profile")
    command.add_argument("--workspace", default="workspace", metavar="DIR", help="runs and data")


def _evidence(command: argparse.ArgumentParser) -> None:
    """Scanned folders; without --workspace they are all that is asked."""
    command.add_argument(
        "--evidence", nargs="+", default=[], metavar="DIR", help="folders of runs and logs to scan"
    )
    command.set_defaults(workspace=None)


def _json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="for programs")


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < 60:
        raise argparse.ArgumentTypeError(f"{value} s is no step")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
