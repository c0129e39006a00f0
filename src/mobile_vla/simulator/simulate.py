"""Simulate data sets: planned in one process, rendered in several, always the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from mobile_vla.episodes.dataset import build_manifest
from mobile_vla.episodes.direction import direction_of_motion
from mobile_vla.episodes.episode import Episode
from mobile_vla.episodes.formats.hdf5 import write_episode
from mobile_vla.episodes.manifest import MANIFEST_FILE, write_manifest
from mobile_vla.episodes.scan_folder import Progress, parallel_map
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.record import Record
from mobile_vla.runs.files import explain_os_error, write_json
from mobile_vla.simulator.expert import Demonstration, demonstrate, film
from mobile_vla.simulator.instructions import instruction
from mobile_vla.simulator.scene import Scene, sample_scene
from mobile_vla.simulator.world import STEP_SECONDS, Side

SETTINGS_FILE = "simulation.json"
_FIRST_DAY = datetime(2025, 1, 1, 9)


class SimulationSettings(Record, frozen=True, kw_only=True):
    """The settings of a folder's episodes; `image_size` is (height, width) in px."""

    version: int = 1
    seed: int
    image_size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class PlannedDrive:
    """One drive, decided but not yet filmed."""

    name: str
    direction: Side
    scene: Scene
    drive: Demonstration


def simulate_dataset(
    folder: Path,
    *,
    left: int,
    right: int,
    seed: int,
    image_size: tuple[int, int],
    jobs: int = 1,
    split: bool = True,
    progress: Progress | None = None,
) -> Path:
    """Make `left` + `right` episodes in `folder` and its manifest; return the manifest's path.

    `image_size` is (height, width) in px. No two drives of a direction press the same keys. With
    `split`, four in five of a direction train and one validates; without, all are "eval". The same
    arguments give the same decoded content, in however many processes (`jobs`); interrupted and
    called again, it continues, and larger counts add episodes to the existing ones.

    Raises:
        UserError: nothing to make, the folder holds something else, or no rendering is possible.
    """
    if left < 0 or right < 0 or left + right == 0:
        raise UserError(f"Nothing to simulate: left={left}, right={right}; ask for at least one.")
    _claim(folder, SimulationSettings(seed=seed, image_size=image_size))
    plans = sorted(
        plan_drives("left", left, seed) + plan_drives("right", right, seed), key=lambda p: p.name
    )
    _refuse_fewer(folder, plans)
    missing = [plan for plan in plans if not (folder / plan.name).exists()]
    shot = partial(film_plan, folder, image_size=image_size)
    for done, _ in enumerate(parallel_map(shot, missing, jobs), start=1):
        if progress:
            progress(done, len(missing))
    manifest, findings = build_manifest(folder, name=folder.name, seed=seed, split=split)
    if findings:
        raise UserError(
            f"{folder / findings[0].episode} {findings[0].what} ({len(findings)} such): "
            "delete what is damaged and run the same command again."
        )
    write_manifest(folder / MANIFEST_FILE, manifest)
    return folder / MANIFEST_FILE


def plan_drives(direction: Side, count: int, seed: int) -> list[PlannedDrive]:
    """The first `count` drives of a direction: each its own scene, no two the same keys.

    Where a drive repeats an earlier one's keys, or its motion alone would not tell its direction,
    another scene is drawn in its place.
    """
    key_sequences: set[str] = set()
    plans: list[PlannedDrive] = []
    for index in range(count):
        for attempt in range(1000):
            rng = np.random.default_rng(_number(seed, direction, index, attempt))
            scene = sample_scene(int(rng.integers(2**62)))
            drive = demonstrate(scene, direction, rng)
            direction_is_clear = direction_of_motion(drive.actions, STEP_SECONDS) == direction
            if direction_is_clear and drive.keys not in key_sequences:
                break
        else:
            raise UserError(
                f"No further {direction} drive differs from the {index} before it: ask for fewer."
            )
        key_sequences.add(drive.keys)
        plans.append(PlannedDrive(_file_name(direction, index, seed), direction, scene, drive))
    return plans


def film_plan(folder: Path, plan: PlannedDrive, image_size: tuple[int, int]) -> None:
    """Render one planned drive and write its file atomically."""
    episode = Episode(
        id=Path(plan.name).stem,
        images=film(plan.scene, plan.drive.poses, image_size),
        actions=plan.drive.actions,
        instruction=instruction(plan.direction),
        event_types=tuple("key" if key != "-" else "rest" for key in plan.drive.keys),
    )
    write_episode(folder / plan.name, episode)


def _claim(folder: Path, settings: SimulationSettings) -> None:
    """Make `folder` this simulation's, or see that it is."""
    file = folder / SETTINGS_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stored = None
        if file.exists():
            stored = msgspec.json.decode(file.read_bytes(), type=SimulationSettings)
        strangers = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
    except msgspec.MsgspecError as error:
        raise UserError(f"{file} is damaged ({error}): simulate into another folder.") from error
    except OSError as error:
        raise explain_os_error(error, folder) from error
    if stored is None and strangers:
        raise UserError(
            f"{folder} holds other things ({strangers[0]}): simulate into an empty folder."
        )
    if stored is not None and stored != settings:
        raise UserError(
            f"{folder} was simulated with seed {stored.seed} at {stored.image_size}, not with seed "
            f"{settings.seed} at {settings.image_size}: use another folder, or the same settings."
        )
    if stored is None:
        write_json(file, settings)


def _refuse_fewer(folder: Path, plans: list[PlannedDrive]) -> None:
    planned = {plan.name for plan in plans}
    extra = sorted(path.name for path in folder.glob("*.h5") if path.name not in planned)
    if extra:
        raise UserError(
            f"{folder} already holds more than is asked for ({len(extra)} more, such as "
            f"{extra[0]}): ask for at least as many, or simulate into another folder."
        )


def _number(*parts: object) -> int:
    from blake3 import blake3

    return int.from_bytes(blake3(repr(parts).encode()).digest(8), "little")


def _file_name(direction: Side, index: int, seed: int) -> str:
    """The lab's kind of name. The time is made up; the day tells data sets of other seeds apart."""
    start = _FIRST_DAY + timedelta(days=seed % 3000)
    time = start + timedelta(seconds=2 * index + (direction == "right"))
    return f"episode_{time:%Y%m%d_%H%M%S}_1box_hori_{direction}_core_medium.h5"
