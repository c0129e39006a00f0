"""The robot's side: deadman, limits, late answers, faults, rosbridge, and a drive."""

from __future__ import annotations

import base64
import io
import json
import math
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.serving_faults import (
    FAULTS,
    FRAME,
    LIMIT,
    FaultyCamera,
    RecordingRobot,
    deadman,
    faulty_server,
    seconds_to_zero,
    sending,
)
from PIL import Image
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from mobile_vla.cli.main import main
from mobile_vla.episodes.formats.hdf5 import read_episode
from mobile_vla.messages.errors import UserError
from mobile_vla.serving.chunk_execution import ChunkExecution
from mobile_vla.serving.deadman import Deadman
from mobile_vla.serving.drive import Driver, DriveSettings, check_base, check_metadata, record_drive
from mobile_vla.serving.rosbridge import RosbridgeRobot, RosTopics
from mobile_vla.serving.velocity_limits import VelocityLimiter, axis_limits
from serving_server import LEFT, RunningServer
from small_lab import until


@pytest.mark.parametrize("limit", [math.nan, math.inf, -math.inf, 0.0, -1.0, 5.1])
def test_a_limit_that_is_no_limit_is_refused(limit: float) -> None:
    with pytest.raises(UserError, match="give more than 0"):
        deadman(limit)
    if limit != 5.1:
        for name in ("velocity", "acceleration", "jerk"):
            if not limit > 0:
                with pytest.raises(UserError, match="limit is"):
                    deadman(**{name: limit})


def test_a_fresh_action_drives_until_the_limit_and_not_longer() -> None:
    dead = deadman()
    assert dead.fresh(np.array([0.5, 0.0]), 1, now=10.0)
    assert dead.command(10.0 + LIMIT - 1e-6).velocity.tolist() == [0.5, 0.0]
    stop = dead.command(10.0 + LIMIT)
    assert stop.stop
    assert not stop.velocity.any()
    assert dead.stops == 1


def test_late_repeated_and_broken_actions_are_not_taken() -> None:
    dead = deadman()
    assert dead.fresh(np.array([0.5, 0.0]), 5, now=0.0)
    assert not dead.fresh(np.array([0.5, 0.0]), 5, now=0.09)
    assert not dead.fresh(np.array([0.5, 0.0]), 4, now=0.09)
    assert not dead.fresh(np.array([math.nan, 0.0]), 6, now=0.09)
    assert not dead.fresh(np.array([math.inf, 0.0]), 7, now=0.09)
    assert dead.command(LIMIT).stop


def test_velocity_and_acceleration_are_limited_and_counted() -> None:
    limiter = VelocityLimiter(axis_limits(2, 1.0, 2.0))
    limiter.zero(0.0)
    assert np.allclose(limiter.limit(np.array([3.0, -0.05]), 0.05), [0.1, -0.05])
    assert np.allclose(limiter.limit(np.array([0.8, 0.0]), 0.1), [0.2, 0.0])
    assert limiter.bound == {"velocity": 1, "acceleration": 2, "jerk": 0}
    assert limiter.axes_bound == {("velocity", 0): 1, ("acceleration", 0): 2}
    assert not limiter.zero(0.1).any()  # a stop is not delayed


def test_jerk_is_limited_and_the_target_reached() -> None:
    limiter = VelocityLimiter(axis_limits(2, 1.0, 4.0, 20.0))
    limiter.zero(0.0)
    step = 0.01
    path = [limiter.limit(np.array([0.8, 0.0]), step * n)[0] for n in range(1, 200)]
    speeds = np.array([0.0, 0.0, *path])
    acceleration = np.diff(speeds) / step
    assert np.abs(np.diff(acceleration) / step).max() < 20.0 * 1.01
    assert np.abs(acceleration).max() < 4.0 * 1.01
    assert abs(path[-1] - 0.8) < 1e-3
    assert max(path) < 0.8 + 0.02
    assert limiter.bound["jerk"] > 0
    assert {axis for _, axis in limiter.axes_bound} == {0}


def test_the_limits_of_the_robot_bind_below_those_of_the_command_line() -> None:
    robot = {"velocity": [0.5, 2.0], "acceleration": [None, 1.0]}
    limits = axis_limits(2, velocity=1.0, robot=robot)
    assert limits.velocity.tolist() == [0.5, 1.0]
    assert limits.acceleration.tolist() == [math.inf, 1.0]
    assert limits.jerk.tolist() == [math.inf, math.inf]


CHUNK = np.array([[0.1, 0.0], [0.2, 0.0], [0.3, 0.0]])


