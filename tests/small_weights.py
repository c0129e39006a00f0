"""Weights for tests: a small VLM of random weights, and an initial checkpoint copied at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mobile_vla.policy.checkpoints.initial_weights import read_init
from mobile_vla.policy.policy import Policy
from mobile_vla.policy.small_vlm import save_vlm, small_network, small_processor
from mobile_vla.runs.load_report import LoadedSource


def build_small_vlm(out: Path, seed: int) -> Path:
    """A small Kosmos-2 and its processor in the folder `out`."""
    processor = small_processor()
    return save_vlm(out, small_network(len(processor.tokenizer), seed), processor)


def load_init(policy: Policy, path: Path, *, may_miss: Sequence[str] = ()) -> LoadedSource:
    """`read_init`, copied into the policy's backbone and action token."""
    found = read_init(policy.backbone.network, path, may_miss=may_miss)
    found.into(policy)
    return found.source
