"""A case's policy from its weights: VLM, head and statistics, initial checkpoint, adapters."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mobile_vla.policy import assets
from mobile_vla.policy.paths import require_path
from mobile_vla.record.errors import UserError

if TYPE_CHECKING:
    from mobile_vla.policy.backbone import Backbone
    from mobile_vla.policy.normalise import ActionStatistics
    from mobile_vla.policy.policy import Policy
    from mobile_vla.record.load_report import LoadedSource
    from mobile_vla.study.models import ResolvedCase, Source

PACKAGED = "package:"
SHIPPED = Path(assets.__file__).parent


def weights_path(source: Source, what: str) -> Path:
    """Where a source's weights lie; `package:NAME` is one that ships with the package.

    Relative paths count from the folder the command is run in. A missing path is a `UserError`
    that names the nearest path that exists.
    """
    if source.path is None:
        raise UserError(f"{what} {source.name} has no path: give it one in the study's profile.")
    if source.path.startswith(PACKAGED):
        return require_path(SHIPPED / Path(source.path.removeprefix(PACKAGED)).name)
    return require_path(Path(source.path), roots=[SHIPPED])


def build_policy(
    case: ResolvedCase, statistics: ActionStatistics
) -> tuple[Policy, Sequence[LoadedSource]]:
    """The policy that a case trains, and the report of each source of its weights.

    The random parts (head, action token, adapters) are drawn from the recipe's seed.
    """
    import torch

    from mobile_vla.policy.head import build_head
    from mobile_vla.policy.lora import add_lora
    from mobile_vla.policy.policy import Policy

    recipe = case.recipe
    backbone, sources = load_base(case)
    torch.manual_seed(recipe.seed)
    head = build_head(
        recipe.head.kind,
        backbone.hidden_size,
        hidden=recipe.head.hidden,
        layers=recipe.head.layers,
        chunk=recipe.chunk,
        action_dim=recipe.action_dim,
    )
    policy = Policy(backbone, head, statistics)
    if case.init is not None:
        sources = [*sources, _load_init(policy, case.init)]
    lora = recipe.lora
    add_lora(backbone, parts=lora.parts, rank=lora.r, alpha=lora.alpha, dropout=lora.dropout)
    return policy, sources


def image_size(case: ResolvedCase) -> int:
    """Pixels on a side of the frames that the case's VLM takes, from its configuration."""
    from mobile_vla.policy.families import image_size as of_vlm

    return of_vlm(weights_path(case.vlm, "The VLM"))


def load_base(case: ResolvedCase) -> tuple[Backbone, list[LoadedSource]]:
    """The case's VLM, frozen. The library's own bars are shown on a terminal only."""
    from transformers.utils import logging

    from mobile_vla.policy.loading import load_vlm

    if not sys.stderr.isatty():
        logging.disable_progress_bar()
    try:
        backbone, source = load_vlm(weights_path(case.vlm, "The VLM"))
    except UserError as error:
        raise _and_of_init(error, case) from error
    return backbone, [source]


def _and_of_init(error: UserError, case: ResolvedCase) -> UserError:
    """The VLM's fault, and the initial checkpoint's own beside it."""
    from mobile_vla.policy.loading import check_init

    if case.init is not None:
        try:
            check_init(weights_path(case.init, "The initial checkpoint"))
        except UserError as other:
            return UserError(f"{error} {other}")
    return error


def load_trained_policy(case: ResolvedCase, checkpoint: Path) -> Policy:
    """A trained policy: the case's weights built again, then the checkpoint's tensors.

    The checkpoint's own hash of the frozen weights must agree with what stands in the model.
    """
    from mobile_vla.policy.checkpoint import load_trained, read_info, require_base

    info = read_info(checkpoint)
    policy, _ = build_policy(case, info.statistics)
    require_base(policy.backbone, checkpoint)
    load_trained(policy, checkpoint)
    policy.eval()
    return policy


def _load_init(policy: Policy, init: Source) -> LoadedSource:
    from mobile_vla.policy.loading import load_init

    return load_init(policy, weights_path(init, "The initial checkpoint"))
