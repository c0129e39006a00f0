"""Policy heads: action-token states of a window in, a chunk of actions a frame out."""

from __future__ import annotations

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.heads.discrete import DiscreteHead
from mobile_vla.policy.heads.flow import FlowHead
from mobile_vla.policy.heads.gpt import GptHead
from mobile_vla.policy.heads.head import Head
from mobile_vla.policy.heads.recurrent import LstmHead, MlpHead
from mobile_vla.policy.heads.robovlms import RoboVlmsFcHead, RoboVlmsGptHead, RoboVlmsLstmHead

HEADS: dict[str, type[Head]] = {
    head.kind: head
    for head in (
        LstmHead, MlpHead, GptHead, DiscreteHead, FlowHead,
        RoboVlmsLstmHead, RoboVlmsFcHead, RoboVlmsGptHead,
    )
}  # fmt: skip
"""Every head by the name that `recipe.head.kind` gives it."""


def make_head(
    kind: str, width: int, *, hidden: int, layers: int, chunk: int, action_dim: int, window: int = 8
) -> Head:
    """A head of that kind for states of `width`, its weights drawn from torch's generator.

    `window`: frames, for a head with a position for each.

    Raises:
        UserError: there is no such head, or its sizes do not fit.
    """
    if kind not in HEADS:
        names = ", ".join(f'"{name}"' for name in HEADS)
        raise UserError(f'There is no policy head "{kind}": choose one of {names}.')
    return HEADS[kind](
        width, hidden=hidden, layers=layers, chunk=chunk, action_dim=action_dim, window=window
    )
