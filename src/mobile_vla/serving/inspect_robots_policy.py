"""A served policy for inspect-robots (entry point `inspect_robots.policies`, name `mobile_vla`).

Its control modes have no velocity of a base. The action is declared as `joint_vel`, one rate for
each of the policy's dimensions, whose labels are `linear_x`, `linear_y` (m/s) and `angular_z`
(rad/s): an embodiment must offer the same labels.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from inspect_robots.policy import PolicyBase, PolicyConfig, PolicyInfo
from inspect_robots.spaces import ActionSemantics, Box, CameraSpec, ObservationSpace
from inspect_robots.types import Action, ActionChunk

from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError
from mobile_vla.serving.drive import check_metadata
from mobile_vla.serving.policy_client import PolicyClient

ADDRESS = "ws://127.0.0.1:8000"
LONGEST_ANSWER = 30.0


class InspectRobotsPolicy(PolicyBase):
    """Asks a running `mvla serve`. Each chunk is executed by its first action, as evaluated."""

    def __init__(self, url: str = ADDRESS, token: str | None = None) -> None:
        """Connect; `token` defaults to the environment's MVLA_TOKEN.

        Raises:
            UserError: no policy server answers.
        """
        self._client = PolicyClient(url, token or os.environ.get("MVLA_TOKEN"))
        served = self._client.metadata
        check_metadata(served, url)
        names = tuple(served["action"]["names"])
        (self._camera,) = served["cameras"]
        height, width = served["frame"]["size"]
        speeds = np.array((served.get("limits") or {}).get("velocity") or [np.inf] * len(names))
        semantics = ActionSemantics("joint_vel", dim_labels=names)
        self.info = PolicyInfo(
            name=f"mobile_vla {served['case']}",
            action_space=Box((len(names),), -speeds, speeds, semantics),
            observation_space=ObservationSpace((CameraSpec(self._camera, height, width),)),
            control_hz=1 / served["step_seconds"],
            checkpoint=served.get("checkpoint_blake3"),
        )
        self.config = PolicyConfig(action_horizon=1, replan_interval=1)
        self._instruction = ""
        self._begins = True

    def reset(self, scene: Any) -> None:
        """Begin a scene: the server forgets the frames of the last one."""
        self._instruction, self._begins = scene.instruction, True

    def act(self, observation: Any) -> ActionChunk:
        """The next velocities for the newest picture.

        Raises:
            UserError: the camera is missing, the server refuses, or no answer comes.
        """
        if self._camera not in observation.images:
            cameras = ", ".join(observation.images) or "none"
            raise UserError(phrase("serve.no_camera", "en", camera=self._camera, cameras=cameras))
        frame = np.asarray(observation.images[self._camera])
        instruction = observation.instruction or self._instruction
        chunk = self._client.infer(frame, instruction, LONGEST_ANSWER, reset=self._begins)
        if chunk is None:
            raise UserError(phrase("serve.no_answer", "en", seconds=LONGEST_ANSWER))
        self._begins = False
        return ActionChunk([Action(chunk[0])], control_hz=self.info.control_hz)