@pytest.mark.parametrize(
    ("mode", "due"), [("first", [0.1, 0.1, 0.1, 0.1]), ("chunk", [0.1, 0.2, 0.3, None])]
)
def test_a_chunk_is_executed_by_the_time_since_its_frame(mode: Any, due: list[Any]) -> None:
    """An answer that took 0.05 s does not shift the path: its elements count from the frame."""
    execution = ChunkExecution(mode, 0.1)
    execution.add(CHUNK, 10.0)
    velocities = [execution.velocity(10.05 + 0.1 * step) for step in range(4)]
    assert [None if v is None else v[0] for v in velocities] == due


def test_overlapping_chunks_are_averaged_with_the_oldest_weighing_most() -> None:
    execution = ChunkExecution("ensemble", 0.1)
    execution.add(CHUNK, 0.0)
    execution.add(CHUNK + 0.3, 0.1)
    weights = np.exp([-0.0, -0.01])
    at = execution.velocity(0.15)
    assert at is not None
    assert at[0] == pytest.approx((0.2 * weights[0] + 0.4 * weights[1]) / weights.sum())
    assert at[0] < 0.3
    alone = execution.velocity(0.35)
    assert alone is not None
    assert alone[0] == pytest.approx(0.6)
    assert execution.velocity(0.45) is None


def test_a_chunk_that_is_over_stops_the_robot_before_the_limit() -> None:
    dead = Deadman(1.0, VelocityLimiter(axis_limits(2)), ChunkExecution("chunk", 0.1))
    dead.fresh(CHUNK, 1, now=5.05, seen_at=5.0)
    assert dead.command(5.25).velocity.tolist() == [0.3, 0.0]
    assert dead.command(5.31).stop


def test_commands_over_a_thousand_random_schedules() -> None:
    """At each time the command is zero exactly where no action is younger than the limit."""
    for seed in range(1000):
        draw, dead = random.Random(seed), deadman()
        now, number, taken_at = 0.0, 0, -math.inf
        for _ in range(30):
            now += draw.expovariate(20)
            if draw.random() < 0.4:
                number += draw.choice([-1, 0, 1, 1])
                if dead.fresh(np.array([0.5, 0.1]), number, now):
                    taken_at = now
            assert dead.command(now).stop == (now - taken_at >= LIMIT)


def test_a_stop_is_repeated_until_it_is_acknowledged() -> None:
    robot = RecordingRobot()
    robot.silent = True
    with sending(robot) as sender:
        sender.fresh(np.array([0.5, 0.0]), 1)
        until(lambda: sum(not v.any() for _, v in list(robot.commands)[2:]) > 3, "repeated stops")
        robot.silent = False
        assert sender.end()
    assert not robot.commands[-1][1].any()


def test_a_stop_follows_a_motion_command_that_was_late() -> None:
    robot = RecordingRobot()
    with sending(robot) as sender:
        robot.hold = threading.Event()
        taken = time.monotonic()
        sender.fresh(np.array([0.5, 0.0]), 1)
        until(lambda: time.monotonic() > taken + 2 * LIMIT, "the limit")
        robot.hold.set()
        until(lambda: any(v.any() for _, v in robot.commands), "the late command")
        until(lambda: not robot.commands[-1][1].any(), "a stop after it")


def test_a_robot_that_was_away_is_stopped_when_it_is_back() -> None:
    robot = RecordingRobot()
    with sending(robot) as sender:
        sender.fresh(np.array([0.5, 0.0]), 1)
        until(lambda: any(v.any() for _, v in robot.commands), "motion")
        robot.unreachable = True
        until(lambda: sender.failed_sends > 3, "failed sends")
        robot.unreachable = False
        until(lambda: not robot.commands[-1][1].any(), "a stop")


@pytest.mark.parametrize("seed", range(20))
def test_the_robot_stops_after_a_fault(seed: int) -> None:
    seconds = seconds_to_zero(FAULTS[seed % len(FAULTS)], random.Random(seed))
    assert seconds >= LIMIT - 0.001


