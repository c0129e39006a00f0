"""Evaluate a small VLM on held-out views, with the true image and with another view's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.kosmos2 import Kosmos2Backbone
from mobile_vla.pretraining.labelled_arrays import Views
from mobile_vla.pretraining.robot_tasks import Command, RobotModel, towards
from mobile_vla.pretraining.text_stage import (
    Sentence,
    caption,
    locate,
    predict_text,
    text_loss,
    visible_objects,
)
from mobile_vla.pretraining.vision_stage import Readers, vision_loss
from mobile_vla.simulator.scene import COLOURS

ENCODED_AT_ONCE = 500
CLEAR_GAP = 1.5


@dataclass(frozen=True, slots=True)
class HeldOutFigure:
    """One measure on held-out views: with each view's own image, and with another view's.

    `untaught`: with the own image before training, if it can be measured.
    """

    name: str
    own_image: float
    other_image: float
    higher_is_better: bool = False
    untaught: float | None = None

    @property
    def gap_is_clear(self) -> bool:
        """Whether the own image, and the lessons, make a difference of the factor `CLEAR_GAP`."""
        return self._clear(self.other_image) and self._clear(self.untaught)

    def _clear(self, other: float | None) -> bool:
        if other is None:
            return True
        low, high = sorted((self.own_image, other))
        return (self.own_image > other) == self.higher_is_better and high >= CLEAR_GAP * low


def require_clear_gap(figures: list[HeldOutFigure]) -> None:
    """Refuse a VLM that does as well with the wrong image: its low loss is the text's alone."""
    unclear = [figure for figure in figures if not figure.gap_is_clear]
    if unclear:
        values = "; ".join(f"{f.name} {f.own_image:.3f} and {f.other_image:.3f}" for f in unclear)
        raise UserError(
            "The VLM does not use the image, so it is not saved (own image and another's: "
            f"{values}): train with more steps or views.",
            exit_code=1,
        )


def encode_views(backbone: Kosmos2Backbone, views: Views) -> torch.Tensor:
    """Latents (N, L, D) of all views."""
    images = torch.from_numpy(views.images).split(ENCODED_AT_ONCE)
    with torch.no_grad():
        return torch.cat([backbone.encode_frames(backbone.preprocess(part)) for part in images])


def measure_vision(backbone: Kosmos2Backbone, readers: Readers, views: Views) -> HeldOutFigure:
    """The vision lesson's loss."""
    other = views.rows(_others(len(views)))
    loss = float(vision_loss(backbone, readers, views))
    return HeldOutFigure("vision loss", loss, float(vision_loss(backbone, readers, other, views)))


def measure_text(
    backbone: Kosmos2Backbone, latents: torch.Tensor, views: Views
) -> list[HeldOutFigure]:
    """Loss of captions and of grounding, and the share of captions' colours told right."""
    captions = [caption(views, row) for row in range(len(views))]
    everyone = torch.arange(len(views))
    visible = [(row, target) for row in range(len(views)) for target in visible_objects(views, row)]
    places = [locate(views, row, target, coloured=False) for row, target in visible]
    rows = torch.tensor([row for row, _ in visible])
    return [
        _text_figure("caption loss", backbone, latents, everyone, captions),
        _text_figure("grounding loss", backbone, latents, rows, places),
        HeldOutFigure(
            "colours told right",
            _colour_accuracy(backbone, latents, captions),
            _colour_accuracy(backbone, latents[_others(len(views))], captions),
            higher_is_better=True,
        ),
    ]


def measure_driving(model: RobotModel, latents: torch.Tensor, views: Views) -> HeldOutFigure:
    """Mean error of the first velocity, in shares of full speed, driving to visible things."""
    visible = [(row, target) for row in range(len(views)) for target in visible_objects(views, row)]
    rows = torch.tensor([row for row, _ in visible])
    commands = [towards(views, row, target, away=False, coloured=True) for row, target in visible]
    own_error = _driving_error(model, latents[rows], commands)
    other_error = _driving_error(model, latents[_others(len(views))][rows], commands)
    return HeldOutFigure("first velocity's error", own_error, other_error)


def _driving_error(model: RobotModel, latents: torch.Tensor, commands: list[Command]) -> float:
    velocities, _ = model.predict(latents, [command.instruction for command in commands])
    truth = torch.from_numpy(np.stack([command.velocities for command in commands]))
    return float((velocities[:, 0, :2] - truth[:, 0, :2]).norm(dim=-1).mean())


def _text_figure(
    name: str,
    backbone: Kosmos2Backbone,
    latents: torch.Tensor,
    rows: torch.Tensor,
    sentences: list[Sentence],
) -> HeldOutFigure:
    other = latents[_others(len(latents))]
    own_loss = float(text_loss(backbone, latents[rows], sentences))
    return HeldOutFigure(name, own_loss, float(text_loss(backbone, other[rows], sentences)))


def _colour_accuracy(
    backbone: Kosmos2Backbone, latents: torch.Tensor, captions: list[Sentence]
) -> float:
    logits, targets = predict_text(backbone, latents, captions)
    ids = torch.tensor(backbone.tokenizer.convert_tokens_to_ids([f"▁{c}" for c in COLOURS]))
    coloured = torch.isin(targets, ids)
    right: torch.Tensor = logits.argmax(-1)[coloured] == targets[coloured]
    return float(right.float().mean())


def _others(count: int) -> np.ndarray:
    """Another view for each: the one before."""
    return np.roll(np.arange(count), 1)
