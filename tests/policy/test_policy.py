"""The policy's invariants: padding, windows, the closed loop, the instruction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.controller import Controller
from mobile_vla.policy.instruction_gradient import instruction_effect
from mobile_vla.policy.kosmos2 import Kosmos2Backbone
from mobile_vla.policy.lora import add_lora, hash_base
from mobile_vla.policy.policy import Policy, unfold_windows
from mobile_vla.policy.small_vlm import small_processor
from mobile_vla.policy.vocabulary import read_words

LEFT = "go around the box on the left, to the basket"
RIGHT = "go around the box on the right, to the basket"


def encode(policy: Policy, frames: np.ndarray) -> torch.Tensor:
    with torch.no_grad():
        return policy.encode(torch.from_numpy(frames))


def test_action_does_not_depend_on_the_rest_of_the_batch(
    policy: Policy, frames: np.ndarray
) -> None:
    latents = encode(policy, frames[:8])
    instructions = [LEFT, "stop", RIGHT, "drive to the red box", LEFT, "stop", RIGHT, LEFT]
    with torch.no_grad():
        together = policy.states(latents, policy.prompts(instructions, [1] * 8))
        alone = [
            policy.states(latents[i : i + 1], policy.prompts([text], [1]))
            for i, text in enumerate(instructions)
        ]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=0)


def test_states_are_those_of_the_whole_model(
    backbone: Kosmos2Backbone, policy: Policy, frames: np.ndarray
) -> None:
    """The shortcut around the language head against transformers' own forward pass."""
    latents = encode(policy, frames[:2])
    text = policy.prompts([LEFT, LEFT], [1, 1])
    size = backbone.latents
    ids = torch.cat([torch.tensor([[0] + [5] * size] * 2), text.ids, torch.tensor([[6]] * 2)], 1)
    image = torch.zeros(ids.shape, dtype=torch.long)
    image[:, 1 : 1 + size] = 1
    with torch.no_grad():
        policy.action_token.copy_(backbone.network.get_input_embeddings().weight[6])
        whole = backbone.network(
            pixel_values=backbone.preprocess(torch.from_numpy(frames[:2])),
            input_ids=ids,
            image_embeds_position_mask=image,
        )
        states = policy.states(latents, text)
        logits = backbone.network.text_model.lm_head(states)
    torch.testing.assert_close(logits, whole.logits[:, -1], atol=1e-4, rtol=1e-4)


def test_windows_of_whole_episodes_equal_windows_taken_alone(
    policy: Policy, frames: np.ndarray
) -> None:
    latents = encode(policy, frames)
    episodes = [latents[:7], latents[7:], latents[:2]]
    with torch.no_grad():
        actions, windows = policy(episodes, [LEFT, RIGHT, LEFT], 4)
        alone = [policy([episodes[0][i : i + 4]], [LEFT], 4)[0] for i in range(4)]
        alone += [policy([episodes[1][i : i + 4]], [RIGHT], 4)[0] for i in range(2)]
        short = policy([episodes[2]], [LEFT], 2)[0]
    torch.testing.assert_close(actions[:6], torch.cat(alone), atol=1e-5, rtol=0)
    torch.testing.assert_close(actions[6:, :2], short, atol=1e-5, rtol=0)
    assert windows.valid.all(1).tolist() == [True] * 6 + [False]
    assert windows.valid[6].tolist() == [True, True, False, False]


def test_unfold_windows_refuses_what_has_no_window() -> None:
    with pytest.raises(UserError):
        unfold_windows([3, 0], 2)


def test_controller_acts_as_the_last_window_does(policy: Policy, frames: np.ndarray) -> None:
    controller = Controller(policy, window=4)
    controller.reset([LEFT, RIGHT])
    acted = [controller.act(np.stack([frame, frame[::-1]])) for frame in frames[:7]]
    latents = encode(policy, frames[:7])
    with torch.no_grad():
        for step in range(7):
            first = max(0, step - 3)
            history = latents[first : step + 1]
            normalised = policy([history], [LEFT], len(history))[0][0, -1, 0]
            expected = policy.statistics.denormalise(normalised).numpy()
            np.testing.assert_allclose(acted[step][0], expected, atol=1e-5)


