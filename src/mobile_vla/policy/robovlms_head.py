"""The policy head of a RoboVLMs checkpoint, by its names and layers, at whatever size it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import nn

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.key_match import plain_names

PREFIX = "act_head."


class RoboVlmsHead(nn.Module):
    """RoboVLMs' LSTM head: chunks of C steps of A velocities, and a gripper."""

    def __init__(
        self, width: int, *, hidden: int, layers: int, mlp: Sequence[int], chunk: int, arm: int
    ) -> None:
        super().__init__()
        self.chunk, self.arm = chunk, arm
        self.rnn = nn.LSTM(width, hidden, num_layers=layers, batch_first=True)
        self.actions = _Mlp([hidden, *mlp, chunk * arm])
        self.gripper = _Mlp([hidden, *mlp, chunk])

    def forward(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """States (N, W, D) to velocities (N, W, C, A) in -1…1 and gripper logits (N, W, C)."""
        hidden, _ = self.rnn(states)
        velocities = self.actions(hidden).tanh().unflatten(-1, (self.chunk, self.arm))
        return velocities, self.gripper(hidden)


class _Mlp(nn.Module):
    """Linear layers with ReLU between, under the name `mlp`."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.mlp = nn.Sequential(*layers[:-1])
        for layer in self.mlp[:-1:2]:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.mlp(hidden)
        return result


def robovlms_head(tensors: Mapping[str, torch.Tensor]) -> RoboVlmsHead:
    """The head among a checkpoint's tensors, its sizes told by their shapes.

    Errors: `UserError` where there is none, or it is none of RoboVLMs' LSTM heads.
    """
    plain = {plain: tensors[name] for name, plain in plain_names(tensors).items()}
    head_tensors = {
        n.removeprefix(PREFIX): v.float() for n, v in plain.items() if n.startswith(PREFIX)
    }
    try:
        arm, gripper = _weights(head_tensors, "actions"), _weights(head_tensors, "gripper")
        chunk = len(gripper[-1])
        head = RoboVlmsHead(
            head_tensors["rnn.weight_ih_l0"].shape[1],
            hidden=head_tensors["rnn.weight_hh_l0"].shape[1],
            layers=sum(name.startswith("rnn.weight_hh") for name in head_tensors),
            mlp=[len(weight) for weight in arm[:-1]],
            chunk=chunk,
            arm=len(arm[-1]) // chunk,
        )
        head.load_state_dict(head_tensors)
    except (KeyError, IndexError, RuntimeError) as error:
        raise UserError(
            "The checkpoint holds no LSTM head as RoboVLMs saves it (act_head.rnn, "
            f"act_head.actions.mlp, act_head.gripper.mlp): give one that does. ({error})"
        ) from error
    return head.eval()


def _weights(head_tensors: Mapping[str, torch.Tensor], name: str) -> list[torch.Tensor]:
    """The weights of an MLP, layer by layer."""
    layers = {
        int(key.split(".")[2]): value
        for key, value in head_tensors.items()
        if key.startswith(f"{name}.mlp.") and value.ndim == 2
    }
    return [layers[number] for number in sorted(layers)]
