"""RoboVLMs' heads: checkpoints in its layout load whole, and act as an independent reference."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.checkpoints.initial_weights import own_head_tensors, read_init
from mobile_vla.policy.checkpoints.policy_checkpoint import load_policy, save_policy
from mobile_vla.policy.heads import make_head
from mobile_vla.policy.heads.head import Head
from mobile_vla.policy.kosmos2 import Kosmos2Backbone
from mobile_vla.policy.normalisation import ActionStatistics
from mobile_vla.policy.policy import Policy

WINDOW, CHUNK, ARM, WIDTH, HIDDEN, STEPS = 8, 5, 3, 64, 16, 14
KINDS = {"robovlms_lstm": 4, "robovlms_fc": 1, "robovlms_gpt": 8}
ONES = (1.0,) * ARM
Tensors = dict[str, torch.Tensor]


def new_head(kind: str) -> Head:
    torch.manual_seed(7)
    return make_head(
        kind, WIDTH, hidden=HIDDEN, layers=KINDS[kind], chunk=CHUNK, action_dim=ARM, window=WINDOW
    ).eval()


def new_policy(backbone: Kosmos2Backbone, kind: str) -> Policy:
    names = ("linear_x", "linear_y", "angular_z")
    statistics = ActionStatistics(
        names=names, frames=1, mean=ONES, std=ONES, min=ONES, max=ONES, scale=ONES
    )
    return Policy(backbone, new_head(kind), statistics).eval()


def drawn(shapes: dict[str, tuple[int, ...]]) -> Tensors:
    """Random tensors of these names, large enough for a head's layers to matter."""
    generator = torch.Generator().manual_seed(3)
    return {
        name: torch.randn(shape, generator=generator) * (max(shape[-1], 1) ** -0.5)
        for name, shape in shapes.items()
    }


def branch_shapes(prefix: str) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for name, out in (("actions", CHUNK * ARM), ("gripper", CHUNK)):
        widths = [HIDDEN, 1024, 512, 256, out]
        for layer in range(4):
            at = f"{prefix}{name}.mlp.{2 * layer}"
            shapes[f"{at}.weight"] = (widths[layer + 1], widths[layer])
            shapes[f"{at}.bias"] = (widths[layer + 1],)
    return shapes


