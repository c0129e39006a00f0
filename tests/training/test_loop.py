"""Whole episodes at once give the loss and gradients of every stride-1 window taken alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.lora import base_tensors, hash_base
from mobile_vla.policy.loss import chunk_targets, weighted_sums
from mobile_vla.runs.events import Checkpoint, Epoch
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.metrics_csv import read_metrics
from mobile_vla.training import loop
from mobile_vla.training.data import case_manifest
from mobile_vla.training.loop import fit
from mobile_vla.training.losses import Validation, validate
from mobile_vla.training.schedules import NotFinite
from mobile_vla.training.train_state import Position, Training
from small_lab import Lab, events_of


@pytest.fixture(autouse=True)
def no_dropout(here: Lab) -> None:
    here.change("dropout: 0.1", "dropout: 0.0")


def windowed_reference(training: Training, count: int) -> torch.Tensor:
    """Each stride-1 window of the first episodes through the whole policy by itself."""
    recipe, policy = training.recipe, training.policy
    total, weight = torch.zeros(()), torch.zeros(())
    for row in training.manifest.split("train")[:count]:
        batch = training.tensors.batch([row])
        for start in range(len(batch.latents[0]) - recipe.window + 1):
            frames = slice(start, start + recipe.window)
            predicted, _ = policy([batch.latents[0][frames]], batch.instructions, recipe.window)
            error = functional.huber_loss(
                predicted, batch.targets[frames][None], delta=recipe.huber_delta, reduction="none"
            ).mean(-1)
            sums = weighted_sums(error, batch.mask[frames][None], recipe.first_action_weight)
            total, weight = total + sums[0], weight + sums[1]
    return total / weight


def gradients(training: Training) -> list[torch.Tensor]:
    found = []
    for parameter in training.policy.trained_parameters():
        assert parameter.grad is not None
        found.append(parameter.grad.clone())
        parameter.grad = None
    return found


def test_loss_and_gradients_are_those_of_the_windows_alone(here: Lab) -> None:
    here.change("accumulate: 2", "accumulate: 2\n  first_action_weight: 3.0\n  huber_delta: 0.1")
    training = here.training()
    training.module.train()
    rows = training.manifest.split("train")
    batches = [training.tensors.batch(rows[:2]), training.tensors.batch(rows[2:3])]
    loss, _ = loop._backward(training, batches)
    ours = gradients(training)
    reference = windowed_reference(training, 3)
    reference.backward()
    assert loss == pytest.approx(float(reference.detach()), rel=1e-5)
    for mine, wanted in zip(ours, gradients(training), strict=True):
        assert (mine - wanted).abs().max() <= 1e-5 * max(1.0, float(wanted.abs().max()))
    assert any(float(mine.abs().max()) > 1e-3 for mine in ours)


def test_targets_past_the_end_are_masked_not_invented() -> None:
    actions = torch.tensor([[1.0], [2.0], [3.0]])
    targets, mask = chunk_targets(actions, 2)
    assert targets.squeeze(-1).tolist() == [[1, 2], [2, 3], [3, 0]]
    assert mask.tolist() == [[True, True], [True, True], [True, False]]


def test_only_what_the_report_lists_changes(here: Lab) -> None:
    training = here.training()
    report = training.policy.trainable()
    listed = {name for part in report.values() for name in part.names}
    tensors = {**training.policy.backbone.network.state_dict(keep_vars=True)}
    tensors |= {f"head.{name}": value for name, value in training.policy.head.named_parameters()}
    tensors["action_token"] = training.policy.action_token
    before = {name: value.detach().clone() for name, value in tensors.items()}
    frozen = hash_base(training.policy.backbone)
    fit(training, Position())
    changed = {name for name, value in tensors.items() if not torch.equal(before[name], value)}
    assert len(changed) == len(listed) == len(training.policy.trained_parameters())
    assert {name.rsplit("head.", 1)[-1] for name in changed} == {
        name.rsplit("head.", 1)[-1] for name in listed
    }
    assert hash_base(training.policy.backbone) == frozen
    assert len(dict(base_tensors(training.policy.backbone.network))) > 50
    assert report["vision"].tensors == report["projection"].tensors == 0


def test_metrics_and_events_hold_the_same_numbers(here: Lab) -> None:
    training = here.training()
    fit(training, Position())
    curves = read_metrics(training.run.metrics)
    steps = [int(value) for _, value in curves["step"]]
    assert steps == [1, 2, 3, 4, 4, 5, 6, 7, 8, 8, 9, 10, 11, 12, 12]  # validation ends an epoch
    losses = [value for _, value in curves["train_loss"]]
    epochs = events_of(training.run.events, Epoch)
    assert [e.val_loss for e in epochs] == pytest.approx([v for _, v in curves["val_loss"]], 1e-5)
    for number, epoch in enumerate(epochs):
        assert epoch.train_loss == pytest.approx(sum(losses[4 * number : 4 * number + 4]) / 4, 1e-5)
    assert losses[-1] < losses[0]


def test_gradients_that_are_no_numbers_change_no_weight(here: Lab) -> None:
    """A finite loss may have gradients that are not."""
    training = here.training()
    poisoned = training.policy.trained_parameters()[-1]
    poisoned.register_hook(lambda gradient: gradient * float("nan"))
    before = [p.detach().clone() for p in training.policy.trained_parameters()]
    with pytest.raises(NotFinite, match="gradient norm is nan at step 1, on episode_"):
        fit(training, Position())
    after = training.policy.trained_parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert not training.run.latest.exists()


def test_a_validation_loss_that_is_no_number_saves_nothing(here: Lab) -> None:
    """Seen only at an epoch's end, when the weights of its last step are already spoilt."""
    training = here.training()
    val = {row.id for row in training.manifest.split("val")}
    honest = training.tensors.batch

    class Spoilt:
        stored = True
        text_length = training.tensors.text_length

        def batch(self, episodes, epoch=None):  # type: ignore[no-untyped-def]
            made = honest(episodes, epoch)
            if made.episodes[0] in val:
                made.targets[:] = float("nan")
            return made

    import dataclasses

    spoilt = dataclasses.replace(training, tensors=Spoilt())  # type: ignore[arg-type]
    with pytest.raises(NotFinite, match="validation loss is nan at step 4"):
        fit(spoilt, Position())
    assert not training.run.latest.exists()


