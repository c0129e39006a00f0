"""Options of training: each does what it says, and a stopped run goes on to the same bits."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from mobile_vla.evidence.setup_facts import setup_facts
from mobile_vla.messages.errors import UserError
from mobile_vla.policy.checkpoints.policy_checkpoint import load_policy, read_info, save_policy
from mobile_vla.policy.heads import make_head
from mobile_vla.policy.lora import add_lora, merge_adapters
from mobile_vla.policy.normalisation import ActionStatistics
from mobile_vla.policy.policy import Policy
from mobile_vla.runs.events import Epoch, Start
from mobile_vla.training.averaging import WeightAverage
from mobile_vla.training.loop import fit
from mobile_vla.training.losses import validate
from mobile_vla.training.run import begin_run, train
from mobile_vla.training.setup import restore_average
from mobile_vla.training.train_state import Model, Position
from small_lab import Lab, events_of, require_same, until
from small_weights import build_small_vlm

CASE = "both_20"
ONES = (1.0, 1.0)


def test_an_average_follows_the_weights_and_stands_in_for_them() -> None:
    weight = nn.Parameter(torch.zeros(2))
    average = WeightAverage([weight], 0.5)
    expected = torch.zeros(2)
    for step in range(1, 6):
        weight.data += 1
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    with average.in_place():
        torch.testing.assert_close(weight.data, expected)
    assert weight.tolist() == [5.0, 5.0]


def test_without_decay_the_weights_stand_for_themselves() -> None:
    weight = nn.Parameter(torch.ones(2))
    average = WeightAverage([weight], 0.0)
    average.update(1)
    with average.in_place():
        assert weight.tolist() == [1.0, 1.0]


def test_the_average_is_validated_and_saved(here: Lab) -> None:
    here.change("accumulate: 2", "accumulate: 2\n  ema: 0.9")
    training = here.training()
    first = training.policy.head.output[0].weight.detach().clone()
    fit(training, Position())
    stored = load_file(training.run.latest / "policy.safetensors")
    weights = torch.load(training.run.latest / "resume.pt", weights_only=True)["weights"]
    head = training.policy.head.output[0].weight
    with training.average.in_place():
        assert torch.equal(stored["head.output.0.weight"], head)
        scores = validate(
            training.module, training.policy, training.recipe, training.tensors,
            training.manifest.split("val"),
        )  # fmt: skip
    assert events_of(training.run.events, Epoch)[-1].val_loss == pytest.approx(scores.val_loss)
    assert not torch.equal(stored["head.output.0.weight"], head)
    assert not torch.equal(stored["head.output.0.weight"], first)
    assert any(torch.equal(head, weight) for weight in weights)


@pytest.mark.parametrize(("decay", "held"), [(0.9, False), (0.0, True)])
def test_a_run_is_not_resumed_with_another_choice(decay: float, held: bool, here: Lab) -> None:
    training = here.training()
    average = WeightAverage(training.policy.trained_parameters(), decay)
    model = Model(training.fabric, training.policy, training.module, training.optimizer, average)
    state = {"weights": training.policy.trained_parameters()} if held else {}
    with pytest.raises(UserError, match="set ema as the run began with it"):
        restore_average(model, state, Path("step-1"))


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_small_vlm(tmp_path_factory.mktemp("vlm") / "small", seed=3)


@pytest.mark.parametrize("variant", ["rslora", "dora"])
def test_variants_of_lora_train_save_and_merge(variant: str, vlm: Path, tmp_path: Path) -> None:
    from mobile_vla.policy.checkpoints.load_vlm import load_vlm

    torch.manual_seed(2)
    backbone = load_vlm(vlm)[0]
    add_lora(backbone, rank=4, alpha=8, **{variant: True})
    statistics = ActionStatistics(names=("linear_x", "linear_y"), frames=1, mean=ONES, std=ONES,
                                  min=ONES, max=ONES, scale=ONES)  # fmt: skip
    head = make_head("mlp", 64, hidden=8, layers=1, chunk=2, action_dim=2)
    policy = Policy(backbone, head, statistics).eval()
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_" in name:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    magnitudes = [n for n in policy.trainable()["text"].names if "magnitude" in n]
    assert bool(magnitudes) == (variant == "dora")
    frames = torch.randint(256, (3, 64, 64, 3), dtype=torch.uint8)

    def act(who: Policy) -> torch.Tensor:
        with torch.no_grad():
            return who.predict(who.states(who.encode(frames), who.prompts(["go left"], [3]))[None])

    save_policy(tmp_path / "policy.safetensors", policy, {})
    info = read_info(tmp_path / "policy.safetensors")
    assert info.lora is not None
    assert info.lora[variant] is True
    again = load_policy(tmp_path / "policy.safetensors", load_vlm(vlm)[0])
    assert torch.equal(act(again), act(policy))
    before = act(policy)
    scale = 8 / 4**0.5 if variant == "rslora" else 8 / 4
    layer = backbone.network.text_model.model.layers[0].self_attn.q_proj
    assert layer.scaling["default"] == scale
    assert merge_adapters(backbone.network)
    torch.testing.assert_close(act(policy), before, rtol=0, atol=1e-5)


def without_progress(losses: list[float]) -> int:
    """Epochs since the lowest loss."""
    return len(losses) - 1 - losses.index(min(losses))


def test_patience_ends_a_run_that_is_finished(here: Lab) -> None:
    here.change("epochs: 3", "epochs: 12")
    here.change("accumulate: 2", "accumulate: 2\n  patience: 2\n  schedule: constant")
    here.change("learning_rate: 3e-3", "learning_rate: 0.05")
    run = begin_run(here.resolved(CASE), here.workspace)
    assert train(run, here.workspace, terminal=False).outcome == "finished"
    losses = [event.val_loss for event in events_of(run.events, Epoch)]
    assert len(losses) < 12
    assert without_progress(losses) == 2
    assert all(without_progress(losses[: n + 1]) < 2 for n in range(len(losses) - 1))
    judged = here.judged(CASE)
    assert (judged.state, judged.conflicts) == ("finished", [])
    assert judged.steps == judged.total_steps == 4 * len(losses)
    assert train(run, here.workspace, resume=True, terminal=False).outcome == "finished"
    assert [event.val_loss for event in events_of(run.events, Epoch)] == losses
    assert here.judged(CASE).state == "finished"


def test_without_parts_head_and_action_token_train_alone(here: Lab) -> None:
    here.change("dropout: 0.1}", "dropout: 0.1, parts: []}")
    run = begin_run(here.resolved(CASE), here.workspace)
    assert train(run, here.workspace, terminal=False).outcome == "finished"
    names = load_file(run.latest / "policy.safetensors").keys()
    assert {name.partition(".")[0] for name in names} == {"head", "action_token"}
    assert read_info(run.latest / "policy.safetensors").lora is None
    judged = here.judged(CASE)
    facts = {
        (fact.key.quantity, fact.value)
        for fact in setup_facts(judged)
        if fact.key.quantity in ("lora", "regime")
    }
    assert facts == {("lora", "no"), ("regime", "frozen")}


OPTIONS = {
    "average": ("accumulate: 2", "accumulate: 2\n  ema: 0.9"),
    "dora": ("dropout: 0.1}", "dropout: 0.1, dora: true, rslora: true}"),
    "line": ("accumulate: 2", "accumulate: 2\n  schedule: linear\n  final_rate: 0.0"),
    "RoboVLMs' GPT": (
        "head: {hidden: 16, layers: 1}", "head: {kind: robovlms_gpt, hidden: 16, layers: 2}"
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("option", OPTIONS)
def test_resumes_bit_for_bit(own_lab: Lab, tmp_path: Path, option: str) -> None:
    own_lab.change(*OPTIONS[option])
    training = own_lab.start("train", CASE)
    until(lambda: own_lab.runs(CASE) and own_lab.the_run(CASE).latest.exists(), "a checkpoint")
    training.send(signal.SIGTERM)
    assert training.end() == 1, training.stderr
    assert own_lab.run("train", CASE, "--resume").end() == 0, own_lab.started[-1].stderr
    stopped = own_lab.the_run(CASE)
    assert len(events_of(stopped.events, Start)) == 2
    shutil.move(stopped.path, tmp_path / "stopped")
    assert own_lab.run("train", CASE).end() == 0, own_lab.started[-1].stderr
    require_same(type(stopped)(tmp_path / "stopped"), own_lab.the_run(CASE))
