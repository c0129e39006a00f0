"""`mvla drive`: drive a robot with a served policy."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobile_vla.cli.arguments import Options, add_json, add_workspace, count, runs
from mobile_vla.cli.run_options import print_json
from mobile_vla.cli.stop_signals import stop_signals
from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError

if TYPE_CHECKING:
    from mobile_vla.runs.drive_log import DriveEnd, RobotKind
    from mobile_vla.serving.chunk_execution import ExecutionMode
    from mobile_vla.serving.robots import ReplayedRobot, SimulatedRobot
    from mobile_vla.serving.rosbridge import RosbridgeRobot
    from mobile_vla.serving.velocity_limits import AxisLimits

FIRST_SCENE = 9_000_000


class DriveOptions(Options):
    """The server, the robot and the limits."""

    server: str
    robot: str
    base: str
    instruction: str | None
    scene: int
    side: str
    deadman: float
    timeout: float
    velocity: float | None
    acceleration: float | None
    jerk: float | None
    execute: ExecutionMode
    steps: int
    twist: bool
    workspace: str | None
    json: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mvla drive`."""
    parser.add_argument("server", help="a policy server's address, such as ws://127.0.0.1:8000")
    parser.add_argument(
        "--robot", default="simulator", metavar="WHICH",
        help="simulator, the address of a rosbridge, such as ws://robot:9090, or the path of a ROS "
        "2 bag whose pictures are replayed (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--base", choices=("holonomic", "differential"), default="holonomic",
        help="what the base can do; a policy that moves sideways needs a holonomic one "
        "(default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--instruction", metavar="TEXT", help="default: the simulated scene's")
    parser.add_argument(
        "--scene", type=int, default=FIRST_SCENE, metavar="N",
        help="seed of the simulated scene (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--side", choices=("left", "right"), default="left",
        help="side that the simulated scene's instruction names (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--deadman", type=float, default=0.5, metavar="S",
        help="seconds without a fresh action after which the robot stops (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", type=float, default=0.4, metavar="S",
        help="seconds to wait for a frame and for an action (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--velocity", type=float, metavar="V",
        help="limit of each axis, m/s and rad/s (default: the full speed of the study's robot)",
    )  # fmt: skip
    parser.add_argument(
        "--acceleration", type=float, metavar="A",
        help="limit of each axis, m/s² and rad/s² (default: that of the study's robot)",
    )  # fmt: skip
    parser.add_argument(
        "--jerk", type=float, metavar="J",
        help="limit of each axis, m/s³ and rad/s³ (default: that of the study's robot)",
    )  # fmt: skip
    parser.add_argument(
        "--execute", choices=("first", "chunk", "ensemble"), default="first",
        help="first: the first action until the next answer, as the evaluation drives; chunk: the "
        "action for the time since the frame; ensemble: its mean over the chunks that reach so "
        "far (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--steps", type=count, default=25, metavar="N",
        help="control steps at most (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--twist", action="store_true", help="publish Twist in place of TwistStamped"
    )
    add_workspace(parser, "the folder that drives/ is written to")
    example = "mvla drive ws://127.0.0.1:8000 --scene 9000001 --side right"
    add_json(parser)
    runs(parser, drive, DriveOptions, example, needs=("sim", "serve"))


