"""An export in RoboVLMs' layout: its own names, strictly, and the same actions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from mobile_vla.cli.main import main
from mobile_vla.messages.errors import UserError
from mobile_vla.policy.checkpoints.initial_weights import read_init
from mobile_vla.policy.checkpoints.load_vlm import empty_network, load_vlm
from mobile_vla.policy.checkpoints.policy_checkpoint import trained_tensors
from mobile_vla.policy.heads import make_head
from mobile_vla.policy.normalisation import ActionStatistics
from mobile_vla.policy.policy import Policy
from mobile_vla.serving.exports.robovlms_format import (
    read_robovlms,
    robovlms_config,
    robovlms_tensors,
    write_robovlms,
)
from mobile_vla.serving.exports.write_formats import copy_processor
from mobile_vla.study.robovlms_config import import_config
from small_lab import Lab
from small_weights import build_small_vlm

WINDOW, HIDDEN = 4, 16
DECODERS = {
    "robovlms_lstm": ("LSTMDecoder", 4), "robovlms_fc": ("FCDecoder", 1),
    "robovlms_gpt": ("GPTDecoder", 8),
}  # fmt: skip


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_small_vlm(tmp_path_factory.mktemp("vlm") / "small", seed=3)


def new_policy(vlm: Path, kind: str, scale: tuple[float, float] = (1.15, 1.15)) -> Policy:
    torch.manual_seed(4)
    layers = DECODERS.get(kind, ("", 1))[1]
    head = make_head(kind, 64, hidden=HIDDEN, layers=layers, chunk=3, action_dim=2, window=WINDOW)
    ones = (1.0, 1.0)
    statistics = ActionStatistics(names=("linear_x", "linear_y"), frames=1, mean=ones, std=ones,
                                  min=ones, max=ones, scale=scale)  # fmt: skip
    return Policy(load_vlm(vlm)[0], head, statistics).eval()


def head_names(kind: str) -> set[str]:
    """RoboVLMs' names of the head's tensors, written down by hand."""
    names = {f"{branch}.mlp.{n}.{part}" for branch in ("actions", "gripper") for n in (0, 2, 4, 6)
             for part in ("weight", "bias")}  # fmt: skip
    if kind == "robovlms_lstm":
        names |= {f"rnn.{part}_{side}_l{layer}" for part in ("weight", "bias")
                  for side in ("ih", "hh") for layer in range(4)}  # fmt: skip
    elif kind == "robovlms_fc":
        names |= {f"mlp.{n}.{part}" for n in (0, 2) for part in ("weight", "bias")}
    else:
        inner = ("ln_1", "ln_2", "attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
        names |= {f"gpt.h.{block}.{module}.{part}" for block in range(8) for module in inner
                  for part in ("weight", "bias")}  # fmt: skip
        names |= {f"gpt.h.{block}.attn.{table}" for block in range(8)
                  for table in ("bias", "masked_bias")}  # fmt: skip
        names |= {"gpt.wpe.weight", "gpt.ln_f.weight", "gpt.ln_f.bias", "fc.weight", "fc.bias"}
    return {f"model.act_head.{name}" for name in names}


@pytest.mark.parametrize("kind", DECODERS)
def test_the_names_are_its_own_and_the_policy_comes_back(
    kind: str, vlm: Path, tmp_path: Path
) -> None:
    policy = new_policy(vlm, kind)
    copy_processor(vlm, tmp_path)
    write_robovlms(policy, WINDOW, tmp_path, torch.float32)
    stored = torch.load(tmp_path / "policy.pt", weights_only=True)["state_dict"]
    with safe_open(vlm / "model.safetensors", framework="pt") as file:
        backbone = {f"model.backbone.{name}" for name in file.keys()}  # noqa: SIM118
    head = "model.backbone.text_model.lm_head.weight"  # the embedding table, saved a second time
    assert stored.keys() == backbone | {head} | head_names(kind) | {"model.action_token"}
    states = torch.randn(2, WINDOW, 64)
    again = read_robovlms(tmp_path)
    assert torch.equal(again.predict(states), policy.predict(states))
    for name, value in trained_tensors(policy).items():
        assert torch.equal(trained_tensors(again)[name], value), name


@pytest.mark.parametrize("kind", DECODERS)
def test_the_configuration_says_what_the_policy_computes(
    kind: str, vlm: Path, tmp_path: Path
) -> None:
    policy = new_policy(vlm, kind)
    copy_processor(vlm, tmp_path)
    write_robovlms(policy, WINDOW, tmp_path, torch.float32)
    imported = import_config(tmp_path / "robovlms.json")
    assert not imported.blocking
    assert not [o.key for o in imported.outcomes if o.outcome == "unknown"]
    assert imported.recipe["head"] == {"kind": kind, "hidden": HIDDEN, "layers": DECODERS[kind][1]}
    assert (imported.recipe["window"], imported.recipe["chunk"]) == (WINDOW, 3)
    source = read_init(empty_network(vlm), tmp_path / "policy.pt", head=policy.head).source
    assert source.not_known == ()
    config = robovlms_config(policy, WINDOW)
    assert config["act_head"]["type"] == DECODERS[kind][0]
    assert (config["norm_action"], config["norm_max"]) == (True, 1.15)
    assert not robovlms_config(new_policy(vlm, kind, (1.15, 0.5)), WINDOW)["norm_action"]


def test_another_head_and_a_changed_file_are_refused(vlm: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="RoboVLMs has no lstm head"):
        robovlms_tensors(new_policy(vlm, "lstm"))
    copy_processor(vlm, tmp_path)
    write_robovlms(new_policy(vlm, "robovlms_fc"), WINDOW, tmp_path, torch.float32)
    stored = torch.load(tmp_path / "policy.pt", weights_only=True)["state_dict"]
    stored["model.action_token"] = torch.zeros(1)
    torch.save({"state_dict": stored}, tmp_path / "policy.pt")
    with pytest.raises(UserError, match="does not fit"):
        read_robovlms(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("number", ["float32", "bf16"])
def test_a_trained_run_is_exported_and_acts_the_same(lab: Lab, number: str, capsys: Any) -> None:
    lab.change("head: {hidden: 16, layers: 1}", "head: {kind: robovlms_lstm, hidden: 16}")
    assert lab.run("train", "both_20").end() == 0, lab.started[-1].stderr
    run, out = lab.the_run("both_20"), lab.path / "out"
    words = ["weights", "export", str(run.path), "--format", "robovlms", "--dtype", number]
    assert main([*words, "--out", str(out), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["largest"] <= report["bound"]
    assert {"policy.pt", "robovlms.json", "config.json"} <= report["files"].keys()
