"""The lab's faults, rebuilt by real trainings, and what the program says of each."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from mobile_vla.analysis.diagnostics import diagnose, name_of
from mobile_vla.episodes.dataset import build_manifest, load_dataset
from mobile_vla.episodes.formats.hdf5 import read_episode, write_episode
from mobile_vla.episodes.manifest import Manifest, write_manifest
from mobile_vla.evaluation import predictions
from mobile_vla.evaluation.offline import evaluate_offline, load_run
from mobile_vla.messages.errors import UserError
from mobile_vla.policy.kosmos2 import Kosmos2Backbone
from mobile_vla.training.preflight import Checklist
from mobile_vla.training.run import begin_run, train
from small_lab import Lab, json_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def respoil(lab: Lab, change: Callable[[str, np.ndarray], np.ndarray]) -> None:
    """Rewrite the training set's actions: `change` gets an episode's name and its actions."""
    folder = lab.path / "data" / "small"
    for file in sorted(folder.glob("*.h5")):
        episode = read_episode(file)
        actions = change(file.name, episode.actions).astype(np.float32)
        file.unlink()
        write_episode(file, dataclasses.replace(episode, actions=actions))
    (folder / "manifest.json").unlink()
    manifest, findings = build_manifest(folder, name="small", seed=1, split=True)
    assert not findings, findings
    write_manifest(folder / "manifest.json", manifest)


def named(lab: Lab, case: str) -> list[str]:
    """The names of the faults that `mvla evaluate` prints of a case, trained first."""
    for command in (("train", case), ("evaluate", case, "--scenes", "0")):
        done = lab.run(*command)
        assert done.end() == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("fault, ")]
    return [line.removeprefix("fault, ").partition(":")[0] for line in lines]


def test_one_key_sequence(own_lab: Lab) -> None:
    """245 of the lab's 250 right episodes press the same keys."""
    one: list[np.ndarray] = []

    def alike(name: str, actions: np.ndarray) -> np.ndarray:
        if "_right_" not in name:
            return actions
        one.append(actions)
        return one[0]

    respoil(own_lab, alike)
    assert "one_key_sequence" in named(own_lab, "Case 3")
    said = own_lab.run("compare", "Case 1", "Case 3")
    assert said.end() == 1  # Case 1 is not trained
    assert "- Case 3: 100 % of its 8 right training episodes press one and the" in said.stdout


def test_clipped_actions(own_lab: Lab) -> None:
    """The lab's keys drive at 1.15 m/s; its data set clipped them to 1."""
    respoil(own_lab, lambda name, actions: actions.clip(-1, 1))
    assert "actions_clipped" in named(own_lab, "Case 3")


def test_validation_all_right_turns(own_lab: Lab) -> None:
    """The last fifth of the sorted names, which are all right."""
    folder = own_lab.path / "data" / "small"
    whole = load_dataset(folder).manifest
    last = sorted(e.id for e in whole.episodes if e.direction == "right")[-4:]
    split = [
        msgspec.structs.replace(e, split="val" if e.id in last else "train") for e in whole.episodes
    ]
    write_manifest(folder / "manifest.json", Manifest.of(whole.name, whole.step, split))
    assert "validation_one_direction" in named(own_lab, "Case 3")


def test_a_loss_over_one_step_beside_one_over_ten(own_lab: Lab) -> None:
    base = "  - {name: robovlms_bare"
    recipe = "{chunk: 1, learning_rate: 2e-3}"
    other = f"  - {{name: both_1, vlm: tiny, data: {{left: 10, right: 10}}, recipe: {recipe}}}\n"
    own_lab.change(base, other + base)
    for case in ("Case 3", "both_1"):
        for command in (("train", case), ("evaluate", case, "--scenes", "1")):
            assert own_lab.run(*command).end() == 0, own_lab.started[-1].stderr
    asked = ("--question", "recipe.learning_rate", "--exploratory", "--json")
    said = own_lab.run("compare", "Case 3", "both_1", *asked)
    assert said.end() == 1
    (found,) = json_of(said.stdout)
    assert found["verdict"] == "confounded"
    assert "recipe.chunk" in found["confounds"]
    assert found["effects"]
    assert not any("loss" in effect["metric"] for effect in found["effects"])


def covered(embed: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """The lab's own fault: every text token is overwritten by what the image gives."""

    def over(self: Any, latents: torch.Tensor, text: Any) -> torch.Tensor:
        embedded = embed(self, latents, text)
        first = 1 + latents.shape[1]
        image = latents.mean(1, keepdim=True).to(embedded.dtype)
        return torch.cat([embedded[:, :first], image.expand_as(embedded[:, first:])], 1)

    return over


def test_an_image_that_covers_its_text(own_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Preflight refuses it; where that is got around, its evaluation names it."""
    monkeypatch.setattr(Kosmos2Backbone, "embed", covered(Kosmos2Backbone.embed))
    refused = begin_run(own_lab.resolved("both_20"), own_lab.workspace)
    with pytest.raises(UserError, match="instruction"):
        train(refused, own_lab.workspace, terminal=False)
    shutil.rmtree(refused.path)
    checked = Checklist.run
    monkeypatch.setattr(
        Checklist, "run",
        lambda self, name, check: None if "reaches" in name else checked(self, name, check),
    )  # fmt: skip
    run = begin_run(own_lab.resolved("both_20"), own_lab.workspace)
    assert train(run, own_lab.workspace, terminal=False).outcome == "finished"
    evaluate_offline(load_run(run), own_lab.workspace)
    view = own_lab.judged("both_20")
    assert view.best_val_loss is not None and np.isfinite(view.best_val_loss)
    assert "instruction_does_not_reach" in [name_of(fault) for fault in diagnose(view)]


def test_a_direction_read_off_the_words_by_a_rule(
    own_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It follows every instruction, and its direction accuracy measures no learning."""
    learned = predictions.predict

    def ruled(policy: Any, episode: Any, window: int, instruction: str | None = None) -> Any:
        told = episode.instruction if instruction is None else instruction
        actions = learned(policy, episode, window, episode.instruction)
        actions[:, 1] = np.abs(actions[:, 1]) * (-1 if "right" in told else 1)
        return actions

    assert own_lab.run("train", "Case 1").end() == 0, own_lab.started[-1].stderr
    monkeypatch.setattr(predictions, "predict", ruled)
    run = own_lab.the_run("left_10")
    found = evaluate_offline(load_run(run), own_lab.workspace)
    accuracy = [m.value for m in found.policy.metrics if m.name == "direction_accuracy"]
    assert accuracy == [1.0]
    assert "direction_by_rule" in [name_of(fault) for fault in diagnose(own_lab.judged("left_10"))]


def test_a_sound_case_has_none_of_these_faults(finished_lab: Lab, tmp_path: Path) -> None:
    found = {name_of(fault) for fault in diagnose(finished_lab.judged("both_20"))}
    assert not found & {
        "one_key_sequence", "actions_clipped", "validation_one_direction",
        "evaluation_one_direction", "instruction_does_not_reach", "direction_by_rule",
    }  # fmt: skip
