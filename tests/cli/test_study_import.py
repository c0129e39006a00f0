"""`mvla study import`: every key of a RoboVLMs configuration, and a study that trains."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from mobile_vla.cli.main import main
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.reason import codes
from mobile_vla.policy.checkpoints.initial_weights import own_head_tensors
from mobile_vla.policy.checkpoints.load_vlm import load_vlm
from mobile_vla.policy.heads import make_head
from mobile_vla.policy.normalisation import ActionStatistics
from mobile_vla.simulator.simulate import simulate_dataset
from mobile_vla.study.load_study import load_study, resolve
from mobile_vla.study.models import ResolvedCase
from mobile_vla.study.robovlms_config import KeyOutcome, import_config, treatments
from mobile_vla.training.build_policy import build_policy, load_weights
from small_weights import build_small_vlm

CONFIG: dict[str, Any] = {
    "robovlm_name": "RoboKosMos", "parent": None, "task_name": "drive", "model": "kosmos",
    "window_size": 4, "fwd_pred_next_n": 3, "arm_gripper_loss_ratio": 0.01, "seed": 7,
    "batch_size": 2, "optimizer": "adam", "learning_rate": 1e-3, "min_lr_scale": 0.01,
    "weight_decay": 0, "warmup_epochs": 0.5, "warmup_steps": 1, "use_hand_rgb": False,
    "use_state": True, "use_vision_resampler": False, "output_root": "runs",
    "model_load_path": None, "resume": None, "norm_action": True, "norm_min": -0.65,
    "train_setup": {"precision": "bf16", "freeze_backbone": True, "lora_enable": True,
                    "lora_r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "lora_bias": "none",
                    "train_vision": False, "train_text_embedding": False},
    "vision_resampler": {"depth": 8},
    "act_head": {"type": "LSTMDecoder", "hidden_size": 16, "action_dim": 3, "latent": 1,
                 "down_sample": "none", "fwd_pred_next_n": 1, "window_size": 1,
                 "action_space": "continuous", "with_history": True, "history_type": "post"},
    "fwd_head": None,
    "tokenizer": {"type": "AutoProcessor", "max_text_len": 256},
    "vlm": {"type": "AutoModelForVision2Seq", "pretrained_model_name_or_path": "vlm"},
    "trainer": {"precision": "32", "gradient_clip_val": 1.0, "max_epochs": 2, "max_steps": -1,
                "accumulate_grad_batches": 2},
    "train_dataset": {"type": "DiskCalvinDataset", "data_dir": "calvin"},
}  # fmt: skip
DATA = Path("workspace/data/mine")


def config(path: str = "lab.json", **changes: Any) -> Path:
    """CONFIG in a file; `act_head__latent=2` changes a nested key."""
    content = copy.deepcopy(CONFIG)
    for key, value in changes.items():
        *above, name = key.split("__")
        inner = content
        for part in above:
            inner = inner.setdefault(part, {})
        inner[name] = value
    Path(path).write_text(json.dumps(content))
    return Path(path)


def outcomes(path: Path, *leave_out: str) -> dict[str, KeyOutcome]:
    return {outcome.key: outcome for outcome in import_config(path, leave_out).outcomes}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    torch.set_flush_denormal(False)  # as training sets it for its process; bounds of 0 need it off


def imported_case() -> ResolvedCase:
    """The case of a study that the command writes for `lab.json` and simulated episodes."""
    simulate_dataset(DATA, left=5, right=5, seed=1, image_size=(32, 32), split=True)
    words = ["study", "import", "lab.json", "--out", "mine/study.yaml", "--data", str(DATA)]
    assert main(words) == 0
    path = Path("mine/study.yaml")
    study = load_study(path)
    return resolve(study, study.cases[0], "full", 0, path)


def test_every_key_is_listed_with_what_became_of_it() -> None:
    found = outcomes(config())
    nested = {f"{a}.{b}" for a, inner in CONFIG.items() if isinstance(inner, dict) for b in inner}
    assert {key for key, outcome in found.items() if not outcome.implied} == nested | {
        key for key, value in CONFIG.items() if not isinstance(value, dict)
    }
    kinds = {key: (outcome.outcome, outcome.why.code) for key, outcome in found.items()}
    assert kinds["window_size"] == ("taken", "robovlms.taken")
    assert kinds["use_hand_rgb"] == ("taken", "robovlms.as_here")
    assert kinds["use_state"] == ("no_effect", "robovlms.never_passed")
    assert kinds["trainer.gradient_clip_val"] == ("no_effect", "robovlms.overwritten")
    assert kinds["min_lr_scale"] == ("no_effect", "robovlms.only_with")
    assert kinds["vision_resampler.depth"] == ("no_effect", "robovlms.only_with")
    assert kinds["norm_min"] == ("not_supported", "robovlms.normalisation")
    assert kinds["batch_size"] == ("not_supported", "robovlms.batch")
    implied = {key: o.value for key, o in found.items() if o.implied}
    assert implied == {
        "scheduler": "constant",
        "gradient_clip_val": "0",
        "act_head.num_layers": "4",
    }
    assert not any(outcome.blocks for outcome in found.values())


def test_the_study_is_the_configuration_and_loads_its_checkpoint(folder: Path) -> None:
    vlm = build_small_vlm(folder / "vlm", seed=3)
    backbone, _ = load_vlm(vlm)
    torch.manual_seed(5)
    head = make_head("robovlms_lstm", 64, hidden=16, layers=4, chunk=3, action_dim=2)
    stored = {f"model.backbone.{n}": v + 0.01 for n, v in backbone.network.state_dict().items()}
    stored |= {f"model.{n}": v for n, v in own_head_tensors(head).items()}
    token = torch.linspace(-1, 1, 64)
    torch.save({"state_dict": {**stored, "model.action_token": token}}, folder / "robot.pt")
    config(model_load_path="robot.pt", scheduler="half-cosine", gradient_clip_val=0.5)
    case = imported_case()
    recipe = case.recipe
    assert (recipe.window, recipe.chunk, recipe.action_dim, recipe.seed) == (4, 3, 2, 7)
    assert (recipe.schedule, recipe.final_rate, recipe.clip_norm) == ("cosine", 0.01, 0.5)
    assert recipe.warmup_steps == 1 + 2  # half of the four steps that eight episodes take
    assert (recipe.lora.r, recipe.lora.parts) == (4, ("vision", "projection", "text"))
    assert (recipe.epochs, recipe.accumulate, recipe.weight_decay) == (2, 2, 0)
    ones = (1.0, 1.0)
    statistics = ActionStatistics(names=("linear_x", "linear_y"), frames=1, mean=ones, std=ones,
                                  min=ones, max=ones, scale=ones)  # fmt: skip
    policy = build_policy(case, statistics, load_weights(case))
    assert torch.equal(policy.action_token, token)
    for name, value in own_head_tensors(head).items():
        assert torch.equal(own_head_tensors(policy.head)[name], value), name


def test_it_passes_the_checks_of_training(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config(vlm__pretrained_model_name_or_path="package:kosmos2-tiny")
    imported_case()
    words = ["train", "lab", "--check", "--study", "mine/study.yaml", "--profile", "full"]
    simulate_dataset(Path("workspace/data/mine_eval"), left=2, right=2, seed=2,
                     image_size=(32, 32), split=False)  # fmt: skip
    assert main(words) == 0
    assert "preflight only" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("changes", "key", "code"),
    [
        ({"use_hand_rgb": True}, "use_hand_rgb", "hand_camera"),
        ({"use_vision_resampler": True}, "use_vision_resampler", "resampler"),
        ({"act_head__history_type": "pre"}, "act_head.history_type", "history"),
        ({"act_head__latent": 2}, "act_head.latent", "latents"),
        ({"act_head__action_dim": 7}, "act_head.action_dim", "action_dim"),
        ({"act_head__action_dim": "3"}, "act_head.action_dim", "action_dim"),
        ({"act_head__type": "DiscreteDecoder"}, "act_head.type", "head"),
        ({"act_head__action_space": "discrete"}, "act_head.action_space", "action_space"),
        (
            {"train_setup__lora_enable": False, "train_setup__freeze_backbone": False},
            "train_setup.freeze_backbone",
            "full_fine_tuning",
        ),
        (
            {"train_setup__lora_enable": False, "train_setup__train_vision": True},
            "train_setup.train_vision",
            "full_fine_tuning",
        ),
        ({"train_setup__lora_enable": 1}, "train_setup.lora_enable", "value"),
        ({"window_size": "eight"}, "window_size", "value"),
        ({"window_size": 0}, "window_size", "value"),
        ({"window_size": None}, "window_size", "missing"),
        ({"learning_rate": 0}, "learning_rate", "value"),
        ({"seed": 2**70}, "seed", "value"),
        ({"trainer__precision": "64"}, "trainer.precision", "precision"),
        ({"scheduler": "step"}, "scheduler", "schedule"),
        ({"warmup_epochs": "few"}, "warmup_epochs", "value"),
        ({"model_load_path": ["a"]}, "model_load_path", "value"),
        ({"model": "paligemma"}, "model", "other_vlm"),
        ({"parent": "base.json"}, "parent", "parent"),
        ({"flow_steps": 10}, "flow_steps", "unknown"),
        ({"act_head__new\n": {"x": [1]}}, "act_head.new .x", "unknown"),
    ],
)
def test_another_model_gives_no_study_unless_told(
    changes: dict[str, Any], key: str, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config(**changes)
    outcome = outcomes(path)[key]
    assert (outcome.blocks, outcome.why.code) == (True, f"robovlms.{code}")
    simulate_dataset(DATA, left=2, right=2, seed=1, image_size=(32, 32), split=True)
    words = ["study", "import", str(path), "--data", str(DATA), "--out", "study.yaml"]
    assert main(words) == 1
    assert f"by {key}" in capsys.readouterr().err
    assert not Path("study.yaml").exists()
    assert main([*words, "--leave-out", key.replace(" ", "*")]) == 0
    assert load_study(Path("study.yaml")).cases


def test_full_fine_tuning_and_a_gripper_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    config(train_setup={"freeze_backbone": False, "lora_enable": False, "train_vision": True,
                        "train_text_embedding": True})  # fmt: skip
    assert main(["study", "import", "lab.json", "--json"]) == 1
    keys = {row["key"]: row for row in json.loads(capsys.readouterr().out)["keys"]}
    for key in ("freeze_backbone", "train_vision", "train_text_embedding"):
        assert keys[f"train_setup.{key}"]["outcome"] == "not_supported"
    assert keys["arm_gripper_loss_ratio"]["outcome"] == "not_supported"


def test_a_frozen_vlm_without_lora_gets_no_adapters() -> None:
    imported = import_config(config(train_setup__lora_enable=False))
    assert not imported.blocking
    assert imported.recipe["lora"] == {"parts": []}


def test_a_head_that_has_one_number_of_layers() -> None:
    for decoder, layers in (("FCDecoder", 1), ("GPTDecoder", 8)):
        imported = import_config(config(act_head__type=decoder))
        assert imported.recipe["head"]["layers"] == layers
        assert "act_head.num_layers" not in {outcome.key for outcome in imported.outcomes}


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"lr": 1}', "[" * 5000, '{"a":' * 5000])
def test_what_is_no_configuration_is_refused(text: str) -> None:
    Path("other.json").write_text(text)
    with pytest.raises(UserError, match="give a configuration of RoboVLMs"):
        import_config(Path("other.json"))


def test_what_else_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    path = config()
    with pytest.raises(UserError, match="cannot be read"):
        import_config(Path("none.json"))
    with pytest.raises(UserError, match="did you mean window_size"):
        import_config(path, ["window_sise"])
    assert main(["study", "import", str(path), "--out", "study.yaml"]) == 2
    assert "--data" in capsys.readouterr().err
    simulate_dataset(DATA, left=2, right=2, seed=1, image_size=(32, 32), split=True)
    Path("study.yaml").write_text("mine")
    words = ["study", "import", str(path), "--data", str(DATA), "--out", "study.yaml"]
    assert main(words) == 2
    assert Path("study.yaml").read_text() == "mine"


def test_every_reason_of_the_table_has_words() -> None:
    for key, treatment in treatments().items():
        for code in (treatment.why, treatment.idle or "null"):
            assert f"robovlms.{code}" in codes(), key
