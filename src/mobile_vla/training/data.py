"""The episodes of a run: select them, pin them in the manifest, and load them as tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobile_vla.episodes.dataset import load_dataset
from mobile_vla.episodes.manifest import Manifest, ManifestEpisode
from mobile_vla.episodes.splits import select
from mobile_vla.messages.errors import Faults, UserError
from mobile_vla.runs.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    import torch

    from mobile_vla.episodes.frame_store import FrameStore
    from mobile_vla.policy.policy import Policy
    from mobile_vla.study.models import Recipe, ResolvedCase
    from mobile_vla.training.feature_store import Features


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
    case: ResolvedCase,
    manifest: Manifest,
    workspace: Workspace,
    size: int,
    progress: Callable[[int, int], None] | None = None,
) -> FrameStore:
    """The case's own frames, in the store that all cases share: others' files may be damaged."""
    from mobile_vla.episodes.frame_store import open_frames

    return open_frames(manifest, workspace.data(case.train_data), size, workspace.cache, progress)


def recorded_actions(
    case: ResolvedCase, manifest: Manifest, workspace: Workspace, size: int | None
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Each episode's actions (T, 2 or 3) by id, and a sentence for each file that cannot be read.

    From the store of frames at `size` pixels where it holds the episode, else from its file.
    """
    from mobile_vla.episodes.formats.hdf5 import read_actions
    from mobile_vla.episodes.frame_store import FrameStore, store_folder, stored

    store, folder = store_folder(workspace.cache, size or 0), workspace.data(case.train_data)
    cached = [e for e in manifest.episodes if stored(store, e.hash)]
    frames = FrameStore(store, Manifest.of(manifest.name, manifest.step, cached))
    actions, faults = {episode.id: frames.actions(episode.id) for episode in cached}, Faults()
    for episode in manifest.episodes:
        if episode.id not in actions:
            recording = faults.of(read_actions, folder / episode.source)
            actions |= {} if recording is None else {episode.id: recording}
    return actions, faults.sentences


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole episodes: latents (T, L, D) each, instructions, normalised targets by frame.

    `targets` (ΣT, C, A), `mask` (ΣT, C), frames of all episodes end to end; `weight`: what the sum
    of their losses is divided by.
    """

    episodes: tuple[str, ...]
    latents: list[torch.Tensor]
    instructions: list[str]
    directions: list[str]
    targets: torch.Tensor
    mask: torch.Tensor
    weight: float

    @property
    def frames(self) -> int:
        """Frames of all its episodes."""
        return len(self.targets)


class EpisodeTensors:
    """Loads batches of complete episodes for one policy and recipe.

    `stored`: whether latents come from the cache, and depend on nothing that trains.
    """

    def __init__(self, policy: Policy, recipe: Recipe, frames: FrameStore, features: Features):
        self._policy, self._recipe = policy, recipe
        self._frames, self._features = frames, features
        self.stored = features.folder is not None
        self._text_lengths: dict[str, int] = {}

    def batch(self, episodes: Sequence[ManifestEpisode], epoch: int | None = None) -> Batch:
        """Latents of these episodes, as recorded or augmented for an epoch, and chunk targets."""
        import torch

        from mobile_vla.policy.loss import chunk_targets
        from mobile_vla.training.augmentation import augmentation_index

        many = 1 if epoch is None else self._recipe.views
        views = [augmentation_index(e.hash, epoch or 0, many) for e in episodes]

        pairs = [chunk_targets(self.actions(e.id), self._recipe.chunk) for e in episodes]
        return Batch(
            episodes=tuple(episode.id for episode in episodes),
            latents=[
                self._features.of(e.id, e.hash, view)
                for e, view in zip(episodes, views, strict=True)
            ],
            instructions=[self.instruction(e.id) for e in episodes],
            directions=[e.direction for e in episodes],
            targets=torch.cat([targets for targets, _ in pairs]),
            mask=torch.cat([mask for _, mask in pairs]),
            weight=loss_weight(self._recipe, [len(mask) for _, mask in pairs]),
        )

    def summary(self) -> str:
        """A line for the console: how frames are shown, and whether their features are stored."""
        views = self._recipe.views
        shown = f"{views} views of each episode, one an epoch in turn" if views > 1 else "off"
        storage = (
            f"{views} a frame stored" if self.stored else "not stored, as what makes them trains"
        )
        return f"augmentation: {shown}; vision features: {storage}"

    def text_length(self, episode: ManifestEpisode) -> int:
        """Tokens of the episode's prompt."""
        text = self._frames.instruction(episode.id)
        if text not in self._text_lengths:
            tokens = self._policy.backbone.tokenize([text])
            self._text_lengths[text] = int(tokens.mask.sum())
        return self._text_lengths[text]

    def instruction(self, episode: str) -> str:
        """The instruction of an episode."""
        return self._frames.instruction(episode)

    def actions(self, episode: str) -> torch.Tensor:
        """An episode's actions (T, A), normalised."""
        import torch

        from mobile_vla.policy.normalisation import select_columns

        statistics = self._policy.statistics
        raw = torch.from_numpy(select_columns(self._frames.actions(episode), statistics.names))
        return statistics.normalise(raw.to(self._policy.action_token.device))


def loss_weight(recipe: Recipe, lengths: Sequence[int]) -> float:
    """The sum of weights in the loss of episodes of so many frames.

    It follows from the lengths alone, so no device is asked, and none has to be waited for.
    """
    import torch

    from mobile_vla.policy.loss import chunk_targets, loss_weights
    from mobile_vla.policy.policy import unfold_windows

    mask = torch.cat([chunk_targets(torch.zeros(n, 1), recipe.chunk)[1] for n in lengths])
    windows = unfold_windows(lengths, recipe.window)
    recorded = windows.of(mask) & windows.valid.unsqueeze(-1)
    return float(loss_weights(recorded, recipe.first_action_weight).sum())