def head_shapes(kind: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of RoboVLMs' layers, written down here by hand."""
    shapes: dict[str, tuple[int, ...]] = {}
    if kind == "robovlms_lstm":
        for layer in range(4):
            width = WIDTH if layer == 0 else HIDDEN
            for side, columns in (("ih", width), ("hh", HIDDEN)):
                shapes[f"rnn.weight_{side}_l{layer}"] = (4 * HIDDEN, columns)
                shapes[f"rnn.bias_{side}_l{layer}"] = (4 * HIDDEN,)
    elif kind == "robovlms_fc":
        half = WIDTH // 2
        shapes |= {"mlp.0.weight": (half, WIDTH), "mlp.0.bias": (half,)}
        shapes |= {"mlp.2.weight": (HIDDEN, half), "mlp.2.bias": (HIDDEN,)}
    else:
        shapes |= {"fc.weight": (HIDDEN, WIDTH), "fc.bias": (HIDDEN,)}
        shapes |= {"gpt.wpe.weight": (WINDOW, HIDDEN)}
        shapes |= {"gpt.ln_f.weight": (HIDDEN,), "gpt.ln_f.bias": (HIDDEN,)}
        for block in range(8):
            at = f"gpt.h.{block}."
            for norm in ("ln_1", "ln_2"):
                shapes |= {f"{at}{norm}.weight": (HIDDEN,), f"{at}{norm}.bias": (HIDDEN,)}
            for layer, rows, columns in (
                ("attn.c_attn", HIDDEN, 3 * HIDDEN), ("attn.c_proj", HIDDEN, HIDDEN),
                ("mlp.c_fc", HIDDEN, 4 * HIDDEN), ("mlp.c_proj", 4 * HIDDEN, HIDDEN),
            ):  # fmt: skip
                shapes[f"{at}{layer}.weight"] = (rows, columns)
                shapes[f"{at}{layer}.bias"] = (columns,)
    return shapes | branch_shapes("")


def checkpoint(backbone: Kosmos2Backbone, kind: str, folder: Path) -> tuple[Path, Tensors]:
    """A file as RoboVLMs writes it, and the head's tensors in it."""
    head = drawn(head_shapes(kind))
    named = {f"model.backbone.{n}": v for n, v in backbone.network.state_dict().items()}
    named |= {f"model.act_head.{n}": v for n, v in head.items()}
    named["model.action_token"] = torch.linspace(-1, 1, WIDTH)
    if kind == "robovlms_gpt":
        for block in range(8):
            at = f"model.act_head.gpt.h.{block}.attn."
            named[f"{at}bias"] = torch.ones(HIDDEN, HIDDEN, dtype=torch.uint8).tril()[None, None]
            named[f"{at}masked_bias"] = torch.tensor(-1e4)
    torch.save({"state_dict": named}, folder / "robot.pt")
    return folder / "robot.pt", head


def mlp(tensors: Tensors, name: str, hidden: torch.Tensor) -> torch.Tensor:
    for layer in (0, 2, 4, 6):
        weight, bias = tensors[f"{name}.mlp.{layer}.weight"], tensors[f"{name}.mlp.{layer}.bias"]
        hidden = hidden @ weight.T + bias
        hidden = hidden.relu() if layer < 6 else hidden
    return hidden


def lstm(tensors: Tensors, states: torch.Tensor) -> torch.Tensor:
    """Frames one after another, with the state carried, from zero: (T, D) to (T, hidden)."""
    cells = [nn.LSTMCell(WIDTH if layer == 0 else HIDDEN, HIDDEN) for layer in range(4)]
    for layer, cell in enumerate(cells):
        cell.load_state_dict({n: tensors[f"rnn.{n}_l{layer}"] for n in cell.state_dict()})
    carried = [(torch.zeros(1, HIDDEN), torch.zeros(1, HIDDEN)) for _ in cells]
    rows = []
    for state in states:
        value = state[None]
        for layer, cell in enumerate(cells):
            carried[layer] = cell(value, carried[layer])
            value = carried[layer][0]
        rows.append(value)
    return torch.cat(rows)


def gpt(tensors: Tensors, states: torch.Tensor) -> torch.Tensor:
    """GPT-2's blocks in plain tensor algebra: (T, D) to (T, hidden)."""
    heads, frames = 8, len(states)
    hidden = states @ tensors["fc.weight"].T + tensors["fc.bias"]
    hidden = hidden + tensors["gpt.wpe.weight"][:frames]
    for block in range(8):
        part = {n.removeprefix(f"gpt.h.{block}."): v for n, v in tensors.items()}
        normal = functional.layer_norm(hidden, (HIDDEN,), part["ln_1.weight"], part["ln_1.bias"])
        mixed = normal @ part["attn.c_attn.weight"] + part["attn.c_attn.bias"]
        query, key, value = (
            x.reshape(frames, heads, -1).transpose(0, 1) for x in mixed.split(HIDDEN, -1)
        )
        scores = query @ key.transpose(1, 2) / (HIDDEN / heads) ** 0.5
        scores = scores.masked_fill(torch.ones(frames, frames).triu(1).bool(), -1e4)
        read = (scores.softmax(-1) @ value).transpose(0, 1).reshape(frames, HIDDEN)
        hidden = hidden + read @ part["attn.c_proj.weight"] + part["attn.c_proj.bias"]
        normal = functional.layer_norm(hidden, (HIDDEN,), part["ln_2.weight"], part["ln_2.bias"])
        inner = normal @ part["mlp.c_fc.weight"] + part["mlp.c_fc.bias"]
        inner = functional.gelu(inner, approximate="tanh")
        hidden = hidden + inner @ part["mlp.c_proj.weight"] + part["mlp.c_proj.bias"]
    return functional.layer_norm(hidden, (HIDDEN,), tensors["gpt.ln_f.weight"],
                                 tensors["gpt.ln_f.bias"])  # fmt: skip


def fc(tensors: Tensors, states: torch.Tensor) -> torch.Tensor:
    inner = (states @ tensors["mlp.0.weight"].T + tensors["mlp.0.bias"]).relu()
    return inner @ tensors["mlp.2.weight"].T + tensors["mlp.2.bias"]


OVER_WINDOW = {"robovlms_lstm": lstm, "robovlms_fc": fc, "robovlms_gpt": gpt}


def rollout(kind: str, tensors: Tensors, states: torch.Tensor) -> torch.Tensor:
    """What RoboVLMs' inference does: carried state for W frames, then the last W anew."""
    rows = []
    for step in range(len(states)):
        seen = states[max(0, step + 1 - WINDOW) : step + 1]
        hidden = OVER_WINDOW[kind](tensors, seen)[-1]
        rows.append(mlp(tensors, "actions", hidden).tanh().reshape(CHUNK, ARM))
    return torch.stack(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_of_its_layout_acts_as_the_reference(
    kind: str, backbone: Kosmos2Backbone, tmp_path: Path
) -> None:
    path, tensors = checkpoint(backbone, kind, tmp_path)
    policy = new_policy(backbone, kind)
    initial = read_init(backbone.network, path, head=policy.head)
    initial.into(policy)
    assert initial.source.loaded["head"] == len(tensors)
    states = torch.randn(STEPS, WIDTH, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours = torch.stack([
            policy.predict(states[None, max(0, t + 1 - WINDOW) : t + 1])[0] for t in range(STEPS)
        ])  # fmt: skip
        torch.testing.assert_close(ours, rollout(kind, tensors, states), rtol=0, atol=1e-5)
        gripper = policy.head.network(states[None, :WINDOW])[1][0]
        hidden = OVER_WINDOW[kind](tensors, states[:WINDOW])
        torch.testing.assert_close(gripper, mlp(tensors, "gripper", hidden), rtol=0, atol=1e-5)
    assert float(ours.std()) > 0.05  # not tanh of nothing


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_without_the_head_is_refused_unless_it_may_miss(
    kind: str, backbone: Kosmos2Backbone, tmp_path: Path
) -> None:
    path, _ = checkpoint(backbone, kind, tmp_path)
    stored = torch.load(path, weights_only=True)["state_dict"]
    kept = {n: v for n, v in stored.items() if ".gripper.mlp.0" not in n}
    torch.save({"state_dict": kept}, path)
    head = new_head(kind)
    with pytest.raises(UserError, match=r"2 of .* are missing"):
        read_init(backbone.network, path, head=head)
    source = read_init(backbone.network, path, head=head, may_miss=["head"]).source
    assert source.missing["head"].count == 2


def test_a_head_of_other_sizes_is_refused_by_name(
    backbone: Kosmos2Backbone, tmp_path: Path
) -> None:
    path, _ = checkpoint(backbone, "robovlms_lstm", tmp_path)
    other = make_head(
        "robovlms_lstm", WIDTH, hidden=HIDDEN, layers=4, chunk=CHUNK, action_dim=2, window=WINDOW
    )
    with pytest.raises(UserError, match=r"differ in shape .*act_head\.actions\.mlp\.6"):
        read_init(backbone.network, path, head=other)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gripper_does_not_train_and_a_saved_policy_comes_back(
    kind: str, backbone: Kosmos2Backbone, tmp_path: Path
) -> None:
    policy = new_policy(backbone, kind)
    trained = policy.trainable()["head"].names
    assert trained and not any("gripper" in name for name in trained)
    save_policy(tmp_path / "policy.safetensors", policy, {})
    again = load_policy(tmp_path / "policy.safetensors", backbone)
    assert again.head.settings() == policy.head.settings()
    for name, value in own_head_tensors(policy.head).items():
        assert torch.equal(value, own_head_tensors(again.head)[name]), name


def test_sizes_that_no_such_head_has(backbone: Kosmos2Backbone) -> None:
    with pytest.raises(UserError, match="1 layer, not 2"):
        make_head("robovlms_fc", 8, hidden=8, layers=2, chunk=1, action_dim=2)
    with pytest.raises(UserError, match="do not divide 12"):
        make_head("robovlms_gpt", 8, hidden=12, layers=1, chunk=1, action_dim=2)
    head = make_head("robovlms_gpt", 8, hidden=8, layers=1, chunk=1, action_dim=2, window=3)
    with pytest.raises(UserError, match="knows 3 positions, not 4"):
        head(torch.zeros(1, 4, 8))
