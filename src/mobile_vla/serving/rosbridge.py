"""A robot and its camera behind rosbridge (protocol 2, JSON over a websocket).

rosbridge acknowledges nothing: a stop counts as acknowledged once odometry reports a base at rest.
Source: https://github.com/RobotWebTools/rosbridge_suite/blob/ros2/ROSBRIDGE_PROTOCOL.md
"""

from __future__ import annotations

import base64
import json
import math
import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError, reason_of
from mobile_vla.serving.pictures import decode_picture
from mobile_vla.serving.request_error import RequestError
from mobile_vla.serving.wire import MAX_MESSAGE

OPEN_TIMEOUT = 10.0
AT_REST = 0.01
"""m/s and rad/s below which odometry reports a base at rest."""
ODOMETRY_AGE = 0.5
TWIST = ("linear", "x"), ("linear", "y"), ("angular", "z")


@dataclass(frozen=True, slots=True)
class RosTopics:
    """Names of topics, and whether the base takes Twist in place of TwistStamped."""

    command: str = "/cmd_vel"
    camera: str = "/camera/image/compressed"
    odometry: str = "/odom"
    stamped: bool = True


class RosbridgeRobot:
    """Publishes velocities, and reads the newest compressed image and odometry from a thread."""

    def __init__(self, url: str, topics: RosTopics, names: tuple[str, ...]) -> None:
        """Connect, advertise and subscribe. `names`: the policy's action dimensions.

        Raises:
            UserError: no rosbridge answers.
        """
        self._topics = topics
        self._axes = [{"linear_x": 0, "linear_y": 1, "angular_z": 2}[name] for name in names]
        try:
            self._socket: ClientConnection = connect(
                url, max_size=MAX_MESSAGE, open_timeout=OPEN_TIMEOUT
            )
        except (OSError, ValueError, WebSocketException) as error:
            why = reason_of(error)
            raise UserError(phrase("serve.no_rosbridge", "en", url=url, why=why)) from error
        self._changed = threading.Condition()
        self._frame: np.ndarray | None = None
        self._stamp: Any = None
        self._rest_since = math.inf
        self._odometry_at = -math.inf
        self._subscribe()
        self._reader = threading.Thread(target=self._read_messages, name="rosbridge", daemon=True)
        self._reader.start()

    def send(self, velocity: np.ndarray) -> bool:
        """Publish a velocity with the present time; True where the base is at rest, as asked."""
        values = [0.0, 0.0, 0.0]
        for axis, value in zip(self._axes, velocity, strict=True):
            values[axis] = float(value)
        twist: dict[str, dict[str, float]] = {
            "linear": {"x": 0.0, "y": 0.0, "z": 0.0},
            "angular": {"x": 0.0, "y": 0.0, "z": 0.0},
        }
        for (kind, axis_name), value in zip(TWIST, values, strict=True):
            twist[kind][axis_name] = value
        message = {"header": _header(), "twist": twist} if self._topics.stamped else twist
        sent_at = time.monotonic()
        self._publish({"op": "publish", "topic": self._topics.command, "msg": message})
        return not any(values) and self._at_rest(sent_at)

    def read(self, timeout: float) -> np.ndarray | None:
        """The newest frame, once; None where the camera sends none in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None, timeout)
            frame, self._frame = self._frame, None
        return frame

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _at_rest(self, now: float) -> bool:
        with self._changed:
            recent = now - self._odometry_at < ODOMETRY_AGE
            return recent and self._rest_since <= now

    def _subscribe(self) -> None:
        stamped = "Stamped" if self._topics.stamped else ""
        command = {"topic": self._topics.command, "type": f"geometry_msgs/msg/Twist{stamped}"}
        camera = {"topic": self._topics.camera, "type": "sensor_msgs/msg/CompressedImage"}
        odometry = {"topic": self._topics.odometry, "type": "nav_msgs/msg/Odometry"}
        self._publish({"op": "advertise", **command})
        self._publish({"op": "subscribe", **camera, "queue_length": 1})
        self._publish({"op": "subscribe", **odometry, "queue_length": 1})

    def _publish(self, message: dict[str, Any]) -> None:
        try:
            self._socket.send(json.dumps(message))
        except ConnectionClosed as error:
            raise ConnectionError(str(error)) from error

    def _read_messages(self) -> None:
        try:
            for message in self._socket:
                self._take(message)
        except ConnectionClosed:
            return

    def _take(self, message: str | bytes) -> None:
        """Keep a new image or odometry; anything else is no sign of life."""
        try:
            values = json.loads(message)
            topic, content = values["topic"], values["msg"]
            if topic == self._topics.camera:
                self._take_image(content)
            elif topic == self._topics.odometry:
                self._take_odometry(content["twist"]["twist"])
        except (ValueError, TypeError, KeyError, RequestError):
            return

    def _take_image(self, content: dict[str, Any]) -> None:
        if (stamp := content["header"]["stamp"]) == self._stamp:
            return  # the camera is frozen
        frame = decode_picture(base64.b64decode(content["data"], validate=True))
        with self._changed:
            self._frame, self._stamp = frame, stamp
            self._changed.notify()

    def _take_odometry(self, twist: dict[str, Any]) -> None:
        speed = max(abs(float(twist[kind][axis])) for kind, axis in TWIST)
        now = time.monotonic()
        with self._changed:
            self._odometry_at = now
            if not speed < AT_REST:
                self._rest_since = math.inf
            elif self._rest_since == math.inf:
                self._rest_since = now


def _header() -> dict[str, Any]:
    """A header with the present time; ROS stamps are wall-clock times."""
    nanoseconds = time.time_ns()
    seconds, remainder = divmod(nanoseconds, 10**9)
    return {"stamp": {"sec": seconds, "nanosec": remainder}, "frame_id": "base_link"}
