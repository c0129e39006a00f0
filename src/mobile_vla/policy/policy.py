"""The policy: a backbone, an action token, a head and the statistics of its actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.backbone import PARTS, Backbone, TextTokens
from mobile_vla.policy.heads.head import Head
from mobile_vla.policy.key_match import part_of
from mobile_vla.policy.lora import train_adapters
from mobile_vla.policy.normalisation import ActionStatistics
from mobile_vla.runs.load_report import Trainable


class Windows(NamedTuple):
    """Every stride-1 window of some episodes, over their frames laid end to end.

    `index` (N, W) counts frames over all episodes; `valid` (N, W) is False where an episode
    shorter than W frames had to be filled up (with its last frame, after its end).
    """

    index: torch.Tensor  # type: ignore[assignment]  # not the tuple's own method
    valid: torch.Tensor

    def of(self, frames: torch.Tensor) -> torch.Tensor:
        """Values of all frames end to end (ΣT, …) as windows (N, W, …)."""
        return frames[self.index]


def unfold_windows(
    lengths: Sequence[int], window: int, device: torch.device | None = None
) -> Windows:
    """The windows of episodes of these lengths: max(1, T - W + 1) of each, in order."""
    if window < 1 or min(lengths, default=0) < 1:
        raise UserError(f"Cannot take windows of {window} frames from episodes of {list(lengths)}.")
    index, valid, offset = [], [], 0
    steps = torch.arange(window, device=device)
    for length in lengths:
        starts = torch.arange(max(1, length - window + 1), device=device).unsqueeze(1)
        frames = starts + steps
        index.append(frames.clamp(max=length - 1) + offset)
        valid.append(frames < length)
        offset += length
    return Windows(torch.cat(index), torch.cat(valid))


class Policy(nn.Module):
    """Camera frames and an instruction in, chunks of velocities out.

    N frames or windows of W frames, L latents of width D a frame, chunks of C actions of A
    dimensions.
    """

    def __init__(self, backbone: Backbone, head: Head, statistics: ActionStatistics) -> None:
        """The action token is drawn with deviation D**-0.5 from torch's default generator."""
        super().__init__()
        if head.action_dim != len(statistics.names):
            raise UserError(
                f"The head predicts {head.action_dim} action dimensions but the statistics have "
                f"{len(statistics.names)}: set action_dim to {len(statistics.names)}."
            )
        self.backbone = backbone
        self.head = head
        self.statistics = statistics
        width = backbone.hidden_size
        self.action_token = nn.Parameter(torch.randn(width) * width**-0.5)

    def train(self, mode: bool = True) -> Policy:
        """Switch the head and the adapters' dropout; the frozen backbone stays as it is."""
        self.training = mode
        self.head.train(mode)
        train_adapters(self.backbone.network, mode)
        return self

    def trainable(self) -> dict[str, Trainable]:
        """What trains, by part: vision, projection, text, head, action_token, all listed."""
        sizes: dict[str, dict[str, int]] = {part: {} for part in (*PARTS, "head", "action_token")}
        for name, parameter in self.named_parameters():
            plain = name.removeprefix("backbone.network.")
            if parameter.requires_grad:
                sizes.setdefault(part_of(plain), {})[plain] = parameter.numel()
        return {
            part: Trainable(tensors=len(s), parameters=sum(s.values()), names=tuple(sorted(s)))
            for part, s in sizes.items()
        }

    def trained_parameters(self) -> list[nn.Parameter]:
        """The parameters for the optimiser, in a fixed order."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        """Frames (N, S, S, 3) uint8 RGB to latents (N, L, D)."""
        return self.backbone.encode_frames(self.backbone.preprocess(frames))

    def states(self, latents: torch.Tensor, text: TextTokens) -> torch.Tensor:
        """Latents (N, L, D) with a prompt each to action-token states (N, D)."""
        return self.backbone.action_states(latents, text, self.action_token)

    def forward(
        self, latents: Sequence[torch.Tensor], instructions: Sequence[str], window: int
    ) -> tuple[torch.Tensor, Windows]:
        """Whole episodes, each frame through the decoder once, to the head's output a window.

        `latents` (T, L, D) of each episode, T may differ. Returns the output (windows, W, …),
        which the head's `actions` and `error` read, and which frames it is for.
        """
        lengths = [len(episode) for episode in latents]
        states = self.states(torch.cat(list(latents)), self.prompts(instructions, lengths))
        windows = unfold_windows(lengths, window, states.device)
        output: torch.Tensor = self.head(windows.of(states))
        return output, windows

    def prompts(self, instructions: Sequence[str], lengths: Sequence[int]) -> TextTokens:
        """The tokenized prompt of each frame: episode i's instruction, `lengths[i]` times."""
        kinds = sorted(set(instructions))
        tokens = self.backbone.tokenize(kinds)
        pairs = zip(instructions, lengths, strict=True)
        rows = [kinds.index(text) for text, frames in pairs for _ in range(frames)]
        return tokens.rows(torch.tensor(rows, device=tokens.ids.device))

    def predict(self, history: torch.Tensor) -> torch.Tensor:
        """States of the last frames (N, ≤ W, D) to the next actions (N, C, A), m/s and rad/s."""
        normalised = self.head.actions(self.head(history)[:, -1:])[:, 0]
        return self.statistics.denormalise(normalised)
