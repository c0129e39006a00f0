"""`mvla episodes simulate` and `mvla episodes show`."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from mobile_vla.commands.common import progress
from mobile_vla.record.errors import UserError


def simulate(options: argparse.Namespace) -> None:
    """Record episodes in the simulator and pin them in a manifest."""
    from mobile_vla.simulator.simulate import simulate_dataset

    with progress("simulating episodes") as report:
        manifest = simulate_dataset(
            Path(options.folder),
            left=options.left,
            right=options.right,
            seed=options.seed,
            image_size=_size(options.size),
            workers=1,
            split=not options.evaluation,
            progress=report,
        )
    print(f"{options.left} left and {options.right} right episodes, pinned in {manifest}")


def show(options: argparse.Namespace) -> None:
    """Draw one episode as a PNG."""
    from mobile_vla.episodes.hdf5 import read_episode
    from mobile_vla.episodes.show import draw_episode

    file = Path(options.file)
    picture = Path(options.out) if options.out else file.with_suffix(".png")
    draw_episode(read_episode(file), picture)
    print(picture)


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None or 0 in (int(match[1]), int(match[2])):
        raise UserError(f"--size {text} is no size: write HEIGHTxWIDTH, such as 128x128.")
    return int(match[1]), int(match[2])