def test_a_full_disk_ends_the_drive_and_the_robot_stands_still() -> None:
    robot = RecordingRobot()
    with faulty_server() as (_, client), sending(robot) as sender:
        driver = Driver(FaultyCamera(), client, sender, DriveSettings(LEFT, 0.02, 5.0, 100))
        with open("/dev/full", "wb", buffering=0) as log, pytest.raises(OSError, match="No space"):
            driver.run(log, threading.Event())
        assert driver.fresh == 1
        until(lambda: robot.commands and not robot.commands[-1][1].any(), "a stop")
    assert any(velocity.any() for _, velocity in robot.commands)


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_a_wall_clock_that_jumps_neither_stops_nor_prolongs(
    jump: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    robot, now = RecordingRobot(), time.time
    with faulty_server() as (_, client), sending(robot) as sender:
        driver = Driver(FaultyCamera(), client, sender, DriveSettings(LEFT, 0.02, 5.0, 6))
        monkeypatch.setattr(time, "time", lambda: now() + jump * driver.steps)
        driver.run(io.BytesIO(), threading.Event())
        assert (driver.fresh, dict(driver.problems)) == (6, {})
        until(lambda: not robot.commands[-1][1].any(), "a stop")
        assert sender.deadman.stops == 1


def test_a_late_answer_is_not_taken_for_a_new_one() -> None:
    with faulty_server() as (faulty, client):
        assert client.infer(FRAME, LEFT, 30) is not None
        faulty.delay = 0.2
        assert client.infer(FRAME, LEFT, 0.01) is None
        faulty.delay = 0.0
        assert client.infer(FRAME, LEFT, 30) is not None
        assert client.late_answers == 1


@contextmanager
def small_rosbridge() -> Iterator[tuple[str, list[dict[str, Any]], list[Any]]]:
    messages: list[dict[str, Any]] = []
    sockets: list[Any] = []

    def handle(socket: Any) -> None:
        sockets.append(socket)
        try:
            for message in socket:
                messages.append(json.loads(message))
        except ConnectionClosed:
            return

    with serve(handle, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}", messages, sockets
        finally:
            server.shutdown()
            thread.join()


def image_message(second: int) -> str:
    data = io.BytesIO()
    Image.fromarray(FRAME).save(data, format="PNG")
    header = {"stamp": {"sec": second, "nanosec": 0}}
    content = {"header": header, "data": base64.b64encode(data.getvalue()).decode()}
    return json.dumps({"op": "publish", "topic": "/camera/image/compressed", "msg": content})


def odometry(speed: float) -> str:
    twist = {"linear": {"x": speed, "y": 0.0}, "angular": {"z": 0.0}}
    return json.dumps({"op": "publish", "topic": "/odom", "msg": {"twist": {"twist": twist}}})


@pytest.mark.parametrize("stamped", [True, False])
def test_rosbridge(stamped: bool) -> None:
    with small_rosbridge() as (url, messages, sockets):
        robot = RosbridgeRobot(url, RosTopics(stamped=stamped), ("linear_x", "linear_y"))
        assert not robot.send(np.array([0.5, -0.25]))
        until(lambda: len(messages) >= 4, "messages")
        kinds = [(message["op"], message.get("type")) for message in messages[:3]]
        twist = "geometry_msgs/msg/TwistStamped" if stamped else "geometry_msgs/msg/Twist"
        assert kinds == [
            ("advertise", twist), ("subscribe", "sensor_msgs/msg/CompressedImage"),
            ("subscribe", "nav_msgs/msg/Odometry"),
        ]  # fmt: skip
        sent = messages[3]["msg"]
        if stamped:
            stamp = sent["header"]["stamp"]
            assert abs(stamp["sec"] + stamp["nanosec"] / 1e9 - time.time()) < 60
            sent = sent["twist"]
        assert sent["linear"] == {"x": 0.5, "y": -0.25, "z": 0.0}
        assert sent["angular"] == {"x": 0.0, "y": 0.0, "z": 0.0}
        sockets[0].send("garbage")
        sockets[0].send(image_message(1))
        frame = robot.read(60)
        assert frame is not None
        assert (frame == FRAME).all()
        sockets[0].send(image_message(1))  # the same stamp: the camera is frozen
        sockets[0].send(odometry(0.3))
        assert robot.read(0.05) is None
        assert not robot.send(np.zeros(2))
        sockets[0].send(odometry(0.0))
        until(lambda: robot.send(np.zeros(2)), "an acknowledged stop")
        robot.close()


def test_a_sideways_policy_is_refused_on_a_differential_base() -> None:
    metadata = {"case": "both_20", "action": {"names": ["linear_x", "linear_y"]}}
    check_base(metadata, holonomic=True)
    with pytest.raises(UserError, match="moves sideways"):
        check_base(metadata, holonomic=False)


def test_the_simulator_is_driven_and_logged(
    policy_server: RunningServer, tmp_path: Path, capsys: Any
) -> None:
    url = f"ws://127.0.0.1:{policy_server.port}"
    words = ["drive", url, "--steps", "3", "--workspace", str(tmp_path), "--timeout", "60"]
    words += ["--deadman", "5"]
    assert main(words) == 0
    assert "3 of 3 steps" in capsys.readouterr().out
    folder = tmp_path / "drives" / "both_20"
    (log,) = folder.glob("*.jsonl")
    (recorded,) = folder.glob("*.h5")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["type"] for line in lines] == ["begin", "step", "step", "step", "end"]
    assert lines[0]["server"]["checkpoint_blake3"]
    assert all(len(line["action"]) == 2 for line in lines[1:4])
    assert lines[-1]["stop_acknowledged"]
    assert lines[-1]["why"] == "max_steps"
    episode = read_episode(recorded)
    sent = np.array([line["sent"] for line in lines[1:4]], np.float32)
    assert (episode.actions == sent).all()
    assert episode.actions.any()
    assert episode.event_types == ("fresh",) * 3
    assert len(episode) == lines[-1]["recorded"] == 3
    assert episode.images.any()
    assert episode.instruction == lines[0]["instruction"]


