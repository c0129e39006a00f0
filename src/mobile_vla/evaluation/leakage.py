"""Evaluation episodes that a run was trained on: equal content, or almost equal images."""

from __future__ import annotations

from mobile_vla.episodes.dataset import load_dataset
from mobile_vla.episodes.episode_summary import shrink
from mobile_vla.episodes.frame_store import open_frames
from mobile_vla.episodes.manifest import Manifest, ManifestEpisode
from mobile_vla.episodes.near_duplicates import near_pairs
from mobile_vla.runs.workspace import Workspace


def near_copies(
    held_out: list[ManifestEpisode],
    training: Manifest,
    data: tuple[str, str],
    workspace: Workspace,
    size: int,
) -> list[str]:
    """Hashes of held-out episodes that show almost what an episode of `own` shows.

    `data`: names of the evaluation's and the training's data set. `size`: of the stored frames
    that are compared, in px.
    """
    thumbs = []
    for name, episodes in zip(data, (held_out, training.episodes), strict=True):
        folder = workspace.data(name)
        frames = open_frames(load_dataset(folder).manifest, folder, size, workspace.cache)
        thumbs += [shrink(frames[episode.id]) for episode in episodes]
    count = len(held_out)
    near = {first for first, second, _ in near_pairs(thumbs) if first < count <= second}
    return [held_out[index].hash for index in sorted(near)]
