"""First stage: the image latents must encode which object is where, before any text.

Captions alone teach the text's statistics and leave the image unused; linear heads that read
the latents, discarded afterwards, prevent this.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mobile_vla.policy.kosmos2 import Kosmos2Backbone
from mobile_vla.pretraining.labelled_arrays import (
    BASKET,
    BASKET_GEOMETRY,
    BOX,
    BOX_GEOMETRY,
    Progress,
    Views,
)
from mobile_vla.pretraining.optimizer import train_steps
from mobile_vla.simulator.scene import COLOURS

BATCH = 64
HUBER_DELTA = 0.1


class Readers(nn.Module):
    """Linear heads on patch tokens and on the flattened latents."""

    def __init__(self, backbone: Kosmos2Backbone) -> None:
        super().__init__()
        patch_width = backbone.network.config.vision_config.hidden_size
        width = backbone.latents * backbone.hidden_size
        self.shares = nn.Linear(patch_width, 2)
        self.visible = nn.Linear(width, 2)
        self.box = nn.Linear(width, BOX_GEOMETRY)
        self.basket = nn.Linear(width, BASKET_GEOMETRY)
        self.colours = nn.Linear(width, 2 * len(COLOURS))
        self.left_of = nn.Linear(width, 1)


def teach_vision(
    backbone: Kosmos2Backbone,
    views: Views,
    *,
    rng: np.random.Generator,
    steps: int,
    progress: Progress,
) -> Readers:
    """Train vision and projection on `views`; returns the readers, for measuring."""
    readers = Readers(backbone)
    network = backbone.network
    trained = nn.ModuleList([network.vision_model, network.image_to_text_projection, readers])

    def loss() -> torch.Tensor:
        rows = rng.integers(len(views), size=BATCH)
        return vision_loss(backbone, readers, views.rows(rows))

    train_steps(list(trained.parameters()), loss, steps, partial(progress, "vision"))
    return readers


def vision_loss(
    backbone: Kosmos2Backbone, readers: Readers, views: Views, labels: Views | None = None
) -> torch.Tensor:
    """The lesson's loss, a scalar; `labels` other than the views' own measure the image's part."""
    truth = views if labels is None else labels
    network = backbone.network
    pixels = backbone.preprocess(torch.from_numpy(views.images))
    tokens = network.vision_model.model.post_layernorm(network.vision_model(pixels)[0])
    features = functional.normalize(tokens, dim=-1)
    latents = network.image_to_text_projection(features)[0].flatten(1)
    shares = torch.from_numpy(truth.shares)
    share_loss = functional.binary_cross_entropy_with_logits(readers.shares(tokens[:, 1:]), shares)
    return 2 * share_loss + _read_loss(readers, latents, truth)


def _read_loss(readers: Readers, latents: torch.Tensor, truth: Views) -> torch.Tensor:
    visible = torch.from_numpy(truth.visible)
    geometry = _geometry_loss(readers.box(latents), truth.box, visible[:, BOX])
    geometry = geometry + _geometry_loss(readers.basket(latents), truth.basket, visible[:, BASKET])
    shown = functional.binary_cross_entropy_with_logits(readers.visible(latents), visible.float())
    colours = readers.colours(latents).unflatten(1, (2, len(COLOURS)))[visible]
    colour = functional.cross_entropy(colours, torch.from_numpy(truth.colours)[visible])
    left_of = torch.from_numpy(truth.left_of)
    labelled = left_of >= 0
    side = functional.binary_cross_entropy_with_logits(
        readers.left_of(latents)[labelled, 0], left_of[labelled].float()
    )
    return 4 * geometry + shown + 0.3 * colour + 0.3 * side


def _geometry_loss(read: torch.Tensor, truth: np.ndarray, visible: torch.Tensor) -> torch.Tensor:
    target = torch.from_numpy(truth)
    return functional.huber_loss(read[visible], target[visible], delta=HUBER_DELTA)
