"""Pictures a second on one core, control steps a second, and what a full evaluation drives.

    python benchmarks/simulator.py [--scenes 20] [--cases 8]

Prints one JSON object. Rollouts are driven by the shipped small VLM with an untrained head, at
once, as `mvla evaluate` drives them; the time for all cases is that of one times their number.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np


def rate(act: Callable[[], object], seconds: float = 2.0) -> float:
    """Calls a second, the first not counted."""
    act()
    began, calls = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        act()
        calls += 1
    return calls / (time.perf_counter() - began)


def rendering() -> dict[str, float]:
    """Frames a second of one process by picture size."""
    from mobile_vla.simulator.scene import sample_scene
    from mobile_vla.simulator.world import World

    world = World(sample_scene(1))
    sizes = ((64, 64), (128, 128), (224, 224), (720, 1280))
    return {f"{h}x{w}": rate(lambda h=h, w=w: world.render(h, w)) for h, w in sizes}


def rollouts(scenes: int, size: tuple[int, int] = (128, 128)) -> dict[str, float]:
    """Seconds for `scenes` paired scenes, every drive of 25 steps, and how they divide."""
    import torch

    from mobile_vla.episodes.frames import resize
    from mobile_vla.policy.assets import asset_path
    from mobile_vla.policy.controller import Controller
    from mobile_vla.policy.head import build_head
    from mobile_vla.policy.loading import load_vlm
    from mobile_vla.policy.normalise import action_statistics
    from mobile_vla.policy.policy import Policy
    from mobile_vla.simulator.environment import MAX_STEPS, DriveEnv
    from mobile_vla.simulator.scene import sample_scene

    torch.set_num_threads(1)
    backbone, _ = load_vlm(asset_path("kosmos2-tiny"))
    head = build_head("lstm", backbone.hidden_size, hidden=128, layers=1, chunk=10, action_dim=2)
    statistics = action_statistics([np.ones((2, 3), np.float32)], 2)
    controller = Controller(Policy(backbone, head, statistics), 8)
    envs = [DriveEnv(sample_scene(s), side, size) for s in range(scenes) for side in SIDES]
    controller.reset([env.instruction for env in envs])
    pictures = [env.reset() for env in envs]
    policy_seconds, began = 0.0, time.perf_counter()
    for _ in range(MAX_STEPS):
        before = time.perf_counter()
        frames = np.stack([resize(picture, backbone.image_size) for picture in pictures])
        controller.act(frames)
        policy_seconds += time.perf_counter() - before
        pictures = [env.step(np.array([0.01, 0.0]))[0] for env in envs]
    whole = time.perf_counter() - began
    return {"seconds": whole, "policy_seconds": policy_seconds, "drives": len(envs)}


SIDES = ("left", "right")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--cases", type=int, default=8)
    options = parser.parse_args()
    from mobile_vla.simulator.render import choose_backend

    backend = choose_backend()
    driven = rollouts(options.scenes)
    print(
        json.dumps(
            {
                "renderer": backend,
                "frames_per_second_one_core": rendering(),
                "rollouts_of_one_case": driven,
                "all_cases_one_process_seconds": driven["seconds"] * options.cases,
                "all_cases_two_processes_seconds": driven["seconds"] * options.cases / 2,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
