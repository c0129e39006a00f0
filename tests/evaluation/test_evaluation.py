"""A trained run evaluated: what is written, what is cut, and the same answer twice."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from mobile_vla.cli.print_results import print_driving
from mobile_vla.episodes.dataset import load_dataset
from mobile_vla.episodes.manifest import Manifest, read_manifest, write_manifest
from mobile_vla.evaluation import rollouts
from mobile_vla.evaluation.leakage import near_copies
from mobile_vla.evaluation.offline import LoadedRun, _recorded, evaluate_offline, load_run
from mobile_vla.evaluation.predictions import predict
from mobile_vla.evaluation.rollouts import evaluate_rollouts
from mobile_vla.evidence.model import Evidence
from mobile_vla.evidence.result_facts import rollout_facts
from mobile_vla.messages.errors import UserError
from mobile_vla.policy.controller import Controller
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.results import Offline, Rollouts, read_result
from mobile_vla.simulator.scene import Scene
from small_lab import Lab, furnish


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def lab(tmp_path: Path, shared: Path, finished_lab: Lab) -> Lab:
    """A copy of the finished run, to write in."""
    lab = furnish(tmp_path / "ws", shared, None)
    shutil.copytree(finished_lab.workspace.runs, lab.workspace.runs, symlinks=True)
    return lab


@pytest.fixture
def trained(lab: Lab) -> LoadedRun:
    return load_run(lab.the_run("both_20"))


def timeless(result: Offline | Rollouts) -> object:
    return msgspec.to_builtins({**msgspec.structs.asdict(result), "time": None})


def test_evaluated_again_it_says_the_same(trained: LoadedRun, lab: Lab) -> None:
    before = read_result(trained.run.offline, Offline)
    again = evaluate_offline(trained, lab.workspace)
    assert timeless(again) == timeless(before)
    assert timeless(read_result(trained.run.offline, Offline)) == timeless(before)
    drives = read_result(trained.run.rollouts, Rollouts)
    repeated = evaluate_rollouts(trained, lab.workspace, 2)
    assert timeless(repeated) == timeless(drives)
    assert [(r.scene, r.direction) for r in drives.rollouts] == [
        (9_000_000, "left"), (9_000_000, "right"), (9_000_001, "left"), (9_000_001, "right"),
    ]  # fmt: skip
    assert (trained.run.path / drives.pictures[0]).read_bytes().startswith(b"\x89PNG")


def test_replays_drive_the_scenes_of_the_policy(trained: LoadedRun, lab: Lab) -> None:
    """The tapes of both sides part; the tape of all is the same under both instructions."""
    result = evaluate_rollouts(trained, lab.workspace, 3)
    scenes = [(drive.scene, drive.direction) for drive in result.rollouts]
    assert [replay.name for replay in result.replays] == [
        "replay_by_step", "replay_by_step_and_instruction"
    ]  # fmt: skip
    by_step, by_instruction = (replay.rollouts for replay in result.replays)
    for drives in (by_step, by_instruction):
        assert [(drive.scene, drive.direction) for drive in drives] == scenes
        assert all(drive.path_length > 0.5 for drive in drives)
    for left, right in zip(by_step[::2], by_step[1::2], strict=True):
        assert left.path == right.path
    for left, right in zip(by_instruction[::2], by_instruction[1::2], strict=True):
        assert max(y for _, y in left.path) > max(y for _, y in right.path)
    assert read_result(trained.run.rollouts, Rollouts).replays == result.replays


def test_the_share_of_a_replay_is_a_fact_under_its_name(trained: LoadedRun, lab: Lab) -> None:
    result = evaluate_rollouts(trained, lab.workspace, 3)
    facts = rollout_facts(result, Evidence(file="rollouts.json"))
    shares = {fact.key.group: fact.value for fact in facts if fact.key.quantity == "collisions"}
    for series, drives in (("", result.rollouts), *((r.name, r.rollouts) for r in result.replays)):
        assert shares[series] == sum(drive.collision for drive in drives) / 6
        assert {f"{series} left".strip(), f"{series} right".strip()} <= shares.keys()


def test_replays_stand_in_what_is_printed_and_reported(
    finished_lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = furnish(tmp_path / "reported", finished_lab.path, finished_lab.context)
    shutil.copytree(finished_lab.workspace.runs, lab.workspace.runs, symlinks=True)
    print_driving(read_result(lab.the_run("both_20").rollouts, Rollouts))
    lines = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert lines[:6] == [
        f'{name} under "{side}"'
        for name in ("driven", "replay by step", "replay by step and instruction")
        for side in ("left", "right")
    ]
    report = lab.run("report")
    assert report.end() == 0, report.stderr
    pages = [page.read_text() for page in lab.path.rglob("*.md")]
    rows = [line for page in pages for line in page.splitlines() if "rollouts.json" in line]
    assert any("replay by step and instruction" in row for row in rows), rows


def test_interrupted_rollouts_go_on_and_repeat_no_scene(
    trained: LoadedRun, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted in the second of three batches: the first is not driven again."""
    monkeypatch.setattr(rollouts, "AT_ONCE", 2)
    undisturbed = evaluate_rollouts(trained, lab.workspace, 5)
    driven: list[int] = []
    real = rollouts.sample_scene

    def interrupted(seed: int) -> Scene:
        if seed == 9_000_003:
            raise KeyboardInterrupt
        return real(seed)

    monkeypatch.setattr(rollouts, "sample_scene", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate_rollouts(trained, lab.workspace, 5)
    monkeypatch.setattr(rollouts, "sample_scene", real)
    begun = rollouts.DriveEnv
    monkeypatch.setattr(
        rollouts,
        "DriveEnv",
        lambda scene, *rest, **more: driven.append(scene.seed) or begun(scene, *rest, **more),
    )
    continued = evaluate_rollouts(trained, lab.workspace, 5)
    assert timeless(continued) == timeless(undisturbed)
    assert sorted(set(driven)) == [9_000_002, 9_000_003, 9_000_004]
    assert not list(trained.run.evaluation.glob("*.jsonl"))
    assert all((trained.run.path / name).stat().st_size > 100 for name in continued.pictures)


def test_several_processes_drive_as_one_does(finished_lab: Lab, tmp_path: Path) -> None:
    """Two batches by one process and by two: the same drives, in the same order, to the bit."""
    found = []
    for jobs in ("1", "2"):
        lab = furnish(tmp_path / jobs, finished_lab.path, finished_lab.context)
        shutil.copytree(finished_lab.workspace.runs, lab.workspace.runs, symlinks=True)
        done = lab.run("evaluate", "Case 3", "--scenes", "11", "--jobs", jobs)
        assert done.end() == 0, done.stderr
        found.append(read_result(lab.the_run("both_20").rollouts, Rollouts))
    assert timeless(found[0]) == timeless(found[1])
    assert [drive.scene - 9_000_000 for drive in found[1].rollouts[::2]] == list(range(11))


def test_another_checkpoint_is_evaluated_beside_the_best(lab: Lab) -> None:
    """Its results lie in a folder of its own name, and the best one's stay as they were."""
    run = lab.the_run("both_20")
    before = run.offline.read_bytes()
    other = run.checkpoints / "step-000001"
    shutil.copytree(run.best.resolve(), other)
    trained = load_run(run, "step-000001")
    offline = evaluate_offline(trained, lab.workspace)
    drives = evaluate_rollouts(trained, lab.workspace, 1)
    assert offline.checkpoint == drives.checkpoint == "checkpoints/step-000001/policy.safetensors"
    assert run.offline.read_bytes() == before
    assert (run.path / drives.pictures[0]).parent == run.evaluation / "step-000001"
    assert read_result(trained.results / "offline.json", Offline) == offline
    assert load_run(run, "latest").results == load_run(run, "best").results
    with pytest.raises(UserError, match="has no checkpoint step-9: it has best, latest, step-"):
        load_run(run, "step-9")


def test_what_is_written_names_its_set_and_its_checkpoint(trained: LoadedRun) -> None:
    from mobile_vla.runs.files import hash_file

    result = read_result(trained.run.offline, Offline)
    assert result.checkpoint_blake3 == hash_file(trained.run.path / result.checkpoint)
    pinned = read_manifest(trained.run.evaluation_manifest)
    assert result.set.hash == pinned.identity() == pinned.hash
    assert (result.set.left, result.set.right, result.set.leaked) == (4, 4, [])
    assert [b.name for b in result.baselines] == [
        "mean_action", "replay_by_step", "replay_by_step_and_instruction", "nearest_neighbour",
        "blind", "deaf",
    ]  # fmt: skip
    for scored in (result.policy, *result.baselines):
        assert [row.episode for row in scored.episodes] == result.set.episodes
        assert scored.by_direction.keys() == {"left", "right"}


def test_episodes_that_the_run_knew_are_cut_and_counted(trained: LoadedRun, lab: Lab) -> None:
    """Two it trained on and one it chose its checkpoint by are smuggled into the set."""
    own = read_manifest(trained.run.manifest)
    known = [*own.split("train")[:2], own.split("val")[0]]
    data = lab.path / "data"
    source = data.resolve()
    data.unlink()
    shutil.copytree(source, data)
    held_out = load_dataset(data / "small_eval").manifest
    for episode in known:
        shutil.copy(data / "small" / episode.source, data / "small_eval")
    mixed = [*known, *held_out.episodes]
    manifest = Manifest.of(held_out.name, held_out.step, mixed)
    write_manifest(data / "small_eval" / "manifest.json", manifest)

    clean = timeless(read_result(trained.run.offline, Offline))
    result = evaluate_offline(trained, lab.workspace)
    assert sorted(result.set.leaked) == sorted(episode.hash for episode in known)
    assert isinstance(clean, dict)
    assert result.set.hash == clean["set"]["hash"]
    assert msgspec.to_builtins(result.policy) == clean["policy"]

    manifest = Manifest.of(held_out.name, held_out.step, known)
    write_manifest(data / "small_eval" / "manifest.json", manifest)
    with pytest.raises(UserError, match=r"All 3 episodes of small_eval were trained on by both_20"):
        evaluate_offline(trained, lab.workspace)


def test_near_duplicates_of_training_episodes_are_found_by_their_pictures(
    trained: LoadedRun, lab: Lab
) -> None:
    """Held-out episodes are near none; an episode is near itself, whatever its hash says."""
    own = read_manifest(trained.run.manifest)
    size = trained.policy.backbone.image_size
    held_out = load_dataset(lab.path / "data" / "small_eval").manifest.episodes
    assert near_copies(held_out, own, ("small_eval", "small"), lab.workspace, size) == []
    known = own.split("train")[:2]
    found = near_copies(known, own, ("small", "small"), lab.workspace, size)
    assert found == [episode.hash for episode in known]


def test_a_prediction_is_what_the_controller_does(trained: LoadedRun, lab: Lab) -> None:
    """Frame by frame with its carried history, as on the robot."""
    from mobile_vla.episodes.frame_store import open_frames

    manifest = load_dataset(lab.workspace.data("small_eval")).manifest
    first = Manifest.of(manifest.name, manifest.step, manifest.episodes[:1])
    (episode,) = _recorded(trained, first, "small_eval", lab.workspace)
    folder, cache = lab.workspace.data("small_eval"), lab.workspace.cache
    frames = open_frames(manifest, folder, trained.policy.backbone.image_size, cache)
    controller = Controller(trained.policy, trained.case.recipe.window)
    controller.reset([episode.instruction])
    driven = np.concatenate([controller.act(np.array(frame[None])) for frame in frames[episode.id]])
    told = predict(trained.policy, episode, trained.case.recipe.window)
    assert told.shape == episode.actions.shape
    assert np.abs(told - driven).max() < 0.02  # stored latents are bfloat16


def test_the_swap_says_how_far_and_how_often(trained: LoadedRun, lab: Lab) -> None:
    result = read_result(trained.run.offline, Offline)
    assert result.swap.n == 8
    assert result.swap.change > 0
    assert 0 <= result.swap.follows <= 1
    manifest = load_dataset(lab.workspace.data("small_eval")).manifest
    episodes = _recorded(trained, manifest, "small_eval", lab.workspace)
    other = {
        "left": "go around the box on the right, to the basket",
        "right": "go around the box on the left, to the basket",
    }
    window = trained.case.recipe.window
    changes = [
        np.linalg.norm(
            predict(trained.policy, e, window)
            - predict(trained.policy, e, window, other[e.direction]),
            axis=1,
        ).mean()
        for e in episodes
    ]
    assert result.swap.change == pytest.approx(np.mean(changes), rel=1e-5)


def test_a_policy_of_nan_is_named_at_its_first_frame(trained: LoadedRun, lab: Lab) -> None:
    with torch.no_grad():
        next(trained.policy.head.parameters()).fill_(torch.nan)
    before = trained.run.offline.read_bytes()
    with pytest.raises(UserError, match=r"at frame 0 of episode_.*which is no velocity"):
        evaluate_offline(trained, lab.workspace)
    assert trained.run.offline.read_bytes() == before


def test_episodes_of_another_step_length_are_refused(trained: LoadedRun, lab: Lab) -> None:
    robot = msgspec.structs.replace(trained.case.robot, step=0.2)
    case = msgspec.structs.replace(trained.case, robot=robot)
    other = dataclasses.replace(trained, case=case)
    with pytest.raises(UserError, match=r"has steps of 0.4 s but both_20 was trained for .* 0.2 s"):
        evaluate_offline(other, lab.workspace)


def test_fewer_than_no_scenes(trained: LoadedRun, lab: Lab) -> None:
    with pytest.raises(UserError, match="less than none"):
        evaluate_rollouts(trained, lab.workspace, -1)


def test_a_run_without_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no checkpoint to evaluate: train its case first"):
        load_run(RunFolder(tmp_path))


def test_a_damaged_checkpoint_is_a_sentence(lab: Lab) -> None:
    run = lab.the_run("both_20")
    file = run.best.resolve() / "policy.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError, match="is damaged"):
        load_run(run)


def test_other_frozen_weights_are_refused(lab: Lab) -> None:
    """The checkpoint holds the trained tensors alone: on another VLM it is another policy."""
    from safetensors.torch import load_file, save_file

    from mobile_vla.policy.assets import asset_path

    other = lab.path / "vlm"
    shutil.copytree(asset_path("kosmos2-tiny"), other)
    weights = load_file(other / "model.safetensors")
    name = next(name for name in weights if name.endswith("q_proj.weight"))
    weights[name] = weights[name] * 1.01
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    run = lab.the_run("both_20")
    text = run.case_yaml.read_text()
    run.case_yaml.write_text(text.replace("package:kosmos2-tiny", str(other)))
    with pytest.raises(UserError, match=r"was trained on (other )?frozen weights"):
        load_run(run)