def test_a_log_is_not_written_through_a_link(tmp_path: Path) -> None:
    outside, link = tmp_path / "outside", tmp_path / "log.jsonl"
    outside.write_text("kept")
    link.symlink_to(outside)
    unused: Any = None
    with pytest.raises(UserError, match=r"log\.jsonl"):
        record_drive(unused, link, unused, threading.Event(), lambda: True)
    assert outside.read_text() == "kept"


def test_a_bag_is_replayed_and_compared(
    policy_server: RunningServer, tmp_path: Path, capsys: Any
) -> None:
    from recorded_bag import drive, write_bag

    frames, commands = drive(1)
    write_bag(tmp_path / "bag", frames, commands, text=LEFT)
    url = f"ws://127.0.0.1:{policy_server.port}"
    words = ["drive", url, "--robot", str(tmp_path / "bag"), "--timeout", "60", "--deadman", "5"]
    assert main([*words, "--workspace", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "6 of 6 steps" in printed
    assert "Mean difference" in printed
    (log,) = (tmp_path / "drives" / "both_20").glob("*.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines[0]["robot"] == "bag"
    assert lines[-1]["why"] == "arrived"
    recorded = np.array([line["recorded"] for line in lines[1:-1]])
    assert np.allclose(recorded, [[0, 0], *[[1.15, 0]] * 1, *[[1.15, 1.15]] * 2, *[[1.15, 0]] * 2])
    actions = np.array([line["action"] for line in lines[1:-1]])
    assert np.allclose(lines[-1]["apart"], np.abs(actions - recorded).mean(0))
    (episode,) = (tmp_path / "drives" / "both_20").glob("*.h5")
    assert (read_episode(episode).images == frames).all()


@pytest.mark.parametrize(
    "change",
    [{"case": "../out"}, {"case": "a/b"}, {"action": {"names": ["gripper"]}}, {"action": {}},
     {"step_seconds": 0}, {"step_seconds": math.nan}, {"limits": {"velocity": [1.0]}}],
)  # fmt: skip
def test_metadata_that_no_driver_can_use_is_refused(change: dict[str, Any]) -> None:
    good = {"case": "both_20", "action": {"names": ["linear_x", "linear_y"]}, "step_seconds": 0.4}
    check_metadata(good, "ws://robot")
    with pytest.raises(UserError, match="what a driver must know"):
        check_metadata({**good, **change}, "ws://robot")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--deadman", "nan"], "limit is nan s"),
        (["--timeout", "-1"], "--timeout is -1.0 s"),
        (["--velocity", "0"], "velocity limit is 0"),
        (["--base", "differential"], "moves sideways"),
        (["--robot", "ws://127.0.0.1:1"], "needs an instruction"),
        (["--robot", "ws://127.0.0.1:1", "--instruction", "go"], "No rosbridge answers"),
    ],
)
def test_bad_drives_are_sentences(
    policy_server: RunningServer, words: list[str], sentence: str, capsys: Any, tmp_path: Path
) -> None:
    url = f"ws://127.0.0.1:{policy_server.port}"
    assert main(["drive", url, "--workspace", str(tmp_path), *words]) == 2
    printed = capsys.readouterr().err
    assert sentence in printed
    assert "Traceback" not in printed


def test_no_server_is_a_sentence(capsys: Any) -> None:
    assert main(["drive", "ws://127.0.0.1:1"]) == 2
    assert "No policy server answers" in capsys.readouterr().err
