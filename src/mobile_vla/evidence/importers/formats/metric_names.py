"""Which metric is the validation loss, among the names that trainers give it; its number."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

VALIDATION = ("val", "valid", "validation", "eval", "dev")
TOTAL = frozenset({"epoch", "total", "mean", "avg", "average", "overall"})
"""Words that may stand beside: the loss is still the whole one, of one validation."""
_NAMED: ContextVar[Collection[str]] = ContextVar("_NAMED", default=())


@contextmanager
def validation_losses(names: Collection[str]) -> Iterator[None]:
    """While the block runs, metrics of these very names are validation losses, before any other."""
    token = _NAMED.set(names)
    try:
        yield
    finally:
        _NAMED.reset(token)


def validation_loss(names: Iterable[str]) -> str | None:
    """The name of the validation loss: `val_loss`, `eval/loss`, `loss/val`, `val_loss_epoch`, …

    None where no name means it. Of several, one that was named by `validation_losses`, else the
    one with the fewest other words.

    >>> validation_loss(["step", "train_loss", "Val/total_loss"])
    'Val/total_loss'
    >>> validation_loss(["val_action_mse", "val_loss_step"]) is None
    True
    """
    names = list(names)
    if named := next((name for name in _NAMED.get() if name in names), None):
        return named
    candidates = [name for name in names if _means_it(name)]
    return min(candidates, key=_order, default=None)


def of_validation(names: Iterable[str]) -> list[str]:
    """The names that speak of validation at all.

    >>> of_validation(["step", "train_loss", "val_action_mse"])
    ['val_action_mse']
    """
    return [name for name in names if set(_words(name)) & set(VALIDATION)]


def number_of(text: bytes | str | None) -> float | None:
    """A printed number, None where it is none."""
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]


def _means_it(name: str) -> bool:
    words = set(_words(name))
    split = words & set(VALIDATION)
    return len(split) == 1 and "loss" in words and words - split - TOTAL == {"loss"}


def _order(name: str) -> tuple[int, int, str]:
    words = _words(name)
    split = next(word for word in words if word in VALIDATION)
    return len(words), VALIDATION.index(split), name
