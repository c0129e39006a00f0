"""Episodes: reading samples from the frame store, importing, checking, at the lab's real size.

Files are 18 × 720 × 1280 × 3, gzip, made up to compress as camera pictures do. Compared times are
taken in turn in one process, on files that are in the page cache; each figure is the median over
rounds. `--check 500` also times a check of that many episodes and the memory of importing them.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

FRAMES, HEIGHT, WIDTH, SIZE, WINDOW = 18, 720, 1280, 224, 8
MEMORY = """
import resource, sys
from pathlib import Path
from mobile_vla.episodes.scan_folder import default_jobs
from mobile_vla.episodes.import_dataset import import_episodes
from mobile_vla.episodes.formats.detect_format import find_sources
if __name__ == "__main__":
    source, folder, cache = map(Path, sys.argv[1:])
    sources, jobs = find_sources(source), default_jobs()
    import_episodes(sources, folder, seed=1, size=224, cache_dir=cache, jobs=jobs)
    own = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
    print(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def main(argv: Sequence[str]) -> int:
    """Measure and print the ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks episodes")
    parser.add_argument("--episodes", type=int, default=6, help="distinct files to make")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", type=int, default=0, metavar="N", help="check N episodes")
    parser.add_argument("--folder", help="where to make the files (default: a temporary folder)")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        files = make_files(folder / "recorded", options.episodes)
        size = statistics.mean(file.stat().st_size for file in files) / 2**20
        print(f"{len(files)} files of {size:.0f} MiB each, gzip")
        measure_import(folder, files, options.rounds)
        measure_reading(folder, files, options.rounds)
        measure_looking(files, options.rounds)
        if options.check:
            measure_check(folder, files, options.check)
    return 0


def make_files(folder: Path, count: int) -> list[Path]:
    """Episodes past a box: smooth surfaces with a sensor's noise, so that gzip halves them."""
    from mobile_vla.episodes.episode import Episode
    from mobile_vla.episodes.formats.hdf5 import write_episode

    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    paths = []
    for index in range(count):
        rng = np.random.default_rng(index)
        images = np.empty((FRAMES, HEIGHT, WIDTH, 3), np.uint8)
        for frame in range(FRAMES):
            shade = 120 + 60 * np.sin(x / 200 + index + frame / 9) * np.cos(y / 150)
            noise = rng.normal(0, 1.5, (HEIGHT, WIDTH, 3))
            images[frame] = np.clip(shade[..., None] * [1, 0.9, 0.8] + noise, 0, 255)
        side = "left" if index % 2 else "right"
        actions = np.zeros((FRAMES, 3), np.float32)
        actions[1:, 0] = 1.15
        actions[2 + index // 2 % 8 :, 1] = 1.15 if side == "left" else -1.15
        name = f"episode_20251203_{index:06d}_1box_hori_{side}_core_medium"
        episode = Episode(id=name, images=images, actions=actions, instruction=f"go {side}")
        paths.append(folder / f"{name}.h5")
        write_episode(paths[-1], episode, compression="gzip")
    return paths


def measure_reading(folder: Path, files: Sequence[Path], rounds: int) -> None:
    """8-frame windows at 224 px: from the store, and decoded and resized from the file."""
    from mobile_vla.episodes.dataset import load_dataset
    from mobile_vla.episodes.frame_store import open_frames

    dataset = load_dataset(folder / "data")
    store = open_frames(dataset.manifest, dataset.folder, SIZE, folder / "cache")
    rng = np.random.default_rng(0)
    starts = rng.integers(0, FRAMES - WINDOW + 1, 2000)
    ids = [row.id for row in dataset.manifest.episodes]
    stored, decoded = [], []
    for _ in range(rounds):
        windows = [(ids[i % len(ids)], int(s)) for i, s in enumerate(starts)]
        stored.append(rate(lambda w: np.array(store[w[0]][w[1] : w[1] + WINDOW]), windows))
        pairs = [(files[i % len(files)], int(s)) for i, s in enumerate(starts[:24])]
        decoded.append(rate(lambda w: decode_window(*w), pairs))
    fast, slow = statistics.median(stored), statistics.median(decoded)
    print(
        f"training windows/s: {fast:.0f} from the frame store, {slow:.2f} decoded and resized "
        f"per window: {fast / slow:.0f}×"
    )


def measure_import(folder: Path, files: Sequence[Path], rounds: int) -> None:
    """Import against reading and resizing the same files and nothing else, one process each."""
    from mobile_vla.episodes.formats.detect_format import find_sources
    from mobile_vla.episodes.import_dataset import import_episodes

    alone, whole = [], []
    for _ in range(rounds):
        shutil.rmtree(folder / "data", ignore_errors=True)
        shutil.rmtree(folder / "cache", ignore_errors=True)
        alone.append(seconds(lambda: [decode_window(file, 0, FRAMES) for file in files]))
        whole.append(
            seconds(
                lambda: import_episodes(
                    find_sources(folder / "recorded"), folder / "data", seed=1, size=SIZE,
                    cache_dir=folder / "cache",
                )
            )
        )  # fmt: skip
    ratios = [b / a for a, b in zip(alone, whole, strict=True)]
    print(
        f"import: {statistics.median(whole) / len(files):.2f} s an episode, decoding and resizing "
        f"alone {statistics.median(alone) / len(files):.2f} s: {statistics.median(ratios):.2f}×"
    )


def measure_looking(files: Sequence[Path], rounds: int) -> None:
    """What a check does with one episode, against decompressing it and nothing else."""
    from mobile_vla.episodes.episode_summary import summarize_file

    alone, whole = [], []
    for _ in range(rounds):
        alone.append(seconds(lambda: [read_pictures(file) for file in files]) / len(files))
        looked = seconds(lambda: [summarize_file(file, file.name, strips=True) for file in files])
        whole.append(looked / len(files))
    ratios = [b / a for a, b in zip(alone, whole, strict=True)]
    print(
        f"check: {statistics.median(whole):.2f} s an episode and process, of which decompressing "
        f"takes {statistics.median(alone):.2f} s: {statistics.median(ratios):.2f}×"
    )


def measure_check(folder: Path, files: Sequence[Path], count: int) -> None:
    """`count` different episodes, checked and imported by all cores."""
    from mobile_vla.episodes.quality.run import check_folder
    from mobile_vla.episodes.scan_folder import default_jobs

    many, script, jobs = folder / "many", folder / "memory.py", default_jobs()
    copy_differing(many, files, count)
    took = seconds(lambda: check_folder(many, full_speed=1.15, strips=True, jobs=jobs))
    print(f"check of {count} episodes: {took:.0f} s with {jobs} processes")
    script.write_text(MEMORY)
    command = [sys.executable, str(script), str(many), str(folder / "d"), str(folder / "c")]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    took = time.perf_counter() - start
    own, child = (int(kib) / 1024 for kib in done.stdout.split())
    print(
        f"import of {count} episodes with {jobs} processes: {took:.0f} s, at most {own:.0f} MiB of "
        f"memory and {child:.0f} MiB for each process (an episode decoded is 47 MiB)"
    )


def copy_differing(folder: Path, files: Sequence[Path], count: int) -> None:
    """Copies that differ in their first frame and action, so that no content is there twice."""
    import h5py

    folder.mkdir()
    for index in range(count):
        source = files[index % len(files)]
        path = folder / source.name.replace("_20251203_000", f"_20251204_{index // len(files):03d}")
        shutil.copyfile(source, path)
        with h5py.File(path, "r+") as file:
            frame = file["images"][0]
            frame[index % HEIGHT, :64] = index % 256
            file["images"][0] = frame
            file["actions"][1, 0] = 1.15 - index / 1000


def decode_window(path: Path, start: int, count: int = WINDOW) -> np.ndarray:
    """(count, 224, 224, 3): read from the file and resized as the store does it."""
    import h5py

    from mobile_vla.episodes.frame_store import resize

    with h5py.File(path) as file:
        images = file["images"][start : start + count]
    return np.stack([resize(image, SIZE) for image in images])


def read_pictures(path: Path) -> int:
    """Decompress an episode and do nothing with it."""
    import h5py

    with h5py.File(path) as file:
        return len(file["images"][()])


def rate(one: Callable, samples: Sequence) -> float:
    """Samples a second."""

    def work() -> None:
        for sample in samples:
            one(sample)

    return len(samples) / seconds(work)


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
