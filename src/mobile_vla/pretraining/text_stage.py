"""Second lesson: captions, "where is the box ?", "what is on the left ?", on fixed latents."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch.nn import functional

from mobile_vla.policy.kosmos2 import Kosmos2Backbone
from mobile_vla.policy.vocabulary import location_token
from mobile_vla.pretraining.labelled_arrays import BASKET, BOX, Progress, Views
from mobile_vla.pretraining.optimizer import train_steps
from mobile_vla.simulator.scene import COLOURS

BATCH = 96
NEAR = 1.2
NAMES = ("box", "basket")
IGNORED = -100


@dataclass(frozen=True, slots=True)
class Sentence:
    """A question (input) and its answer (target); a caption has no question."""

    question: str
    answer: str


def teach_text(
    backbone: Kosmos2Backbone,
    latents: torch.Tensor,
    views: Views,
    *,
    rng: np.random.Generator,
    steps: int,
    progress: Progress,
) -> None:
    """Train the text decoder on sentences about `views`, whose latents (N, L, D) stay fixed."""

    def loss() -> torch.Tensor:
        rows = rng.integers(len(views), size=BATCH)
        sentences = [draw_sentence(views, int(row), rng) for row in rows]
        return text_loss(backbone, latents[torch.from_numpy(rows)], sentences)

    trained = list(backbone.network.text_model.parameters())
    train_steps(trained, loss, steps, partial(progress, "text"))


def text_loss(
    backbone: Kosmos2Backbone, latents: torch.Tensor, sentences: list[Sentence]
) -> torch.Tensor:
    """Mean cross-entropy of the answers' tokens, a scalar."""
    logits, targets = predict_text(backbone, latents, sentences)
    return functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)


def predict_text(
    backbone: Kosmos2Backbone, latents: torch.Tensor, sentences: list[Sentence]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (N, S, vocabulary) of each text token from those before it, and targets (N, S)."""
    text = backbone.tokenize_text([f"{s.question}{s.answer}" for s in sentences])
    states = backbone.decode(backbone.embed(latents, text)[:, :-1])[:, latents.shape[1] :]
    targets = text.ids.masked_fill(~text.mask, IGNORED)
    for row, sentence in enumerate(sentences):
        if sentence.question:
            question_length = backbone.tokenize_text([sentence.question]).ids.shape[1]
            targets[row, :question_length] = IGNORED
    return backbone.network.text_model.lm_head(states), targets


def draw_sentence(views: Views, row: int, rng: np.random.Generator) -> Sentence:
    """Three in ten a caption, six a place, one what is on a side; a caption where unanswerable."""
    kind = rng.random()
    visible = visible_objects(views, row)
    if kind < 0.6 and visible:
        return locate(
            views, row, visible[rng.integers(len(visible))], coloured=bool(rng.random() < 0.5)
        )
    if kind < 0.7 and views.left_of[row] >= 0:
        return on_side(views, row, left=bool(rng.random() < 0.5))
    return caption(views, row)


def visible_objects(views: Views, row: int) -> list[int]:
    """Which of box and basket are visible."""
    return [target for target in (BOX, BASKET) if views.visible[row, target]]


def caption(views: Views, row: int) -> Sentence:
    """The visible objects with colour, distance and side."""
    descriptions = [_described(views, row, target) for target in visible_objects(views, row)]
    return Sentence(
        "", "<grounding>An image of " + (" and ".join(descriptions) or "the empty floor")
    )


def locate(views: Views, row: int, target: int, *, coloured: bool) -> Sentence:
    """Where a thing is: the location tokens of its corners, then its side."""
    name = coloured_name(views, row, target) if coloured else NAMES[target]
    x0, y0, x1, y1 = _corners(views, row, target)
    inside = 1e-6
    corners = location_token(x0, y0) + location_token(x1 - inside, y1 - inside)
    answer = f"<object>{corners}</object> {_side(views, row, target)}"
    return Sentence(f"<grounding> where is<phrase> the {name}</phrase>?", answer)


def on_side(views: Views, row: int, *, left: bool) -> Sentence:
    """Which of the two visible things is further to one side."""
    target = BOX if (views.left_of[row] == 1) == left else BASKET
    side = "left" if left else "right"
    answer = f" the {coloured_name(views, row, target)}"
    return Sentence(f"<grounding> what is on the {side}?", answer)


def _described(views: Views, row: int, target: int) -> str:
    distance = views.box[row, 4] * 3 if target == BOX else views.basket[row, 4] * 5
    reach = "near" if distance < NEAR else "far"
    return f"a {coloured_name(views, row, target)} {reach} {_side(views, row, target)}"


def coloured_name(views: Views, row: int, target: int) -> str:
    """Such as "red box"."""
    return f"{COLOURS[int(views.colours[row, target])]} {NAMES[target]}"


def _corners(views: Views, row: int, target: int) -> tuple[float, float, float, float]:
    geometry = views.box[row] if target == BOX else views.basket[row]
    x0, y0, x1, y1 = (float(value) for value in geometry[:4])
    return x0, y0, x1, y1


def _side(views: Views, row: int, target: int) -> str:
    x0, _, x1, _ = _corners(views, row, target)
    middle = (x0 + x1) / 2
    return "on the left" if middle < 0.4 else "on the right" if middle > 0.6 else "in the middle"
