"""The robot behind rosbridge, with roslibpy as the robot's other programs."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from PIL import Image
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from mobile_vla.serving.rosbridge import RosbridgeRobot, RosTopics
from serving_server import noise
from small_lab import until

roslibpy = pytest.importorskip("roslibpy", reason="tests/clients.sh installs roslibpy")


@contextmanager
def relaying_rosbridge() -> Iterator[int]:
    """A rosbridge that passes what is published to those who subscribed; its port."""
    subscribed: dict[str, list[Any]] = defaultdict(list)

    def handle(socket: Any) -> None:
        try:
            for text in socket:
                message = json.loads(text)
                if message["op"] == "subscribe":
                    subscribed[message["topic"]].append(socket)
                elif message["op"] == "publish":
                    for other in subscribed[message["topic"]]:
                        other.send(json.dumps(message))
        except ConnectionClosed:
            return

    with serve(handle, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()


def test_roslibpy_sees_the_commands_and_is_seen() -> None:
    frame = noise(1)[0]
    data = io.BytesIO()
    Image.fromarray(frame).save(data, format="PNG")
    header = {"stamp": {"sec": 1, "nanosec": 0}, "frame_id": "camera"}
    image = {"header": header, "format": "png", "data": base64.b64encode(data.getvalue()).decode()}
    rest = {"twist": {"twist": {"linear": {"x": 0.0, "y": 0.0}, "angular": {"z": 0.0}}}}
    with relaying_rosbridge() as port:
        ros = roslibpy.Ros("127.0.0.1", port)
        ros.run()
        commands: list[Any] = []
        topics = {
            name: roslibpy.Topic(ros, name, kind)
            for name, kind in (
                ("/cmd_vel", "geometry_msgs/msg/TwistStamped"),
                ("/camera/image/compressed", "sensor_msgs/msg/CompressedImage"),
                ("/odom", "nav_msgs/msg/Odometry"),
            )
        }
        topics["/cmd_vel"].subscribe(commands.append)
        robot = RosbridgeRobot(
            f"ws://127.0.0.1:{port}", RosTopics(), ("linear_x", "linear_y", "angular_z")
        )

        def sent() -> bool:
            robot.send(np.array([0.5, -0.25, 0.1]))
            return bool(commands)

        until(sent, "a command at roslibpy")
        twist = commands[0]["twist"]
        assert (twist["linear"]["x"], twist["linear"]["y"], twist["angular"]["z"]) == (
            0.5, -0.25, 0.1,
        )  # fmt: skip
        topics["/camera/image/compressed"].publish(roslibpy.Message(image))
        seen = robot.read(60)
        assert seen is not None
        assert (seen == frame).all()
        assert not robot.send(np.zeros(3))
        topics["/odom"].publish(roslibpy.Message(rest))
        until(lambda: robot.send(np.zeros(3)), "an acknowledged stop")
        robot.close()
        ros.terminate()
