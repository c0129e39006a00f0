"""Weights load whole or not at all, whatever the file's layout, and the report says so."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.checkpoints.load_vlm import load_report, load_vlm
from mobile_vla.policy.checkpoints.suggest_path import require_path
from mobile_vla.policy.checkpoints.tensor_files import read_checkpoint
from mobile_vla.policy.key_match import match_keys, nearest_renaming
from mobile_vla.policy.lora import add_lora, hash_base, hash_tensors
from mobile_vla.policy.policy import Policy
from mobile_vla.policy.small_vlm import small_network, small_processor
from small_weights import load_init


@pytest.fixture
def robovlms() -> dict[str, torch.Tensor]:
    """The tensors of a RoboVLMs checkpoint of the small VLM, under `model.`."""
    network = small_network(len(small_processor().tokenizer), seed=9)
    tensors = {f"model.backbone.{n}": v.clone() for n, v in network.state_dict().items()}
    tensors["model.action_token"] = torch.full((64,), 0.5)
    tensors["model.act_head.rnn.weight_ih_l0"] = torch.zeros(8, 64)
    return tensors


def test_vlm_loads_whole_and_is_reported(vlm_folder: Path) -> None:
    backbone, source = load_vlm(vlm_folder)
    expected = small_network(len(backbone.tokenizer), seed=3)
    assert hash_base(backbone) == hash_tensors(sorted(expected.state_dict().items()))
    assert source.format == "huggingface" and source.role == "vlm"
    assert sum(source.loaded.values()) == len(backbone.network.state_dict())
    assert not source.missing and not source.unexpected and not source.mismatched
    assert source.bytes == (vlm_folder / "model.safetensors").stat().st_size
    assert not any(p.requires_grad for p in backbone.network.parameters())


def test_sharded_folder_loads_alike(vlm_folder: Path, tmp_path: Path) -> None:
    from transformers import Kosmos2ForConditionalGeneration

    folder = tmp_path / "sharded"
    shutil.copytree(vlm_folder, folder)
    (folder / "model.safetensors").unlink()
    network = Kosmos2ForConditionalGeneration.from_pretrained(vlm_folder)
    network.save_pretrained(folder, max_shard_size="300KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 2
    assert hash_base(load_vlm(folder)[0]) == hash_base(load_vlm(vlm_folder)[0])
    shards[1].unlink()
    with pytest.raises(UserError, match=shards[1].name):
        load_vlm(folder)


def test_missing_mismatched_and_nan_vlm_weights_are_refused(
    vlm_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "vlm"
    shutil.copytree(vlm_folder, folder)
    file = folder / "model.safetensors"
    whole = load_file(file)
    name = "image_to_text_projection.dense.bias"
    save_file({n: v for n, v in whole.items() if n != name}, file)
    with pytest.raises(UserError, match=f"1 of .* missing .such as {name}"):
        load_vlm(folder)
    save_file({**whole, name: torch.zeros(65)}, file)
    with pytest.raises(UserError, match=r"differ in shape .*\(65,\) in the file, \(64,\) in"):
        load_vlm(folder)
    save_file({**whole, name: torch.full((64,), torch.nan)}, file)
    with pytest.raises(UserError, match=f"NaN or infinity in {name}"):
        load_vlm(folder)


def test_folders_that_are_no_vlm_are_refused(vlm_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no VLM folder"):
        load_vlm(tmp_path)
    shutil.copytree(vlm_folder, tmp_path / "vlm")
    (tmp_path / "vlm" / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(UserError, match='"llama", no model that takes an image'):
        load_vlm(tmp_path / "vlm")


LAYOUTS = {
    "state_dict": lambda t: {"state_dict": t},
    "model_state_dict": lambda t: {"model_state_dict": t, "epoch": 3},
    "tensors": lambda t: t,
    "module": lambda t: {"state_dict": {f"module.{n}": v for n, v in t.items()}},
    "no model prefix": lambda t: {n.removeprefix("model."): v for n, v in t.items()},
    "half": lambda t: {"state_dict": {n: v.half() for n, v in t.items()}},
    "lightning": lambda t: {"state_dict": t, "pytorch-lightning_version": "2.0", "epoch": 1},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_robovlms_loads(
    layout: str, policy: Policy, robovlms: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "robovlms.pt"
    torch.save(LAYOUTS[layout](robovlms), path)
    source = load_init(policy, path)
    near = {"rtol": 1e-3, "atol": 1e-3} if layout == "half" else {"rtol": 0, "atol": 0}
    for name, value in policy.backbone.network.state_dict().items():
        torch.testing.assert_close(value, robovlms[f"model.backbone.{name}"], **near)
    assert policy.action_token.tolist() == [0.5] * 64
    assert source.loaded["action_token"] == 1
    assert source.unexpected["head"].names == ("act_head.rnn.weight_ih_l0",)


def test_safetensors_checkpoint_loads(
    policy: Policy, robovlms: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    del robovlms["model.backbone.text_model.lm_head.weight"]
    save_file(robovlms, tmp_path / "robovlms.safetensors")
    source = load_init(policy, tmp_path / "robovlms.safetensors")
    assert source.format == "safetensors" and not source.missing


def test_report_hash_is_of_the_tensors_in_the_model(
    policy: Policy, robovlms: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    torch.save(robovlms, tmp_path / "r.pt")
    before = load_report(policy, []).tensors_hash
    source = load_init(policy, tmp_path / "r.pt")
    add_lora(policy.backbone, rank=2, alpha=2)
    report = load_report(policy, [source])
    backbone = {
        n.removeprefix("model.backbone."): v for n, v in robovlms.items() if "backbone" in n
    }
    assert report.tensors_hash == hash_tensors(sorted(backbone.items())) != before


def test_missing_tensors_are_refused_unless_listed(
    policy: Policy, robovlms: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    kept = {n: v for n, v in robovlms.items() if "image_to_text_projection" not in n}
    torch.save(kept, tmp_path / "r.pt")
    before = hash_base(policy.backbone)
    with pytest.raises(UserError, match=r"11 of .* missing"):
        load_init(policy, tmp_path / "r.pt")
    assert hash_base(policy.backbone) == before
    source = load_init(policy, tmp_path / "r.pt", may_miss=["image_to_text_projection.*"])
    assert source.missing["projection"].count == 11


def test_a_wrong_prefix_is_named(
    policy: Policy, robovlms: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    renamed = {n.replace("model.backbone.", "net.vlm."): v for n, v in robovlms.items()}
    torch.save(renamed, tmp_path / "r.pt")
    with pytest.raises(UserError, match=r'replacing the prefix "net.vlm." by "" would load'):
        load_init(policy, tmp_path / "r.pt")


class Planted:
    def __reduce__(self) -> tuple[object, ...]:
        return (os.system, ("touch planted",))


def test_code_in_a_pickle_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Planted()}, tmp_path / "evil.pt")
    with pytest.raises(UserError, match="nothing in it was executed"):
        read_checkpoint(tmp_path / "evil.pt")
    assert not (tmp_path / "planted").exists()


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_truncated_files_are_refused(
    suffix: str, robovlms: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = tmp_path / f"r.{suffix}"
    if suffix == "pt":
        torch.save(robovlms, path)
    else:
        del robovlms["model.backbone.text_model.lm_head.weight"]
        save_file(robovlms, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=r"r\."):
        read_checkpoint(path)
    path.write_bytes(b"")
    with pytest.raises(UserError, match=r"r\."):
        read_checkpoint(path)


def test_a_missing_path_names_the_nearest_that_exists(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    real = weights / "kosmos_ph_oxe-pretrain.pt"
    real.touch()
    (weights / "other.txt").touch()
    with pytest.raises(UserError, match=f'did you mean "{real}"'):
        read_checkpoint(tmp_path / "checkpoint" / "kosmos_ph_oxe_pretrain.pt")
    elsewhere = Path("RoboVLMs/.vlms/kosmos_ph_oxe-pretrain.pt")
    with pytest.raises(UserError, match=f'did you mean "{real}"'):
        require_path(elsewhere, roots=[weights])
    link = tmp_path / "link.pt"
    link.symlink_to(tmp_path / "gone.pt")
    with pytest.raises(UserError, match="link to nowhere"):
        read_checkpoint(link)


def test_match_keys_sorts_names_by_fate() -> None:
    match = match_keys({"a": (1,), "b": (2,), "c": (3,)}, {"b": (2,), "c": (4,), "d": (1,)})
    assert (match.loaded, match.missing) == (("b",), ("a",))
    assert (match.mismatched, match.unexpected) == (("c",), ("d",))
    assert nearest_renaming({"x.w": (1,)}, {"y.b": (1,)}) is None
