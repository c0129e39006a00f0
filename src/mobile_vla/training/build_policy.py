"""A case's policy from its weights: VLM, head and statistics, initial checkpoint, adapters."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mobile_vla.messages.errors import Faults, UserError
from mobile_vla.policy import assets
from mobile_vla.policy.checkpoints.suggest_path import require_path
from mobile_vla.training.malloc import fit_threads

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from mobile_vla.policy.checkpoints.initial_weights import InitialWeights
    from mobile_vla.policy.checkpoints.load_vlm import VlmWeights
    from mobile_vla.policy.heads.head import Head
    from mobile_vla.policy.normalisation import ActionStatistics
    from mobile_vla.policy.policy import Policy
    from mobile_vla.runs.load_report import LoadedSource
    from mobile_vla.study.models import Recipe, ResolvedCase, WeightSource

PACKAGED = "package:"
SHIPPED = Path(assets.__file__).parent


def weights_path(source: WeightSource, role: str) -> Path:
    """Where a source's weights lie; `package:NAME` is one that ships with the package.

    Relative paths count from the folder the command is run in. A missing path is a `UserError`
    that names the nearest path that exists.
    """
    if source.path is None:
        raise UserError(f"{role} {source.name} has no path: give it one in the study's profile.")
    if source.path.startswith(PACKAGED):
        return require_path(SHIPPED / Path(source.path.removeprefix(PACKAGED)).name)
    return require_path(Path(source.path), roots=[SHIPPED])


@dataclass(frozen=True, slots=True)
class Weights:
    """The complete weights of a case, before the policy is built."""

    vlm: VlmWeights
    initial: InitialWeights | None

    @property
    def sources(self) -> list[LoadedSource]:
        """The report of each source."""
        return [self.vlm.source, *([self.initial.source] if self.initial else [])]


def load_weights(case: ResolvedCase) -> Weights:
    """Read the VLM and the initial checkpoint.

    Raises:
        UserError: everything that is wrong with either.
    """
    faults = Faults()
    vlm, initial = faults.of(read_case_vlm, case), faults.of(read_case_init, case)
    faults.refuse()
    assert vlm is not None
    return Weights(vlm, initial)


def read_case_vlm(case: ResolvedCase) -> VlmWeights:
    """The case's VLM. The library's own bars are shown on a terminal only."""
    import torch
    from transformers.utils import logging

    from mobile_vla.policy.checkpoints.load_vlm import read_vlm

    if not sys.stderr.isatty():
        logging.disable_progress_bar()
    dtype = getattr(torch, case.recipe.frozen_dtype)
    return read_vlm(weights_path(case.vlm, "The VLM"), dtype=dtype)


def read_case_init(case: ResolvedCase) -> InitialWeights | None:
    """The case's initial checkpoint, compared with its VLM's configuration; None without one.

    If the VLM's configuration cannot be read, the checkpoint is checked by itself.
    """
    from mobile_vla.policy.checkpoints.initial_weights import check_init, read_init
    from mobile_vla.policy.checkpoints.load_vlm import empty_network

    if case.init is None:
        return None
    path = weights_path(case.init, "The initial checkpoint")
    try:
        network = empty_network(weights_path(case.vlm, "The VLM"))
    except UserError:  # the check of the VLM reports it
        check_init(path)
        return None
    return read_init(network, path, may_miss=case.init.may_miss, head=_own_head(case, network))


def _own_head(case: ResolvedCase, network: PreTrainedModel) -> Head | None:
    """The case's head without weights, if it is one that checkpoints of RoboVLMs load into."""
    import torch

    from mobile_vla.policy.heads.robovlms import RoboVlmsHead

    with torch.device("meta"):
        head = case_head(case.recipe, network.get_input_embeddings().weight.shape[1])
    return head if isinstance(head, RoboVlmsHead) else None


def build_policy(case: ResolvedCase, statistics: ActionStatistics, weights: Weights) -> Policy:
    """The policy that a case trains.

    The random parts (head, action token, adapters) are drawn from the recipe's seed.
    """
    import torch

    from mobile_vla.policy.lora import add_lora
    from mobile_vla.policy.policy import Policy

    recipe = case.recipe
    backbone = weights.vlm.build()
    fit_threads(sum(parameter.numel() for parameter in backbone.network.parameters()))
    torch.manual_seed(recipe.seed)
    policy = Policy(backbone, case_head(recipe, backbone.hidden_size), statistics)
    if weights.initial is not None:
        weights.initial.into(policy)
    lora = recipe.lora
    add_lora(
        backbone, parts=lora.parts, rank=lora.r, alpha=lora.alpha, dropout=lora.dropout,
        rslora=lora.rslora, dora=lora.dora,
    )  # fmt: skip
    return policy


def case_head(recipe: Recipe, width: int) -> Head:
    """The recipe's head over states of `width`, its weights drawn from torch's generator."""
    from mobile_vla.policy.heads import make_head

    return make_head(
        recipe.head.kind,
        width,
        hidden=recipe.head.hidden,
        layers=recipe.head.layers,
        chunk=recipe.chunk,
        action_dim=recipe.action_dim,
        window=recipe.window,
    )


def image_size(case: ResolvedCase) -> int:
    """Pixels on a side of the frames that the case's VLM takes, from its configuration."""
    from mobile_vla.policy.vlm_registry import image_size as of_vlm

    return of_vlm(weights_path(case.vlm, "The VLM"))


def load_trained_policy(case: ResolvedCase, checkpoint: Path) -> Policy:
    """A trained policy: the case's weights built again, then the checkpoint's tensors.

    The hash of the frozen weights in the checkpoint must agree with the model's.
    """
    from mobile_vla.policy.checkpoints.policy_checkpoint import (
        load_trained,
        read_info,
        require_base,
    )

    info = read_info(checkpoint)
    policy = build_policy(case, info.statistics, load_weights(case))
    require_base(policy.backbone, checkpoint)
    load_trained(policy, checkpoint)
    policy.eval()
    return policy
