"""Third lesson: other robot tasks than the study's, as a RoboVLMs pretraining would have them.

"drive to the red box", "drive to the basket", "move away from the box", "stop", "turn left":
the right velocity follows from the positions of the objects, so each image is an example.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mobile_vla.policy.kosmos2 import Kosmos2Backbone
from mobile_vla.policy.robovlms_networks import LstmNetwork
from mobile_vla.pretraining.labelled_arrays import BASKET, Progress, Views
from mobile_vla.pretraining.optimizer import train_steps
from mobile_vla.pretraining.text_stage import NAMES, coloured_name, visible_objects
from mobile_vla.simulator.world import FULL_SPEED, STEP_SECONDS

BATCH = 96
CHUNK = 10
ARM = 6
REACH = FULL_SPEED * STEP_SECONDS
"""Metres a step at full speed."""
HUBER_DELTA = 0.1
GRIPPER_WEIGHT = 0.01
HEAD_WIDTH = 64
HEAD_LAYERS = 4
MLP = (128, 64, 32)
RNN_GAIN = 2.0


@dataclass(frozen=True, slots=True)
class Command:
    """An instruction and its velocities (C, 6), shares of full speed."""

    instruction: str
    velocities: np.ndarray


class RobotModel(nn.Module):
    """The decoder, an action token and RoboVLMs' head; vision and projection stay as they are."""

    def __init__(self, backbone: Kosmos2Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        width = backbone.hidden_size
        self.action_token = nn.Parameter(torch.randn(width) * width**-0.5)
        self.act_head = _narrow_head(width)

    def loss(self, latents: torch.Tensor, commands: list[Command]) -> torch.Tensor:
        """Huber on the velocities, and a little cross-entropy on a gripper that stays open."""
        velocities, gripper = self.predict(latents, [c.instruction for c in commands])
        truth = torch.from_numpy(np.stack([c.velocities for c in commands]))
        arm = functional.huber_loss(velocities, truth, delta=HUBER_DELTA)
        opened = functional.binary_cross_entropy_with_logits(gripper, torch.ones_like(gripper))
        return arm + GRIPPER_WEIGHT * opened

    def predict(
        self, latents: torch.Tensor, instructions: list[str]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Velocities (N, C, 6) and gripper logits (N, C) for latents (N, L, D)."""
        text = self.backbone.tokenize(instructions)
        states = self.backbone.action_states(latents, text, self.action_token)
        velocities, gripper = self.act_head(states.unsqueeze(1))
        return velocities[:, 0], gripper[:, 0]

    def checkpoint(self) -> dict[str, torch.Tensor]:
        """The tensors under RoboVLMs' names."""
        tensors = {f"model.backbone.{n}": v for n, v in self.backbone.network.state_dict().items()}
        tensors |= {f"model.act_head.{n}": v for n, v in self.act_head.state_dict().items()}
        return {**tensors, "model.action_token": self.action_token.detach()}


def _narrow_head(width: int) -> LstmNetwork:
    head = LstmNetwork(width, hidden=HEAD_WIDTH, layers=HEAD_LAYERS, mlp=MLP, chunk=CHUNK, arm=ARM)
    # torch's own draw, this narrow and four layers deep, lets next to nothing through.
    for weight in head.rnn.parameters():
        if weight.ndim == 2:
            nn.init.xavier_normal_(weight, gain=RNN_GAIN)
    return head


def teach_driving(
    model: RobotModel,
    latents: torch.Tensor,
    views: Views,
    *,
    rng: np.random.Generator,
    steps: int,
    progress: Progress,
) -> None:
    """Train decoder, action token and head on commands about `views`, latents (N, L, D) fixed."""
    decoder = model.backbone.network.text_model.model
    trained = nn.ModuleList([decoder.layers, decoder.layer_norm, model.act_head])

    def loss() -> torch.Tensor:
        rows = rng.integers(len(views), size=BATCH)
        commands = [draw_command(views, int(row), rng) for row in rows]
        return model.loss(latents[torch.from_numpy(rows)], commands)

    parameters = [*trained.parameters(), model.action_token]
    train_steps(parameters, loss, steps, partial(progress, "robot tasks"))


def draw_command(views: Views, row: int, rng: np.random.Generator) -> Command:
    """Seven in ten drive to or away from a visible thing; the others stop, turn, go ahead."""
    visible = visible_objects(views, row)
    if rng.random() < 0.7 and visible:
        target = visible[rng.integers(len(visible))]
        away = bool(rng.random() < 0.2)
        return towards(views, row, target, away=away, coloured=bool(rng.random() < 0.5))
    return plain_command(int(rng.integers(5)))


def towards(views: Views, row: int, target: int, *, away: bool, coloured: bool) -> Command:
    """Straight to a visible thing and stop there, or straight away from it."""
    ahead, left = position(views, row, target)
    name = coloured_name(views, row, target) if coloured else NAMES[target]
    if away:
        distance = max(1e-6, math.hypot(ahead, left))
        return Command(f"move away from the {name}", _line(-ahead / distance, -left / distance))
    return Command(f"drive to the {name}", _approach(ahead, left))


def plain_command(kind: int) -> Command:
    """Commands that need no picture."""
    return (
        Command("stop", _line(0, 0)),
        Command("drive straight ahead", _line(1, 0)),
        Command("turn to the left", _line(0, 0, 1)),
        Command("turn to the right", _line(0, 0, -1)),
        Command("move to the left", _line(0, 1)),
    )[kind]


def position(views: Views, row: int, target: int) -> tuple[float, float]:
    """Metres ahead and to the left of the point to drive to."""
    if target == BASKET:
        return float(views.basket[row, 4] * 5), float(views.basket[row, 5])
    return float(views.box[row, 4] * 3), float(views.box[row, 5] + views.box[row, 6]) / 2


def _line(ahead: float, left: float, turn: float = 0.0) -> np.ndarray:
    velocities = np.zeros((CHUNK, ARM), np.float32)
    velocities[:, [0, 1, 5]] = ahead, left, turn
    return velocities


def _approach(ahead: float, left: float) -> np.ndarray:
    """Full speed along the straight line, less in the last step, then rest."""
    distance = max(1e-6, math.hypot(ahead, left))
    shares = np.clip(distance / REACH - np.arange(CHUNK), 0, 1)[:, None]
    velocities = np.zeros((CHUNK, ARM), np.float32)
    velocities[:, :2] = shares * (ahead, left) / distance
    return velocities