def test_controller_wants_an_instruction_a_scene(policy: Policy, frames: np.ndarray) -> None:
    controller = Controller(policy, window=4)
    with pytest.raises(UserError, match="one instruction a scene"):
        controller.act(frames[:1])
    controller.reset([LEFT])
    with pytest.raises(UserError, match="2 frames for 1"):
        controller.act(frames[:2])


def test_instruction_reaches_the_action(policy: Policy, frames: np.ndarray) -> None:
    latents = encode(policy, frames)
    reach = instruction_effect(policy, latents, (LEFT, RIGHT), 4)
    assert reach.reaches and reach.action_change > 1e-3
    assert not policy.backbone.network.get_input_embeddings().weight.grad


def test_images_over_the_text_are_seen_as_deafness(
    policy: Policy, frames: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lab's fault: image embeddings put where the text stands."""
    latents = encode(policy, frames)
    embed = Kosmos2Backbone.embed

    def overwritten(self: Kosmos2Backbone, latents: torch.Tensor, text: object) -> torch.Tensor:
        embedded = embed(self, latents, text)
        width = embedded.shape[1]
        return latents.repeat(1, width // latents.shape[1] + 1, 1)[:, :width]

    monkeypatch.setattr(Kosmos2Backbone, "embed", overwritten)
    with torch.no_grad():
        actions, _ = policy([latents, latents], [LEFT, RIGHT], 4)
    half = len(actions) // 2
    assert torch.equal(actions[:half], actions[half:])


def test_training_changes_the_adapters_and_nothing_frozen(
    policy: Policy, frames: np.ndarray
) -> None:
    latents = encode(policy, frames)
    bare = hash_base(policy.backbone)
    add_lora(policy.backbone, rank=4, alpha=8)
    assert hash_base(policy.backbone) == bare
    report = policy.trainable()
    assert report["vision"].tensors == report["projection"].tensors == 0
    assert report["text"].tensors == 2 * 6 * 2
    assert all(".lora_" in name for name in report["text"].names)
    total = sum(part.parameters for part in report.values())
    assert total == sum(p.numel() for p in policy.trained_parameters())
    before = [p.detach().clone() for p in policy.trained_parameters()]
    optimiser = torch.optim.AdamW(policy.trained_parameters(), lr=1e-2)
    policy.train()
    for _ in range(2):
        optimiser.zero_grad()
        policy([latents], [LEFT], 4)[0].square().mean().backward()
        optimiser.step()
    pairs = zip(before, policy.trained_parameters(), strict=True)
    assert not any(torch.equal(old, new) for old, new in pairs)
    assert hash_base(policy.backbone) == bare


def test_the_frozen_backbone_has_no_dropout_while_training(policy: Policy) -> None:
    add_lora(policy.backbone, rank=4, alpha=8, dropout=0.5)
    policy.train()
    training = {n for n, m in policy.backbone.network.named_modules() if m.training}
    assert training and all("lora_dropout" in name for name in training)


def test_unknown_words_are_refused(policy: Policy) -> None:
    with pytest.raises(UserError, match="tokenizer does not know") as refused:
        policy.prompts(["go arround the zeppelin"], [1])
    assert 'it lacks "arround" (nearest: around), "zeppelin"' in str(refused.value)
    assert "--words FILE" in str(refused.value)


def test_a_file_of_words_makes_a_tokenizer_that_knows_them(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("Go around the zeppelin, robot!\n")
    words = read_words(tmp_path / "words.txt")
    assert words == ("Go", "around", "the", "zeppelin", "robot")
    tokenizer = small_processor(words).tokenizer
    for text in ("Go around the zeppelin", "go to the basket"):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.unk_token_id not in ids
    (tmp_path / "empty.txt").write_text("!!\n")
    for name in ("empty.txt", "none.txt"):
        with pytest.raises(UserError, match=name):
            read_words(tmp_path / name)


def test_frames_of_another_size_are_refused(policy: Policy) -> None:
    with pytest.raises(UserError, match="resize the frames first"):
        policy.encode(torch.zeros(1, 32, 32, 3, dtype=torch.uint8))
