import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mobile_vla.episodes.dataset import build_manifest
from mobile_vla.episodes.episode import Episode
from mobile_vla.episodes.formats.hdf5 import write_episode
from mobile_vla.episodes.manifest import write_manifest

FRAMES = 6


@pytest.fixture
def make_episode() -> Callable[..., Episode]:
    """An episode of 6 small frames that goes to a side, its pictures drawn by `seed`."""

    def make(seed: int = 0, direction: str = "left", **changes: object) -> Episode:
        rng = np.random.default_rng(seed)
        actions = np.zeros((FRAMES, 3), np.float32)
        actions[1:, 0] = 1.15
        actions[2:4, 1] = {"left": 1.15, "right": -1.15, "straight": 0.0}[direction]
        parts: dict[str, object] = {
            "id": f"episode_20251203_{seed:06d}_1box_hori_{direction}_core_medium",
            "images": rng.integers(0, 256, (FRAMES, 12, 16, 3), dtype=np.uint8),
            "actions": actions,
            "instruction": f"go around the box on the {direction}",
            "event_types": ("rest", *["key"] * (FRAMES - 1)),
        }
        return Episode(**{**parts, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture
def make_folder(tmp_path: Path, make_episode: Callable[..., Episode]) -> Callable[[int, int], Path]:
    """A folder of `left` + `right` episode files."""

    def make(left: int, right: int) -> Path:
        folder = tmp_path / "set"
        for direction, count in (("left", left), ("right", right)):
            for index in range(count):
                episode = make_episode(2 * index + (direction == "right"), direction)
                write_episode(folder / f"{episode.id}.h5", episode)
        return folder

    return make


@pytest.fixture
def clean(tmp_path: Path, make_episode) -> Path:
    """Ten left and ten right, no two driven alike, pinned."""
    folder = tmp_path / "set"
    for direction in ("left", "right"):
        for index in range(10):
            episode = make_episode(2 * index + (direction == "right"), direction)
            episode.actions[5, 0] = 0.1 * index
            write_episode(folder / f"{episode.id}.h5", episode)
    write_manifest(folder, build_manifest(folder, name="set", seed=1)[0])
    return folder


@dataclass
class Disk:
    """A file system of its own, in memory."""

    folder: Path

    def resize(self, size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", self.folder], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk that can be full; skips where nothing may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a disk")
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", folder], check=True)
