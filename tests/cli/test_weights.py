"""`mvla weights` tells what files hold, whatever their layout, and runs nothing in them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from mobile_vla.cli.main import main
from mobile_vla.policy.small_vlm import small_network, small_processor
from small_lab import Lab
from small_weights import build_small_vlm


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_small_vlm(tmp_path_factory.mktemp("weights") / "vlm", seed=3)


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    network = small_network(len(small_processor().tokenizer), seed=3)
    return {name: value.clone() for name, value in network.state_dict().items()}


def inspected(capsys: pytest.CaptureFixture[str], *files: Path, status: int = 0) -> Any:
    assert main(["weights", "inspect", *map(str, files), "--json"]) == status
    return json.loads(capsys.readouterr().out)


def difference(capsys: pytest.CaptureFixture[str], a: Path, b: Path, status: int) -> Any:
    assert main(["weights", "diff", str(a), str(b), "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_the_same_weights_have_the_same_hash_in_every_layout(
    capsys: pytest.CaptureFixture[str], vlm: Path, tensors: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    own = {f"module.model.backbone.{n}": v for n, v in tensors.items()}
    own["module.model.action_token"] = torch.zeros(64)
    torch.save({"model_state_dict": own, "epoch": 3}, tmp_path / "r.pt")
    lightning = {"state_dict": tensors, "pytorch-lightning_version": "2.0", "epoch": 1}
    torch.save(lightning, tmp_path / "r.ckpt")
    save_file(tensors, tmp_path / "r.safetensors")
    views = inspected(
        capsys, vlm, tmp_path / "r.pt", tmp_path / "r.ckpt", tmp_path / "r.safetensors"
    )
    assert [view["format"] for view in views] == [
        "huggingface", "torch model_state_dict", "torch lightning", "safetensors",
    ]  # fmt: skip
    for part in ("vision", "projection"):
        assert len({view["parts"][part]["blake3"] for view in views}) == 1
    assert views[1]["prefixes"] == {"module.model.backbone.": len(tensors), "module.model.": 1}
    assert views[1]["beside"] == ["epoch"]
    assert views[1]["parts"]["action_token"]["parameters"] == 64
    assert views[0]["bytes"] == (vlm / "model.safetensors").stat().st_size
    total = sum(p.numel() for p in small_network(154, seed=3).parameters())
    assert sum(part["parameters"] for part in views[0]["parts"].values()) == total


def test_adapters_doubles_and_nan_are_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    layer = "text_model.model.layers.0.self_attn.q_proj"
    once = {
        f"{layer}.base_layer.weight": torch.ones(4, 4),
        f"{layer}.lora_A.default.weight": torch.ones(2, 4),
        f"{layer}.lora_B.default.weight": torch.full((4, 2), torch.nan),
    }
    twice = {f"model.backbone.{n}": v for n, v in once.items()}
    twice |= {f"model.model.base_model.model.{n}": v for n, v in once.items()}
    torch.save({"state_dict": twice}, tmp_path / "r.pt")
    (view,) = inspected(capsys, tmp_path / "r.pt", status=1)
    assert (view["twice"], view["lora"]) == (3, {"2": 1})
    assert len(view["not_finite"]) == 2 and all("lora_B" in n for n in view["not_finite"])
    assert view["parts"]["text"]["parameters"] == 16 + 8 + 8
    assert main(["weights", "inspect", str(tmp_path / "r.pt")]) == 1
    told = capsys.readouterr().out
    assert "adapters in place, layers: 1 of rank 2" in told and "NOT FINITE" in told


def test_diff_names_every_kind_of_change(
    capsys: pytest.CaptureFixture[str], vlm: Path, tensors: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    bias = "image_to_text_projection.dense.bias"
    other = {f"model.backbone.{n}": v for n, v in tensors.items()}
    del other["model.backbone.text_model.lm_head.weight"]
    torch.save(other, tmp_path / "same.pt")
    assert difference(capsys, vlm, tmp_path / "same.pt", 0)["equal"] == len(other)
    other[f"model.backbone.{bias}"] = tensors[bias] + 0.25
    latents = "model.backbone.image_to_text_projection.latent_query"
    other[latents] = other[latents].half()
    norm = "model.backbone.text_model.model.layer_norm.weight"
    other[norm] = torch.ones(65)
    other["model.action_token"] = torch.zeros(64)
    torch.save(other, tmp_path / "other.pt")
    found = difference(capsys, vlm, tmp_path / "other.pt", 1)
    assert found["only_b"] == ["action_token"] and not found["only_a"]
    assert found["shapes"] == {norm.removeprefix("model.backbone."): [[64], [65]]}
    assert list(found["types"].values()) == [["float32", "float16"]]
    (change,) = [c for c in found["values"] if c["name"] == bias]
    assert change["largest"] == pytest.approx(0.25, abs=1e-6) and change["part"] == "projection"
    assert main(["weights", "diff", str(vlm), str(tmp_path / "other.pt")]) == 1
    assert "other values: projection: 2, apart by up to 0.25" in capsys.readouterr().out


class Planted:
    def __reduce__(self) -> tuple[object, ...]:
        return (os.system, ("touch planted",))


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_does_not_run(
    zipped: bool,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    content = {"state_dict": {"w": torch.ones(2)}, "callbacks": Planted()}
    torch.save(content, "evil.ckpt", _use_new_zipfile_serialization=zipped)
    assert main(["weights", "inspect", "evil.ckpt"]) == 2
    assert "nothing in it was executed" in capsys.readouterr().err
    assert not Path("planted").exists()


def test_what_is_no_checkpoint_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "text.pt").write_text("not weights")
    (tmp_path / "empty").mkdir()
    for path, said in (("text.pt", "is text, no checkpoint"), ("empty", "lacks"),
                       ("gone.pt", "does not exist")):  # fmt: skip
        assert main(["weights", "inspect", str(tmp_path / path)]) == 2
        assert said in capsys.readouterr().err


def test_a_runs_policy_is_merged(
    capsys: pytest.CaptureFixture[str], finished_lab: Lab, tmp_path: Path
) -> None:
    run, out = finished_lab.the_run("both_20"), tmp_path / "merged"
    assert main(["weights", "merge", str(run.path), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "12 LoRA layers of both_20" in said and "of full speed of those with adapters" in said
    assert inspected(capsys, out)[0]["lora"] == {}
    assert main(["weights", "merge", str(tmp_path), "--out", str(tmp_path / "other")]) == 2
    assert "case.yaml cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
