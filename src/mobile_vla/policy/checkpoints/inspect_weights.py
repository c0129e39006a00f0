"""Describe a checkpoint from its files alone: no model is built, nothing is executed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from mobile_vla.messages.record import Record
from mobile_vla.policy.checkpoints.stored_tensors import StoredTensor, hash_stored, read_stored
from mobile_vla.policy.checkpoints.tensor_files import CheckpointTensors, read_checkpoint
from mobile_vla.policy.key_match import DOWN, part_of, plain_names


class TensorView(Record, frozen=True, kw_only=True):
    """One tensor: its name in the file, the plain one, and the blake3 of its bytes."""

    name: str
    plain: str
    part: str
    shape: tuple[int, ...]
    type: str
    bytes: int
    blake3: str
    finite: bool


class PartView(Record, frozen=True, kw_only=True):
    """The tensors of one part together; `blake3` is over their plain names and contents."""

    tensors: int
    parameters: int
    bytes: int
    types: tuple[str, ...]
    blake3: str


class WeightsView(Record, frozen=True, kw_only=True):
    """The contents of a checkpoint.

    `prefixes` counts the prefixes of plain names; `twice` counts plain names saved more than once;
    `lora` counts adapted layers by rank; `beside` lists the keys that hold no tensors.
    """

    path: str
    format: str
    files: int
    bytes: int
    sha256: str
    parts: dict[str, PartView]
    prefixes: dict[str, int]
    twice: int
    lora: dict[str, int]
    not_finite: tuple[str, ...]
    beside: tuple[str, ...]
    tensors: tuple[TensorView, ...]


class ValueChange(Record, frozen=True, kw_only=True):
    """A tensor of equal shape and other values; `largest` is the largest absolute difference."""

    name: str
    part: str
    largest: float


class WeightsDiff(Record, frozen=True, kw_only=True):
    """Two checkpoints by plain name. `shapes` and `types` give both sides' values."""

    a: str
    b: str
    equal: int
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    types: dict[str, tuple[str, str]]
    values: tuple[ValueChange, ...]

    @property
    def same(self) -> bool:
        """Whether names, shapes, types and every value agree."""
        return not (self.only_a or self.only_b or self.shapes or self.types or self.values)


def inspect_weights(path: Path) -> WeightsView:
    """Describe everything in a checkpoint.

    Raises:
        UserError: it cannot be read safely.
    """
    checkpoint = read_checkpoint(path, read_stored)
    plain = plain_names(checkpoint.tensors)
    views = tuple(
        _view(name, plain[name], tensor) for name, tensor in sorted(checkpoint.tensors.items())
    )
    repeats = Counter(plain.values())
    ranks = Counter(
        str(rank) for rank in {v.plain: v.shape[0] for v in views if DOWN in v.name}.values()
    )
    return WeightsView(
        path=str(path),
        format=checkpoint.format,
        files=len(checkpoint.files),
        bytes=checkpoint.bytes,
        sha256=checkpoint.sha256,
        parts=_parts(checkpoint, views),
        prefixes=dict(Counter(_prefix(v) for v in views)),
        twice=sum(count > 1 for count in repeats.values()),
        lora=dict(ranks),
        not_finite=tuple(view.name for view in views if not view.finite),
        beside=tuple(sorted(checkpoint.other)),
        tensors=views,
    )


def diff_weights(a: Path, b: Path) -> WeightsDiff:
    """Compare two checkpoints of any formats, name by plain name, value by value."""
    left, right = (_plain(read_checkpoint(path, read_stored)) for path in (a, b))
    both = sorted(left.keys() & right.keys())
    shapes = {n: (left[n].shape, right[n].shape) for n in both if left[n].shape != right[n].shape}
    alike = [name for name in both if name not in shapes]
    types = {n: (left[n].type, right[n].type) for n in alike if left[n].type != right[n].type}
    values = tuple(change for name in alike if (change := _change(name, left[name], right[name])))
    changed = {change.name for change in values}
    return WeightsDiff(
        a=str(a),
        b=str(b),
        equal=sum(name not in types and name not in changed for name in alike),
        only_a=tuple(sorted(left.keys() - right.keys())),
        only_b=tuple(sorted(right.keys() - left.keys())),
        shapes=shapes,
        types=types,
        values=values,
    )


def _view(name: str, plain: str, tensor: StoredTensor) -> TensorView:
    return TensorView(
        name=name,
        plain=plain,
        part=part_of(plain),
        shape=tensor.shape,
        type=tensor.type,
        bytes=tensor.data.nbytes,
        blake3=hash_stored([("", tensor)]),
        finite=tensor.is_finite(),
    )


def _prefix(view: TensorView) -> str:
    """The prefix before the first module of the plain name."""
    modules = view.name.split(".")
    before = modules[: modules.index(view.plain.split(".")[0])]
    return "".join(f"{module}." for module in before)


def _parts(checkpoint: CheckpointTensors, views: Iterable[TensorView]) -> dict[str, PartView]:
    groups: dict[str, dict[str, TensorView]] = {}
    for view in views:
        groups.setdefault(view.part, {})[view.plain] = view
    return {part: _part(checkpoint, group) for part, group in sorted(groups.items())}


def _part(checkpoint: CheckpointTensors, group: Mapping[str, TensorView]) -> PartView:
    """Each plain name once, so that a tensor saved twice is counted once."""
    tensors = {plain: checkpoint.tensors[view.name] for plain, view in group.items()}
    return PartView(
        tensors=len(group),
        parameters=sum(math.prod(tensor.shape) for tensor in tensors.values()),
        bytes=sum(view.bytes for view in group.values()),
        types=tuple(sorted({view.type for view in group.values()})),
        blake3=hash_stored(sorted(tensors.items())),
    )


def _plain(checkpoint: CheckpointTensors) -> dict[str, StoredTensor]:
    names = plain_names(checkpoint.tensors)
    return {names[name]: tensor for name, tensor in checkpoint.tensors.items()}


def _change(name: str, left: StoredTensor, right: StoredTensor) -> ValueChange | None:
    """The largest difference; NaN on both sides is equal, NaN on one side is infinitely far."""
    if left.type == right.type and np.array_equal(left.data, right.data):
        return None
    wide = np.result_type(left.numbers(), right.numbers(), np.float64)  # complex stays complex
    a, b = left.numbers().astype(wide), right.numbers().astype(wide)
    equal = (a == b) | (np.isnan(a) & np.isnan(b))
    if equal.all():
        return None
    apart = np.where(equal, 0.0, np.nan_to_num(np.abs(a - b), nan=np.inf))
    return ValueChange(name=name, part=part_of(name), largest=float(apart.max()))
