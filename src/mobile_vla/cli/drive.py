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
    from mobile_vla.serving.drive import DriveEnd
    from mobile_vla.serving.robots import SimulatedRobot
    from mobile_vla.serving.rosbridge import RosbridgeRobot

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
    steps: int
    twist: bool
    workspace: str | None
    json: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mvla drive`."""
    parser.add_argument("server", help="a policy server's address, such as ws://127.0.0.1:8000")
    parser.add_argument(
        "--robot", default="simulator", metavar="WHICH",
        help="simulator, or the address of a rosbridge, such as ws://robot:9090 "
        "(default: %(default)s)",
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
        help="limit of each axis, m/s and rad/s (default: the policy's full speed)",
    )  # fmt: skip
    parser.add_argument(
        "--acceleration", type=float, metavar="A",
        help="limit of each axis, m/s² and rad/s² (default: none)",
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
    from mobile_vla.runs.workspace import DEFAULT
    from mobile_vla.serving.deadman import CommandSender, Deadman, check_seconds
    from mobile_vla.serving.drive import Driver, DriveSettings, check_base, log_path, record_drive
    from mobile_vla.serving.policy_client import PolicyClient
    from mobile_vla.serving.velocity_limits import VelocityLimiter

    check_seconds("--timeout", options.timeout, 60.0)
    client = PolicyClient(options.server, os.environ.get("MVLA_TOKEN"))
    served = client.metadata
    check_base(served, holonomic=options.base == "holonomic")
    velocity = served["full_speed"] if options.velocity is None else options.velocity
    acceleration = math.inf if options.acceleration is None else options.acceleration
    limiter = VelocityLimiter(len(served["action"]["names"]), velocity, acceleration)
    deadman = Deadman(options.deadman, limiter)
    robot, instruction, arrived = _robot(options, served)
    settings = DriveSettings(instruction, served["step_seconds"], options.timeout, options.steps)
    sender = CommandSender(robot, deadman)
    driver = Driver(robot, client, sender, settings)
    folder = Path(options.workspace or DEFAULT) / "drives" / served["case"]
    path = log_path(folder, f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}")
    header = {"type": "begin", "time": datetime.now(UTC), "server": served,
              "instruction": instruction, "deadman": options.deadman}  # fmt: skip
    with stop_signals() as stop:
        end = record_drive(driver, path, header, stop, arrived)
    robot.close()
    client.close()
    if options.json:
        print_json({"end": end, "log": path})
    else:
        _print_end(end, path)
    return int(end.why == "server_lost" or not end.stop_acknowledged)


def _robot(
    options: DriveOptions, served: dict[str, Any]
) -> tuple[SimulatedRobot | RosbridgeRobot, str, Callable[[], bool]]:
    """The robot, its instruction, and whether it has arrived."""
    if options.robot == "simulator":
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


def _print_end(end: DriveEnd, path: Path) -> None:
    line = phrase(
        "serve.drive_end", "en", why=end.why, fresh=end.fresh, steps=end.steps,
        stops=end.deadman_stops, log=str(path),
    )  # fmt: skip
    print(line)
    if not end.stop_acknowledged:
        print(phrase("serve.drive_no_ack", "en"))