def test_too_few_episodes_to_train_or_validate_is_said(here: Lab) -> None:
    for count, what in ((1, "no (training|validation) episode among its 1"), (11, "11 left")):
        here.change("data: {left: 10}", f"data: {{left: {count}}}")
        with pytest.raises(UserError, match=what):
            case_manifest(here.resolved("left_10"), here.workspace)
        here.change(f"data: {{left: {count}}}", "data: {left: 10}")


def test_data_of_another_robot_is_refused(here: Lab) -> None:
    here.change("step: 0.4", "step: 0.2")
    with pytest.raises(UserError, match=r"steps of 0.4 s but the study's robot 0.2 s"):
        case_manifest(here.resolved("left_10"), here.workspace)


def test_latest_step_is_read_from_the_link(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.latest_step is None
    (run.checkpoints / "step-000120").mkdir(parents=True)
    assert run.latest_step is None
    run.latest.symlink_to("step-000120")
    assert run.latest_step == 120
    (run.checkpoints / "step-000120").rmdir()
    assert run.latest_step is None


def test_the_error_in_real_units_is_that_of_the_windows_alone(here: Lab) -> None:
    training = here.training()
    policy, recipe, errors = training.policy, training.recipe, []
    found = validate(
        training.module, policy, recipe, training.tensors, training.manifest.split("val")
    )
    with torch.no_grad():
        for row in training.manifest.split("val"):
            batch = training.tensors.batch([row])
            real = training.tensors._frames.actions(row.id)[:, : recipe.action_dim]
            for start in range(row.frames - recipe.window + 1):
                latents = batch.latents[0][start : start + recipe.window]
                chunks = policy([latents], [batch.instructions[0]], recipe.window)[0]
                first = policy.statistics.denormalise(chunks[0, :, 0])
                errors.append((first - torch.from_numpy(real[start : start + recipe.window])).abs())
    assert found.val_mae == pytest.approx(float(torch.cat(errors).mean()), rel=1e-5)


@pytest.mark.parametrize("metric", ["val_loss", "val_mae"])
def test_the_best_checkpoint_is_that_of_the_metric_named(
    here: Lab, monkeypatch: pytest.MonkeyPatch, metric: str
) -> None:
    scores = iter([Validation(0.9, 0.4), Validation(0.5, 0.6), Validation(0.7, 0.3)])
    monkeypatch.setattr(loop, "validate", lambda *_, **__: next(scores))
    here.change("accumulate: 2", f"accumulate: 2\n  best_by: {metric}")
    training = here.training()
    fit(training, Position())
    written = events_of(training.run.events, Checkpoint)
    assert [e.best for e in written] == [True, metric == "val_loss", metric == "val_mae"]
    assert [(e.val_loss, e.val_mae) for e in written] == [(0.9, 0.4), (0.5, 0.6), (0.7, 0.3)]
    assert {e.best_by for e in written} == {metric}
    assert training.run.best.resolve().name == {"val_loss": "step-000008"}.get(
        metric, "step-000012"
    )


def test_dropout_is_on_while_it_trains_in_whatever_mode_it_comes(here: Lab) -> None:
    here.change("dropout: 0.0", "dropout: 0.5")
    losses = []
    for switched_off in (False, True):
        training = here.training()
        if switched_off:
            training.policy.backbone.network.eval()
        torch.manual_seed(0)
        fit(training, Position())
        losses.append([value for _, value in read_metrics(training.run.metrics)["train_loss"]])
    assert losses[0] == losses[1]
    here.change("dropout: 0.5", "dropout: 0.0")
    training = here.training()
    fit(training, Position())
    assert [v for _, v in read_metrics(training.run.metrics)["train_loss"]] != losses[0]
