"""inspect-robots finds the policy by its entry point and drives with the served actions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mobile_vla.messages.errors import UserError
from mobile_vla.serving.served_policy import ServedPolicy
from serving_server import LEFT, RunningServer, in_process, noise

pytest.importorskip("inspect_robots", reason="tests/clients.sh installs inspect-robots")


def policy_of(server: RunningServer) -> Any:
    from mobile_vla.serving.inspect_robots_policy import InspectRobotsPolicy

    return InspectRobotsPolicy(f"ws://127.0.0.1:{server.port}")


def observed(frame: np.ndarray, camera: str = "front") -> Any:
    from inspect_robots.types import Observation

    return Observation(images={camera: frame}, state={}, instruction=LEFT)


def test_the_entry_point_names_the_policy() -> None:
    from importlib.metadata import entry_points

    (entry,) = [e for e in entry_points(group="inspect_robots.policies") if e.name == "mobile_vla"]
    assert entry.value == "mobile_vla.serving.inspect_robots_policy:InspectRobotsPolicy"


def test_its_actions_are_the_served_ones_and_a_reset_begins_anew(
    policy_server: RunningServer, served: ServedPolicy
) -> None:
    from inspect_robots.policy import Policy
    from inspect_robots.scene import Scene

    policy, frames = policy_of(policy_server), noise(3)
    assert isinstance(policy, Policy)
    assert policy.info.action_space.semantics.dim_labels == ("linear_x", "linear_y")
    assert policy.info.control_hz == 2.5
    expected = in_process(served, frames, LEFT)[:, 0]
    for _ in range(2):
        policy.reset(Scene("one", LEFT))
        chunks = [policy.act(observed(frame)) for frame in frames]
        assert all(len(chunk) == 1 for chunk in chunks)
        actions = np.stack([chunk.actions[0].data for chunk in chunks])
        assert np.abs(actions - expected).max() < 1e-6


def test_another_camera_is_a_sentence(policy_server: RunningServer) -> None:
    with pytest.raises(UserError, match="needs the camera front"):
        policy_of(policy_server).act(observed(noise(1)[0], "wrist"))
