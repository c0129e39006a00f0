"""The episodes of a run: selected, pinned in its manifest, and handed out as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobile_vla.episodes.dataset import load_dataset
from mobile_vla.episodes.manifest import Manifest, ManifestEpisode
from mobile_vla.episodes.splits import select
from mobile_vla.record.errors import UserError
from mobile_vla.record.workspace import Workspace

if TYPE_CHECKING:
    import torch

    from mobile_vla.episodes.frames import FrameStore
    from mobile_vla.policy.normalise import ActionStatistics
    from mobile_vla.policy.policy import Policy
    from mobile_vla.study.models import Recipe, ResolvedCase
    from mobile_vla.training.features import Features


def case_manifest(case: ResolvedCase, workspace: Workspace) -> Manifest:
    """The exact episodes that the case trains and validates on."""
    dataset = load_dataset(workspace.data(case.train_data))
    manifest = select(dataset.manifest, case.data.by_direction())
    if abs(manifest.step - case.robot.step) > 1e-6:
        raise UserError(
            f"Data set {case.train_data} has steps of {manifest.step} s but the study's robot "
            f"{case.robot.step} s: use data of that robot, or correct the study."
        )
    for split, use in (("train", "training"), ("val", "validation")):
        if not manifest.split(split):  # type: ignore[arg-type]
            raise UserError(
                f"{case.case} has no {use} episode among its {len(manifest.episodes)}: "
                "take at least five of a direction."
            )
    return manifest


def open_case_frames(
    case: ResolvedCase, manifest: Manifest, workspace: Workspace, size: int
) -> FrameStore:
    """The frame store of the whole data set, which all cases share."""
    from mobile_vla.episodes.frames import open_frames

    folder = workspace.data(case.train_data)
    return open_frames(load_dataset(folder).manifest, folder, size, workspace.cache)


def training_statistics(manifest: Manifest, frames: FrameStore, dim: int) -> ActionStatistics:
    """Statistics of the actions of the training split, and of nothing else."""
    from mobile_vla.policy.normalise import action_statistics

    return action_statistics([frames.actions(e.id) for e in manifest.split("train")], dim)


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole episodes: latents (T, L, D) each, instructions, normalised targets by frame.

    `targets` (ΣT, C, A), `mask` (ΣT, C), frames of all episodes end to end.
    """

    episodes: tuple[str, ...]
    latents: list[torch.Tensor]
    instructions: list[str]
    targets: torch.Tensor
    mask: torch.Tensor

    @property
    def frames(self) -> int:
        """Frames of all its episodes."""
        return len(self.targets)


class EpisodeTensors:
    """Makes batches of whole episodes for one policy and recipe."""

    def __init__(self, policy: Policy, recipe: Recipe, frames: FrameStore, features: Features):
        self._policy, self._recipe = policy, recipe
        self._frames, self._features = frames, features
        self._text_lengths: dict[str, int] = {}

    def batch(self, episodes: Sequence[ManifestEpisode]) -> Batch:
        """These episodes' latents and chunk targets."""
        import torch

        from mobile_vla.policy.loss import chunk_targets

        pairs = [chunk_targets(self._actions(e.id), self._recipe.chunk) for e in episodes]
        return Batch(
            episodes=tuple(episode.id for episode in episodes),
            latents=[self._features.of(e.id, e.hash) for e in episodes],
            instructions=[self._frames.instruction(e.id) for e in episodes],
            targets=torch.cat([targets for targets, _ in pairs]),
            mask=torch.cat([mask for _, mask in pairs]),
        )

    def text_length(self, episode: ManifestEpisode) -> int:
        """Tokens of the episode's prompt."""
        text = self._frames.instruction(episode.id)
        if text not in self._text_lengths:
            tokens = self._policy.backbone.tokenize([text])
            self._text_lengths[text] = int(tokens.mask.sum())
        return self._text_lengths[text]

    def _actions(self, episode: str) -> torch.Tensor:
        import torch

        raw = torch.from_numpy(self._frames.actions(episode)[:, : self._recipe.action_dim].copy())
        return self._policy.statistics.normalise(raw.to(self._policy.action_token.device))