def drive(options: DriveOptions) -> int:
    """Drive until the robot arrives, the steps are over or a signal comes; 1 for a bad end."""
    from mobile_vla.runs.drive_log import DriveBegin
    from mobile_vla.runs.workspace import DEFAULT, Workspace
    from mobile_vla.serving.chunk_execution import ChunkExecution
    from mobile_vla.serving.deadman import CommandSender, Deadman, check_seconds
    from mobile_vla.serving.drive import (
        Driver,
        DriveSettings,
        check_base,
        check_metadata,
        record_drive,
    )
    from mobile_vla.serving.drive_recorder import DriveRecorder
    from mobile_vla.serving.policy_client import PolicyClient
    from mobile_vla.serving.robots import ReplayedRobot
    from mobile_vla.serving.velocity_limits import VelocityLimiter

    check_seconds("--timeout", options.timeout, 60.0)
    client = PolicyClient(options.server, os.environ.get("MVLA_TOKEN"))
    served = client.metadata
    check_metadata(served, options.server)
    check_base(served, holonomic=options.base == "holonomic")
    names = served["action"]["names"]
    execution = ChunkExecution(options.execute, served["step_seconds"])
    deadman = Deadman(options.deadman, VelocityLimiter(_limits(options, served)), execution)
    robot, instruction, arrived = _robot(options, served)
    settings = DriveSettings(instruction, served["step_seconds"], options.timeout, options.steps)
    recorder = DriveRecorder(instruction, served["step_seconds"], names)
    driver = Driver(
        robot, client, CommandSender(robot, deadman), settings, recorder,
        **({"recorded": robot.recorded} if isinstance(robot, ReplayedRobot) else {}),
    )  # fmt: skip
    folder = Workspace(Path(options.workspace or DEFAULT)).drives / served["case"]
    path = folder / f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}.jsonl"
    header = DriveBegin(
        time=datetime.now(UTC), server=served, instruction=instruction, deadman=options.deadman,
        robot=_kind(options.robot), address=options.robot,
    )  # fmt: skip
    with stop_signals() as stop:
        end = record_drive(driver, path, header, stop, arrived)
    robot.close()
    client.close()
    if options.json:
        print_json({"end": end, "log": path})
    else:
        _print_end(end, path)
    return int(end.why == "server_lost" or not end.stop_acknowledged)


def _limits(options: DriveOptions, served: dict[str, Any]) -> AxisLimits:
    """The limits of the study's robot, lowered by those of the command line."""
    from mobile_vla.serving.velocity_limits import KINDS, axis_limits

    limits = {
        name: math.inf if (value := getattr(options, name)) is None else value for name in KINDS
    }
    return axis_limits(len(served["action"]["names"]), robot=served.get("limits"), **limits)


def _robot(
    options: DriveOptions, served: dict[str, Any]
) -> tuple[SimulatedRobot | RosbridgeRobot | ReplayedRobot, str, Callable[[], bool]]:
    """The robot, its instruction, and whether it has arrived."""
    kind = _kind(options.robot)
    if kind == "bag":
        return _replayed(options, served)
    if kind == "simulator":
        from mobile_vla.serving.robots import SimulatedRobot
        from mobile_vla.simulator.scene import sample_scene

        height, width = served["frame"]["size"]
        side: Any = options.side
        simulated = SimulatedRobot(sample_scene(options.scene), side, (height, width))
        return simulated, options.instruction or simulated.instruction, lambda: simulated.arrived
    from mobile_vla.serving.rosbridge import RosbridgeRobot, RosTopics

    if options.instruction is None:
        raise UserError(phrase("serve.no_instruction", "en"))
    topics = RosTopics(stamped=not options.twist)
    names = tuple(served["action"]["names"])
    return RosbridgeRobot(options.robot, topics, names), options.instruction, lambda: False


def _kind(robot: str) -> RobotKind:
    """What the text of `--robot` names; an address is of a rosbridge."""
    if robot == "simulator":
        return "simulator"
    return "bag" if Path(robot).exists() else "rosbridge"


def _replayed(
    options: DriveOptions, served: dict[str, Any]
) -> tuple[ReplayedRobot, str, Callable[[], bool]]:
    from mobile_vla.episodes.formats.import_source import RecordingOptions
    from mobile_vla.episodes.formats.rosbag import BagSource
    from mobile_vla.serving.robots import ReplayedRobot

    recording = RecordingOptions(step=served["step_seconds"], instruction=options.instruction)
    robot = ReplayedRobot(
        BagSource(Path(options.robot), recording).read(), served["action"]["names"]
    )
    instruction = options.instruction or robot.instruction
    if not instruction:
        raise UserError(phrase("serve.no_instruction", "en"))
    return robot, instruction, lambda: robot.arrived


def _print_end(end: DriveEnd, path: Path) -> None:
    line = phrase(
        "serve.drive_end", "en", why=end.why, fresh=end.fresh, steps=end.steps,
        stops=end.deadman_stops, log=str(path),
    )  # fmt: skip
    print(line)
    if any(end.limited.values()):
        bound = ", ".join(f"{name} {count}" for name, count in end.limited.items() if count)
        print(phrase("serve.drive_limited", "en", bound=bound))
    if end.apart is not None:
        apart = ", ".join(f"{value:.3g}" for value in end.apart)
        print(phrase("serve.drive_apart", "en", apart=apart))
    if not end.stop_acknowledged:
        print(phrase("serve.drive_no_ack", "en"))
