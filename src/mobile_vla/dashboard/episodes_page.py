"""Data sets, their episodes, and one episode frame by frame with its velocities."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mobile_vla.dashboard.page import DashboardPage, Values
from mobile_vla.episodes.manifest import MANIFEST_FILE, Manifest, ManifestEpisode, read_manifest
from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.formats import Language, number
from mobile_vla.runs.contained_path import PathOutsideError, contained_path

if TYPE_CHECKING:
    from mobile_vla.episodes.episode import Episode

MOST_ROWS = 500
AXES = (("linear_x", "m/s"), ("linear_y", "m/s"), ("angular_z", "rad/s"))
WIDTH, LANE = 640.0, 70.0


def episodes_page(
    workspace: Path, name: str, filters: Mapping[str, str], language: Language
) -> DashboardPage:
    """The data sets, and of one its episodes: `group`, `split` and `q` (in the id) filter them.

    Raises: UserError for a set without a manifest.
    """
    manifest = read_manifest(_folder(workspace, name, language)) if name else None
    episodes = list(_filtered(manifest, filters)) if manifest else []
    title = name or phrase("dashboard.episodes", language)
    answer = {"sets": _sets(workspace), "name": name, "total": len(episodes),
              "episodes": episodes[:MOST_ROWS]}  # fmt: skip

    def values() -> Values:
        listed = manifest.episodes if manifest else []
        return {**answer, "filters": {key: filters.get(key, "") for key in ("group", "split", "q")},
                "groups": sorted({episode.direction for episode in listed}),
                "splits": sorted({episode.split for episode in listed}),
                "step": manifest.step if manifest else 0.0}  # fmt: skip

    return DashboardPage("episodes.html.j2", title, lambda: answer, values)


def _filtered(manifest: Manifest, filters: Mapping[str, str]) -> Iterator[ManifestEpisode]:
    group, split = filters.get("group"), filters.get("split")
    text = filters.get("q", "").casefold()
    for episode in manifest.episodes:
        in_group = not group or episode.direction == group
        if in_group and split in (None, "", episode.split) and text in episode.id.casefold():
            yield episode


def _sets(workspace: Path) -> list[str]:
    try:
        folders = sorted((workspace / "data").iterdir())
    except OSError:
        return []
    return [folder.name for folder in folders if (folder / MANIFEST_FILE).is_file()]


def episode_page(
    workspace: Path, name: str, episode: str, frame: str, language: Language
) -> DashboardPage:
    """One episode at a frame. Raises: UserError for an unknown or unreadable one."""
    recorded = _episode(workspace, name, episode, language)
    last = len(recorded) - 1
    shown = min(last, int(frame)) if frame.isascii() and frame.isdigit() else 0
    axes = AXES[: recorded.actions.shape[1]]

    def data() -> Values:
        return {"id": episode, "instruction": recorded.instruction, "step": recorded.step,
                "frames": len(recorded), "actions": recorded.actions.tolist()}  # fmt: skip

    def values() -> Values:
        return {
            "set": name, "id": episode, "frame": shown, "last": last,
            "instruction": recorded.instruction,
            "lanes": [lane(recorded.actions[:, place], axis, unit)
                      for place, (axis, unit) in enumerate(axes)],
            "at": WIDTH * shown / max(1, last), "width": WIDTH, "lane": LANE,
            "rows": [[number(float(value)) for value in row] for row in recorded.actions],
            "axes": axes,
        }  # fmt: skip

    return DashboardPage("episode.html.j2", f"{name}: {episode}", data, values)


def lane(velocities: np.ndarray, axis: str, unit: str) -> Values:
    """(T,) velocities as SVG points around a middle line."""
    reach = float(np.abs(velocities).max(initial=0.0)) or 1.0
    last = max(1, len(velocities) - 1)
    points = [f"{WIDTH * place / last:.1f},{LANE / 2 * (1 - 0.9 * float(value) / reach):.1f}"
              for place, value in enumerate(velocities)]  # fmt: skip
    return {"axis": axis, "unit": unit, "reach": number(reach, unit), "points": " ".join(points)}


def episode_frame(
    workspace: Path, name: str, episode: str, frame: int, language: Language
) -> bytes:
    """One picture as PNG. Raises: UserError for an unknown episode or frame."""
    from PIL import Image

    recorded = _episode(workspace, name, episode, language)
    if frame >= len(recorded.images):
        raise UserError(phrase("dashboard.no_file", language, path=f"{episode} {frame}"),
                        exit_code=1)  # fmt: skip
    file = io.BytesIO()
    Image.fromarray(recorded.images[frame]).save(file, "PNG")
    return file.getvalue()


def _episode(workspace: Path, name: str, episode: str, language: Language) -> Episode:
    folder = _folder(workspace, name, language)
    manifest = folder / MANIFEST_FILE
    stamp = manifest.stat().st_mtime_ns if manifest.is_file() else 0
    return _decoded(folder, episode, stamp)


@lru_cache(maxsize=4)
def _decoded(folder: Path, episode: str, stamp: int) -> Episode:
    """The last few episodes that were looked at; `stamp` is of their manifest."""
    from mobile_vla.episodes.dataset import load_dataset

    return load_dataset(folder).read(episode)


def _folder(workspace: Path, name: str, language: Language) -> Path:
    try:
        folder = contained_path(workspace / "data", name)
    except PathOutsideError as error:
        text = phrase("dashboard.no_file", language, path=name)
        raise UserError(text, exit_code=1) from error
    if not folder.is_dir():
        raise UserError(phrase("dashboard.no_file", language, path=name), exit_code=1)
    return folder
