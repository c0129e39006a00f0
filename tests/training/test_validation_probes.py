"""Probes at each validation: figures by hand, the best checkpoint by them, and the warning."""

from __future__ import annotations

import re

import msgspec
import pytest
import torch

from mobile_vla.evidence.run_facts import run_table
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.events import Checkpoint, Epoch
from mobile_vla.runs.metrics_csv import COLUMNS, PROBES, read_metrics
from mobile_vla.training.loop import fit
from mobile_vla.training.rank_group import ALONE
from mobile_vla.training.run import begin_run, train
from mobile_vla.training.train_state import Position, Training
from mobile_vla.training.validation_probes import DEAF, require_other_group, warning
from small_lab import Lab, events_of

CASE = "both_20"


@pytest.fixture
def probed(here: Lab) -> Training:
    here.change("accumulate: 2", "accumulate: 2\n  probe: true")
    return here.training(CASE)


def measured(training: Training) -> dict[str, float]:
    assert training.probes is not None
    training.module.eval()
    episodes = training.manifest.split("val")
    return training.probes.measure(training.module, training.recipe, episodes, ALONE)


def test_the_figures_are_those_of_a_slow_loop(probed: Training) -> None:
    with torch.no_grad():  # let the instruction matter
        for name, parameter in probed.policy.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    figures = measured(probed)
    tensors, policy, window = probed.tensors, probed.policy, probed.recipe.window
    train = probed.manifest.split("train")
    sides = {side: [e for e in train if e.direction == side] for side in ("left", "right")}
    means = {s: torch.cat([tensors.actions(e.id) for e in es]).mean(0) for s, es in sides.items()}
    moved, along, square, count = 0.0, 0.0, 0.0, 0
    for episode in probed.manifest.split("val"):
        other = {"left": "right", "right": "left"}[episode.direction]
        latents = tensors.batch([episode]).latents
        texts = tensors.instruction(episode.id), tensors.instruction(sides[other][0].id)
        with torch.no_grad():
            before, now = (
                policy.head.actions(policy(latents, [text], window)[0])[..., 0, :] for text in texts
            )
        way = means[other] - means[episode.direction]
        for change in (now - before).flatten(0, 1):
            moved += float(change.norm())
            along += float(change @ way)
            square += float(way @ way)
            count += 1
    assert figures["probe_other"] == pytest.approx(moved / count, rel=1e-4)
    assert figures["val_unheard"] == pytest.approx(abs(1 - along / square), rel=1e-4)
    assert figures["probe_other"] > 0.01


def test_a_policy_without_ears_is_at_one_and_warned_of(probed: Training) -> None:
    with torch.no_grad():
        last = probed.policy.head.output[-1]
        last.weight.zero_()
        last.bias.zero_()
    figures = measured(probed)
    assert figures["val_unheard"] == 1.0
    assert figures["probe_other"] == 0.0
    sentence = warning(figures)
    assert sentence is not None
    assert re.search("another group's instruction moves the first action by 0 ", sentence)
    assert warning({"val_unheard": 0.5, "probe_other": 0.4}) is None
    assert warning({}) is None


def test_the_best_checkpoint_follows_the_probe(
    here: Lab, capfd: pytest.CaptureFixture[str]
) -> None:
    here.change("accumulate: 2", "accumulate: 2\n  best_by: val_unheard")
    here.change("learning_rate: 3e-3", "learning_rate: 1e-3")
    run = begin_run(here.resolved(CASE), here.workspace)
    assert train(run, here.workspace, terminal=False).outcome == "finished"
    unheard = [event.val_unheard for event in events_of(run.events, Epoch)]
    warned = capfd.readouterr().out.count("warning: the action hardly follows")
    assert warned == sum(value >= DEAF for value in unheard) > 0
    curves = read_metrics(run.metrics)
    assert [value for _, value in curves["val_unheard"]] == pytest.approx(unheard, rel=1e-5)
    assert {"probe_other", "val_loss"} <= curves.keys() <= {*COLUMNS, *PROBES}
    best = unheard.index(min(unheard))
    events = events_of(run.events, Checkpoint)
    assert [event.val_unheard for event in events] == unheard
    assert run.best.resolve().name == f"step-{events[best].step:06d}"
    judged = here.judged(CASE)
    assert (judged.state, judged.conflicts) == ("finished", [])
    facts = list(run_table(judged, here.path).of("val_unheard"))
    summary = {fact.key.qualifier: fact.value for fact in facts if fact.key.qualifier}
    wanted = {"initial": unheard[0], "final": unheard[-1], "best": min(unheard)}
    assert summary == pytest.approx(wanted, rel=1e-5)


def test_probes_change_no_weight_and_without_them_nothing_is_written(here: Lab) -> None:
    plain = here.training(CASE)
    fit(plain, Position())
    assert plain.run.metrics.read_text().splitlines()[0] == ",".join(COLUMNS)
    assert "val_unheard" not in plain.run.events.read_text()
    here.change("accumulate: 2", "accumulate: 2\n  probe: true")
    probed = here.training(CASE)
    fit(probed, Position())
    for mine, theirs in zip(
        probed.policy.trained_parameters(), plain.policy.trained_parameters(), strict=True
    ):
        assert torch.equal(mine, theirs)


def test_one_group_has_no_other_instruction(here: Lab) -> None:
    here.change("accumulate: 2", "accumulate: 2\n  probe: true")
    training = here.training("left_10")
    assert not {"val_unheard", "probe_other"} & measured(training).keys()
    by_probe = msgspec.structs.replace(training.recipe, best_by="val_unheard")
    with pytest.raises(UserError, match=r"one group \(left\)"):
        require_other_group(by_probe, training.manifest)
