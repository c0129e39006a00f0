"""Served actions are those of the policy in this process, and drive as it drives."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from mobile_vla.episodes.dataset import load_dataset
from mobile_vla.episodes.frame_store import resize
from mobile_vla.evaluation.rollouts import FIRST_SCENE, SIDES
from mobile_vla.policy.controller import Controller, chunks_together
from mobile_vla.runs.results import Rollouts, read_result
from mobile_vla.serving.served_policy import ServedPolicy
from mobile_vla.serving.wire import unpack
from mobile_vla.simulator.scene import sample_scene
from mobile_vla.simulator.task import DriveEnv
from serving_server import LEFT, RIGHT, RunningServer, ask, in_process, noise
from small_lab import SIZE, Lab

CLOSE = 1e-6


def test_recorded_frames_get_the_same_actions(
    policy_server: RunningServer, served: ServedPolicy, finished_lab: Lab
) -> None:
    dataset = load_dataset(finished_lab.workspace.data("small_eval"))
    for row in dataset.manifest.episodes[:2]:
        episode = dataset.read(row.id)
        with policy_server.connect() as socket:
            socket.recv()
            answers = [ask(socket, frame, episode.instruction) for frame in episode.images]
        actions = np.stack([answer["actions"] for answer in answers])
        expected = in_process(served, episode.images, episode.instruction)
        assert np.abs(actions - expected).max() < CLOSE
        window = served.facts.window
        lengths = [answer["history"] for answer in answers]
        assert lengths == [min(step + 1, window) for step in range(len(lengths))]
        assert {"infer_ms", "prev_total_ms"} <= answers[-1]["server_timing"].keys()


def drive(server: RunningServer, scene: int, side: str) -> tuple[bool, bool, list[list[float]]]:
    environment = DriveEnv(sample_scene(scene), side, SIZE)
    picture = environment.reset()
    with server.connect() as socket:
        socket.recv()
        while not environment.done:
            chunk = ask(socket, picture, environment.instruction)["actions"]
            picture, _ = environment.step(chunk[0])
    outcome = environment.outcome()
    return outcome.success, outcome.collision, [list(point) for point in outcome.path]


def same_drives(server: RunningServer, rollouts: Rollouts) -> int:
    for recorded in rollouts.rollouts:
        success, collision, path = drive(server, recorded.scene, recorded.direction)
        assert (success, collision) == (recorded.success, recorded.collision)
        assert np.allclose(path, recorded.path, atol=1e-4)
    return len(rollouts.rollouts)


def test_scenes_are_driven_as_the_evaluation_drove_them(
    policy_server: RunningServer, finished_lab: Lab
) -> None:
    rollouts = read_result(finished_lab.the_run("both_20").rollouts, Rollouts)
    assert same_drives(policy_server, rollouts) == 4


@pytest.mark.slow
def test_forty_scenes_are_driven_alike(policy_server: RunningServer, served: ServedPolicy) -> None:
    for scene in range(FIRST_SCENE, FIRST_SCENE + 40):
        for side in SIDES:
            environment = DriveEnv(sample_scene(scene), side, SIZE)
            controller = Controller(served.policy, served.facts.window)
            controller.reset([environment.instruction])
            picture = environment.reset()
            while not environment.done:
                action = controller.act(resize(picture, served.side)[None])[0]
                picture, _ = environment.step(action)
            outcome = environment.outcome()
            success, collision, path = drive(policy_server, scene, side)
            assert (success, collision) == (outcome.success, outcome.collision)
            assert np.allclose(path, outcome.path, atol=1e-5)


def test_sessions_do_not_share_a_history(
    policy_server: RunningServer, served: ServedPolicy
) -> None:
    frames = noise(6), noise(6, seed=1)
    texts = LEFT, RIGHT
    with policy_server.connect() as first, policy_server.connect() as second:
        sockets = first, second
        for socket in sockets:
            socket.recv()
        answers: list[list[np.ndarray]] = [[], []]
        for step in range(6):
            for number, socket in enumerate(sockets):
                answers[number].append(ask(socket, frames[number][step], texts[number])["actions"])
    for number in range(2):
        expected = in_process(served, frames[number], texts[number])
        assert np.abs(np.stack(answers[number]) - expected).max() < CLOSE


def test_a_batch_of_sessions_acts_as_each_alone(served: ServedPolicy) -> None:
    """Prompts of several lengths and histories of several lengths in one batch."""
    texts = [LEFT, "stop", RIGHT, "go"]
    controllers = [Controller(served.policy, served.facts.window) for _ in texts]
    frames = np.stack([noise(4, served.side, seed) for seed in range(4)])
    together: list[list[np.ndarray]] = [[] for _ in texts]
    for controller, text in zip(controllers, texts, strict=True):
        controller.reset([text])
    for step in range(4):
        active = [number for number in range(4) if number <= step]
        chunks = chunks_together([controllers[n] for n in active], frames[active, step])
        for number, chunk in zip(active, chunks, strict=True):
            together[number].append(chunk)
    for number, text in enumerate(texts):
        expected = in_process(served, frames[number, number:], text)
        assert np.abs(np.stack(together[number]) - expected).max() < CLOSE


@pytest.mark.parametrize("boundary", ["reset", "prompt", "connection"])
def test_an_episode_begins_without_the_frames_of_the_last(
    policy_server: RunningServer, served: ServedPolicy, boundary: str
) -> None:
    frames = noise(3)
    socket = policy_server.connect()
    socket.recv()
    ask(socket, frames[0], RIGHT if boundary == "prompt" else LEFT)
    if boundary == "connection":
        socket.close()
        socket = policy_server.connect()
        socket.recv()
    answer = ask(socket, frames[1], LEFT, **({"reset": True} if boundary == "reset" else {}))
    socket.close()
    assert answer["history"] == 1
    expected = in_process(served, frames[1:2], LEFT)[0]
    assert np.abs(answer["actions"] - expected).max() < CLOSE


def picture(frame: np.ndarray) -> str:
    png = io.BytesIO()
    Image.fromarray(frame).save(png, format="PNG")
    return base64.b64encode(png.getvalue()).decode()


def test_rest_answers_with_the_same_actions(
    policy_server: RunningServer, served: ServedPolicy
) -> None:
    frames = noise(3)
    expected = in_process(served, frames, LEFT)
    for frame, chunk in zip(frames, expected, strict=True):
        body = {"image": picture(frame), "instruction": LEFT, "session": "robot"}
        status, answer, _ = policy_server.request("POST", "/predict", body)
        assert status == 200
        assert np.abs(np.array(answer["action"]) - chunk[0]).max() < CLOSE
    assert answer["history"] == 3
    assert policy_server.request("POST", "/reset", {"session": "robot"})[0] == 200
    body = {"image": picture(frames[0]), "instruction": LEFT, "session": "robot"}
    assert policy_server.request("POST", "/predict", body)[1]["history"] == 1


def test_rest_connections_without_a_session_have_their_own_history(
    policy_server: RunningServer,
) -> None:
    body = {"image": picture(noise(1)[0]), "instruction": LEFT}
    histories = [policy_server.request("POST", "/predict", body)[1]["history"] for _ in range(2)]
    assert histories == [1, 1]


def test_the_metadata_says_what_is_served(policy_server: RunningServer, finished_lab: Lab) -> None:
    run = finished_lab.the_run("both_20")
    rollouts = read_result(run.rollouts, Rollouts)
    with policy_server.connect() as socket:
        metadata = unpack(socket.recv())
    assert metadata["case"] == "both_20"
    assert metadata["run"] == f"both_20/{run.path.name}"
    assert metadata["checkpoint_blake3"] == rollouts.checkpoint_blake3
    assert metadata["action"] == {
        "names": ["linear_x", "linear_y"], "units": ["m/s, + forward", "m/s, + left"],
    }  # fmt: skip
    assert (metadata["chunk"], metadata["window"], metadata["step_seconds"]) == (4, 8, 0.4)
    assert metadata["frame"]["size"] == [64, 64]
    assert metadata["cameras"] == ["front"]
    evidence = metadata["evidence"]
    assert evidence["rollouts"]["drives"] == len(rollouts.rollouts)
    assert evidence["offline"]["metrics"]
