"""Checkpoints in the layouts that training programs write, and things that are no checkpoint."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.checkpoints.inspect_weights import diff_weights, inspect_weights
from mobile_vla.policy.checkpoints.lora_checkpoint import plain_tensors
from mobile_vla.policy.checkpoints.tensor_files import is_finite, read_checkpoint

LAYER = "text_model.model.layers.0.self_attn.q_proj.weight"
TENSORS = {
    LAYER: torch.arange(64.0).view(8, 8),
    "text_model.model.embed_tokens.weight": torch.ones(16, 8),
    "vision_model.model.x.weight": torch.full((4, 4), 2.0),
}
ROBOVLMS = {f"model.backbone.{name}": tensor for name, tensor in TENSORS.items()}


def saved(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        inspect_weights(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "layout"),
    [
        ({"model": ROBOVLMS, "optimizer": {}, "epoch": 3}, "torch model"),
        ({"module": ROBOVLMS, "dp_world_size": 1}, "torch module"),
        ({"net": TENSORS}, "torch net"),
        ({"network": TENSORS}, "torch network"),
        ({"policy": TENSORS, "step": 3}, "torch policy"),
        ({"model": {"state_dict": ROBOVLMS}}, "torch model.state_dict"),
        ({"state_dict": ROBOVLMS, "model": {"ema": torch.zeros(3)}}, "torch state_dict"),
        ({"state_dict": ROBOVLMS, "callbacks": {"kth": torch.tensor(torch.inf)}}, "torch state"),
        (TENSORS, "torch tensors"),
    ],
)
def test_tensors_under_a_models_key_are_its_weights(tmp_path, content, layout) -> None:
    view = inspect_weights(saved(tmp_path / "a.pt", content))
    assert view.format.startswith(layout)
    assert {tensor.plain for tensor in view.tensors} == TENSORS.keys()
    assert not view.not_finite


def test_modules_within_a_mapping_become_parts_of_a_name(tmp_path) -> None:
    content = {"model": {"projector": {"fc1.weight": torch.ones(4, 4)}, "llm_backbone": {
        "llm.lm_head.weight": torch.ones(16, 8)}}}  # fmt: skip
    view = inspect_weights(saved(tmp_path / "prismatic.pt", content))
    names = {tensor.name for tensor in view.tensors}
    assert names == {"projector.fc1.weight", "llm_backbone.llm.lm_head.weight"}


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda name: f"_orig_mod.model.backbone.{name}",
        lambda name: f"module._orig_mod.model.backbone.{name}",
        lambda name: f"model._orig_mod.backbone.{name}",
        lambda name: f"_forward_module.model.backbone.{name}",
        lambda name: (
            "_fsdp_wrapped_module.model.backbone."
            + name.replace("layers.0", "layers.0._checkpoint_wrapped_module")
        ),
        lambda name: f"module.module.{name}",
    ],
)
def test_wrappers_are_no_part_of_a_name(tmp_path, wrapped) -> None:
    plain = saved(tmp_path / "plain.ckpt", {"state_dict": ROBOVLMS})
    content = {"state_dict": {wrapped(name): tensor for name, tensor in TENSORS.items()}}
    other = saved(tmp_path / "wrapped.ckpt", content)
    difference = diff_weights(plain, other)
    assert difference.equal == len(TENSORS)
    assert difference.same
    prefixes = inspect_weights(other).prefixes
    assert sum(prefixes.values()) == len(TENSORS)
    assert "" not in prefixes


def test_float8_is_inspected(tmp_path) -> None:
    file = tmp_path / "fp8.safetensors"
    save_file({name: tensor.to(torch.float8_e4m3fn) for name, tensor in TENSORS.items()}, file)
    assert not inspect_weights(file).not_finite
    nan = torch.tensor([torch.nan]).to(torch.float8_e4m3fn)
    assert not is_finite(nan)
    assert not is_finite(torch.tensor([complex(torch.inf, 0)]))


def test_a_numpy_number_beside_the_tensors_is_a_plain_value(tmp_path) -> None:
    content = {"state_dict": ROBOVLMS, "best_val": np.float64(0.0123), "n": np.int32(3)}
    checkpoint = read_checkpoint(saved(tmp_path / "a.ckpt", content))
    assert checkpoint.other == {"best_val": 0.0123, "n": 3}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"ema": TENSORS, "step": 3}, "tensors under `ema` only"),
        ({"optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}}}, "under `optimizer` only"),
        ({"step": 3}, "holds no tensors"),
        ([torch.ones(3)], "holds a list"),
        (torch.ones(3), "holds a Tensor"),
        ({"state_dict": ROBOVLMS, "args": argparse.Namespace(lr=1)}, "argparse.Namespace"),
        ({"state_dict": ROBOVLMS, "mean": np.ones(3)}, "_reconstruct"),
        ({"state_dict": {"w": torch.eye(3).to_sparse()}}, "sparse"),
        (torch.nn.Linear(2, 2), "Linear"),
    ],
)
def test_what_is_no_mapping_of_tensors_is_refused_by_name(tmp_path, content, sentence) -> None:
    assert sentence in refusal(saved(tmp_path / "a.pt", content))


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 111338\n"


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors", ".pt", ".bin"])
@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (LFS, "is a Git LFS pointer of a file of 111,338 bytes, not the file: run `git lfs pull`"),
        (b"<!DOCTYPE html><html>Please log in</html>", "is text (HTML), no checkpoint"),
        ("손실 0.013\n".encode(), "is text, no checkpoint"),
        (b"", "is empty"),
        (b"\x80\x02}q\x00(X\x01\x00", "copy it again"),
        (b"\x80\x02c__builtin__\neval\n.", "nothing in it was executed"),
        (b"PK\x03\x04" + b"\x00" * 600, "is damaged"),
        (b"\xff" * 7 + b"\x7f{" + b"\x00" * 64, "is damaged"),
        (bytes(range(256)) * 8, "nothing in it was executed"),
    ],
)
def test_what_is_no_checkpoint_is_a_sentence(tmp_path, data, sentence, suffix) -> None:
    file = tmp_path / f"a{suffix}"
    file.write_bytes(data)
    assert sentence in refusal(file)


def test_every_cut_of_a_file_is_a_sentence(tmp_path) -> None:
    data = saved(tmp_path / "a.pt", {"state_dict": ROBOVLMS}).read_bytes()
    for length in range(0, len(data), 97):
        cut = tmp_path / "cut.pt"
        cut.write_bytes(data[:length])
        assert str(cut) in refusal(cut)


def peft_folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"base_model.model.{LAYER.removesuffix('.weight')}.lora_"
    pair = {f"{stem}A.weight": torch.ones(4, 8), f"{stem}B.weight": torch.ones(8, 4)}
    save_file(pair, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def test_an_adapter_folder_is_inspected_and_not_taken_as_a_model(tmp_path) -> None:
    folder = peft_folder(tmp_path / "adapter")
    view = inspect_weights(folder)
    assert view.format == "peft adapter, LORA r 4, alpha 8"
    assert view.lora == {"4": 1}
    with pytest.raises(UserError, match="is a peft adapter"):
        plain_tensors(read_checkpoint(folder))


def test_lerobot_keeps_its_weights_in_a_folder_below(tmp_path) -> None:
    peft_folder(tmp_path / "000010" / "pretrained_model")
    assert inspect_weights(tmp_path / "000010").format.startswith("peft adapter")


def test_an_adapter_folder_without_its_adapters(tmp_path) -> None:
    (peft_folder(tmp_path / "a") / "adapter_model.safetensors").unlink()
    assert "is a peft adapter without adapter_model.safetensors" in refusal(tmp_path / "a")


def shards(folder: Path, entries: dict[str, str]) -> Path:
    """Two shards, the first and the second tensor, and an index with these entries."""
    folder.mkdir()
    names = list(TENSORS)
    save_file({names[0]: TENSORS[names[0]]}, folder / "model-00001-of-00002.safetensors")
    save_file({names[1]: TENSORS[names[1]]}, folder / "model-00002-of-00002.safetensors")
    index = {"metadata": {"total_size": 0}, "weight_map": entries}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
NAMES = list(TENSORS)


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        (dict(zip(NAMES, (FIRST, SECOND, SECOND), strict=True)), f"{NAMES[2]}, which {SECOND}"),
        ({NAMES[0]: FIRST}, f"{SECOND} stands in"),
        ({NAMES[0]: FIRST, NAMES[1]: "model-00003-of-00003.safetensors"}, "lacks model-00003"),
        ({NAMES[0]: "../secret.safetensors"}, "no file of its folder"),
        ({NAMES[0]: "/etc/passwd"}, "no file of its folder"),
        ({NAMES[0]: 3}, "no file of its folder"),
        ({}, "is damaged"),
    ],
)
def test_an_index_and_its_shards_must_agree(tmp_path, entries, sentence) -> None:
    assert sentence in refusal(shards(tmp_path / "vlm", entries))


def test_shards_are_read_by_their_index(tmp_path) -> None:
    folder = shards(tmp_path / "vlm", dict(zip(NAMES[:2], (FIRST, SECOND), strict=True)))
    assert inspect_weights(folder).files == 2
    save_file(TENSORS, folder / "model.safetensors")
    assert "holds both model.safetensors and model.safetensors.index.json" in refusal(folder)


def test_a_deepspeed_folder_is_read_where_one_file_holds_all(tmp_path) -> None:
    folder = tmp_path / "epoch=1.ckpt"
    file = saved(folder / "checkpoint" / "mp_rank_00_model_states.pt", {"module": ROBOVLMS})
    saved(file.with_name("bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt"), {"x": 1})
    (folder / "latest").write_text("checkpoint")
    view = inspect_weights(folder)
    assert (view.format, len(view.tensors)) == ("deepspeed module", len(TENSORS))
    saved(file.with_name("mp_rank_01_model_states.pt"), {"module": ROBOVLMS})
    assert "run its zero_to_fp32.py" in refusal(folder)


def test_deepspeeds_third_stage_leaves_empty_tensors(tmp_path) -> None:
    empty = {name: torch.empty(0) for name in ROBOVLMS}
    folder = tmp_path / "a.ckpt"
    saved(folder / "tag" / "zero_pp_rank_0_mp_rank_00_model_states.pt", {"module": empty})
    assert "run its zero_to_fp32.py" in refusal(folder)


def test_folders_of_other_formats_say_what_they_are(tmp_path) -> None:
    distributed = tmp_path / "dcp"
    distributed.mkdir()
    (distributed / "__0_0.distcp").write_bytes(b"x")
    assert "torch.distributed" in refusal(distributed)
    saved(tmp_path / "lone" / "epoch=3.ckpt", {"state_dict": ROBOVLMS})
    assert "holds epoch=3.ckpt" in refusal(tmp_path / "lone")
    (tmp_path / "void").mkdir()
    assert "lacks model.safetensors" in refusal(tmp_path / "void")
