"""A second family behind the same interface: what the policy asks of one holds of the other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.checkpoints.load_vlm import load_vlm
from mobile_vla.policy.checkpoints.policy_checkpoint import load_policy, save_policy
from mobile_vla.policy.heads import make_head
from mobile_vla.policy.instruction_gradient import instruction_effect
from mobile_vla.policy.lora import add_lora, hash_base
from mobile_vla.policy.normalisation import action_statistics
from mobile_vla.policy.policy import Policy
from mobile_vla.policy.vlm_registry import image_size
from tiny_smolvlm import build_smolvlm

LEFT = "go around the box on the left, to the basket"
RIGHT = "go around the box on the right, to the basket"


@pytest.fixture(scope="session")
def smolvlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_smolvlm(tmp_path_factory.mktemp("smolvlm"))


@pytest.fixture
def other(smolvlm: Path) -> Policy:
    torch.manual_seed(1)
    head = make_head("lstm", 32, hidden=16, layers=1, chunk=3, action_dim=2)
    return Policy(load_vlm(smolvlm)[0], head, action_statistics([np.ones((3, 2))])).eval()


def test_loads_whole_by_part(smolvlm: Path) -> None:
    backbone, source = load_vlm(smolvlm)
    assert set(source.loaded) == {"vision", "projection", "text"}
    assert not source.missing and not source.unexpected and not source.mismatched
    assert sum(source.loaded.values()) == len(backbone.network.state_dict())
    assert (image_size(smolvlm), backbone.image_size, backbone.latents) == (64, 64, 4)


def test_the_states_are_those_of_its_own_forward_pass(other: Policy, frames: np.ndarray) -> None:
    """Its own class, given ids and pixels, has them before the action token's place."""
    backbone = other.backbone
    pixels = backbone.preprocess(torch.from_numpy(frames[:1]))
    text = backbone.tokenize([LEFT])
    known = backbone.tokenizer.get_vocab()
    fence, image = known["<fake_token_around_image>"], known["<image>"]
    ids = [known["<|im_start|>"], fence, known["<global-img>"], *[image] * 4, fence]
    with torch.no_grad():
        theirs = backbone.network.model(
            input_ids=torch.tensor([[*ids, *text.ids[0].tolist()]]),
            pixel_values=pixels.unsqueeze(1),
        ).last_hidden_state
        ours = backbone.decode(backbone.embed(backbone.encode_frames(pixels), text))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def test_batch_and_padding_change_nothing(other: Policy, frames: np.ndarray) -> None:
    texts = [LEFT, "stop", RIGHT, "drive to the red basket"] * 2
    with torch.no_grad():
        latents = other.encode(torch.from_numpy(frames[:8]))
        together = other.states(latents, other.prompts(texts, [1] * 8))
        alone = [
            other.states(latents[i : i + 1], other.prompts([text], [1]))
            for i, text in enumerate(texts)
        ]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-5)


def test_lora_goes_where_it_is_told(other: Policy, frames: np.ndarray) -> None:
    frozen = hash_base(other.backbone)
    with torch.no_grad():
        before = other.encode(torch.from_numpy(frames))
    add_lora(other.backbone, parts=["text"], rank=2, alpha=4)
    trained = other.trainable()
    assert trained["text"].tensors == 2 * 2 * 7 and not trained["vision"].tensors
    assert not trained["projection"].tensors and hash_base(other.backbone) == frozen
    assert torch.equal(other.encode(torch.from_numpy(frames)), before)


def test_lora_on_vision_and_projection(other: Policy) -> None:
    add_lora(other.backbone, parts=["vision", "projection"], rank=2, alpha=4)
    trained = other.trainable()
    assert trained["vision"].tensors and trained["projection"].tensors == 2
    assert not trained["text"].tensors
    with pytest.raises(UserError, match="no linear layer there"):
        other.backbone.lora_pattern(["wheels"])


def test_the_instruction_reaches_the_action(other: Policy, frames: np.ndarray) -> None:
    latents = other.encode(torch.from_numpy(frames))
    assert instruction_effect(other, latents, (LEFT, RIGHT), 4).reaches


def test_checkpoint_comes_back(
    other: Policy, smolvlm: Path, tmp_path: Path, frames: np.ndarray
) -> None:
    add_lora(other.backbone, rank=2, alpha=4)
    with torch.no_grad():
        for parameter in other.trained_parameters():
            parameter.normal_(std=0.1)
    save_policy(tmp_path / "p.safetensors", other, {})
    again = load_policy(tmp_path / "p.safetensors", load_vlm(smolvlm)[0])
    with torch.no_grad():
        latents = other.encode(torch.from_numpy(frames))
        assert torch.equal(again([latents], [LEFT], 4)[0], other([latents], [LEFT], 4)[0])


def spoilt(smolvlm: Path, folder: Path, file: str, **values: object) -> Path:
    shutil.copytree(smolvlm, folder)
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**content, **values}))
    return folder


def test_folders_of_it_that_do_not_do_are_refused(smolvlm: Path, tmp_path: Path) -> None:
    folder = spoilt(smolvlm, tmp_path / "a", "preprocessor_config.json", image_mean=None)
    with pytest.raises(UserError, match="images' mean and deviation"):
        load_vlm(folder)
    folder = spoilt(smolvlm, tmp_path / "b", "config.json", model_type="paligemma")
    with pytest.raises(UserError, match="not causal over the prompt"):
        load_vlm(folder)
    folder = spoilt(smolvlm, tmp_path / "c", "config.json")
    tokenizer = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(tokenizer.replace("<global-img>", "<other>"))
    config = (folder / "tokenizer_config.json").read_text()
    (folder / "tokenizer_config.json").write_text(config.replace("<global-img>", "<other>"))
    with pytest.raises(UserError, match="lacks <global-img>"):
        load_vlm(folder)
