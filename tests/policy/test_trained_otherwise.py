"""A checkpoint whose own model computed otherwise is refused, or reported as not known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.checkpoints.initial_weights import check_init, read_init
from mobile_vla.policy.checkpoints.load_vlm import empty_network, load_vlm
from mobile_vla.policy.small_vlm import small_network, small_processor
from mobile_vla.runs.load_report import LoadReport, table

HEAD = {"type": "LSTMDecoder", "with_history": True, "history_type": "post", "latent": 1,
        "action_space": "continuous"}  # fmt: skip
CONFIG = {"use_hand_rgb": False, "use_vision_resampler": False, "act_head": HEAD}


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    network = small_network(len(small_processor().tokenizer), seed=9)
    named = {f"model.backbone.{n}": v.clone() for n, v in network.state_dict().items()}
    named["model.action_token"] = torch.full((64,), 0.5)
    named["model.act_head.rnn.weight_ih_l0"] = torch.zeros(8, 64)
    return named


def config(**changes: Any) -> dict[str, Any]:
    head = {key: changes.pop(key) for key in tuple(changes) if key in HEAD}
    return {**CONFIG, **changes, "act_head": {**HEAD, **head}}


def saved(folder: Path, tensors: dict[str, torch.Tensor], **other: Any) -> Path:
    torch.save({"state_dict": tensors, **other}, folder / "init.ckpt")
    return folder / "init.ckpt"


OTHERWISE = [
    ({"history_type": "pre"}, "puts the frames of a window into one sequence"),
    ({"history_type": "video"}, "puts the frames of a window into one sequence"),
    ({"use_hand_rgb": True}, "sees a hand camera"),
    ({"use_vision_resampler": True}, "resamples the image"),
    ({"latent": 2}, "has several action tokens"),
    ({"action_space": "discrete"}, "predicts from other states than the action token's"),
    ({"action_space": "down_sample"}, "predicts from other states than the action token's"),
]


@pytest.mark.parametrize(("changes", "sentence"), OTHERWISE)
@pytest.mark.parametrize("where", ["configs", "hyper_parameters", "beside"])
def test_a_configuration_that_says_otherwise(
    vlm_folder, tmp_path, tensors, changes, sentence, where
) -> None:
    stored = {
        "configs": {"configs": config(**changes)},
        "hyper_parameters": {"hyper_parameters": {"variant": {"configs": config(**changes)}}},
        "beside": {},
    }[where]
    path = saved(tmp_path, tensors, **stored)
    if where == "beside":
        (tmp_path / "run.json").write_text(json.dumps(config(**changes)))
    for read in (check_init, lambda file: read_init(empty_network(vlm_folder), file)):
        with pytest.raises(UserError, match="was trained by a model that") as caught:
            read(path)
        assert sentence in str(caught.value)


def test_a_configuration_that_says_the_same_leaves_nothing_unknown(
    vlm_folder, tmp_path, tensors
) -> None:
    path = saved(tmp_path, tensors, configs=config())
    (tmp_path / "other_run.json").write_text(json.dumps(config(use_hand_rgb=True)))
    assert read_init(empty_network(vlm_folder), path).source.not_known == ()


def test_a_head_without_history_has_no_kind_of_it(vlm_folder, tmp_path, tensors) -> None:
    path = saved(tmp_path, tensors, configs=config(with_history=False, history_type="pre"))
    assert read_init(empty_network(vlm_folder), path).source.not_known == ()


@pytest.mark.parametrize(
    ("beside", "unknown"),
    [
        (None, ("history", "hand camera")),
        ("{broken", ("history", "hand camera")),
        ("[" * 5000, ("history", "hand camera")),
        (json.dumps({"lora_alpha": 8}), ("history", "hand camera")),
        (json.dumps({"use_hand_rgb": False}), ("history",)),
        (json.dumps({"act_head": HEAD}), ("hand camera",)),
        (json.dumps({"act_head": None}), ("history", "hand camera")),
    ],
)
def test_what_nothing_tells_is_reported(vlm_folder, tmp_path, tensors, beside, unknown) -> None:
    if beside is not None:
        (tmp_path / "beside.json").write_text(beside)
    source = read_init(empty_network(vlm_folder), saved(tmp_path, tensors)).source
    assert source.not_known == unknown
    report = LoadReport(sources=(source,), tensors_hash="0" * 64, trainable={})
    assert f"weights:   not known: {', '.join(unknown)}" in table(report)


@pytest.mark.parametrize("name", ["vision_resampler.latents", "embed_arm_state.weight"])
def test_tensors_before_the_action_token_that_would_not_be_used(
    vlm_folder, tmp_path, tensors, name
) -> None:
    tensors[f"model.{name}"] = torch.zeros(4, 64)
    with pytest.raises(UserError, match="lie before the action token") as caught:
        read_init(empty_network(vlm_folder), saved(tmp_path, tensors))
    assert name in str(caught.value)


def test_the_head_of_a_checkpoint_is_no_reason(vlm_folder, tmp_path, tensors) -> None:
    tensors["model.fwd_head.weight"] = torch.zeros(4, 64)
    read_init(empty_network(vlm_folder), saved(tmp_path, tensors))


@pytest.mark.parametrize("attention", ["eager", {"text_config": "eager"}], ids=["all", "text"])
def test_the_decoder_is_causal_whatever_its_configuration_names(
    vlm_folder, tmp_path, attention
) -> None:
    """For a part transformers reads a mapping; the part's own section is overwritten."""
    folder = tmp_path / "vlm"
    shutil.copytree(vlm_folder, folder)
    file = folder / "config.json"
    content = json.loads(file.read_text())
    for key in ("attn_implementation", "_attn_implementation"):
        content[key] = attention
    file.write_text(json.dumps(content))
    backbone, _ = load_vlm(folder)
    sequence = torch.randn(2, 9, backbone.hidden_size)
    changed = sequence.clone()
    changed[:, 5:] = 0
    with torch.inference_mode():
        for place in (torch.tensor([4, 2]), torch.tensor([0, 4])):
            before = backbone.decode_at(sequence, place)
            torch.testing.assert_close(before, backbone.decode_at(changed, place))
        torch.testing.assert_close(
            backbone.decode(sequence)[:, :5], backbone.decode(changed)[:, :5]
        )
