"""Pictures a second on one core: the product's renderer beside the alternatives that were tried.

    python -m benchmarks rendering [--python ENV/bin/python] [--rounds 3] [--seconds 2]

Each renderer draws a floor, two boxes and a basket from a camera that moves, in a process of its
own on one core, in turn with the others; the median and the best of the rounds are printed.
`--python`: an interpreter with numpy, panda3d, pyvista and pybullet, which the product does not
need; those it lacks are said to be absent.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.renderers import ABSENT, RENDERERS

SIZES = ((224, 224), (720, 1280))
OWN = {
    "mujoco": "MuJoCo, EGL, no shadows (the product's)",
    "mujoco_shadows": "MuJoCo, EGL, shadows",
    "mujoco_osmesa": "MuJoCo, OSMesa",
}
OTHERS = {
    "panda3d": "panda3d, p3tinydisplay (software)",
    "pyvista": "VTK by pyvista",
    "pybullet": "pybullet, TinyRenderer",
}


def main(argv: Sequence[str]) -> int:
    """Print frames a second by renderer and size."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks rendering")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args(argv)
    print("frames a second on one core, median (best)")
    heads = "".join(f"{f'{height} x {width}':>20}" for height, width in SIZES)
    print(f"{'':44}{heads}")
    found: dict[tuple[str, tuple[int, int]], list[float]] = {}
    for _ in range(options.rounds):
        for name in RENDERERS:
            python = sys.executable if name in OWN else options.python
            for size in SIZES:
                rate = measure(python, name, size, options.seconds)
                if rate is not None:
                    found.setdefault((name, size), []).append(rate)
    for name in RENDERERS:
        cells = [cell(found.get((name, size), [])) for size in SIZES]
        print(f"{(OWN | OTHERS)[name]:44}{''.join(f'{text:>20}' for text in cells)}")
    return 0


def measure(python: str, name: str, size: tuple[int, int], seconds: float) -> float | None:
    """Frames a second, None where that interpreter has no such renderer."""
    variables = {key: value for key, value in os.environ.items() if key != "MUJOCO_GL"}
    if name == "mujoco_osmesa":
        variables["MUJOCO_GL"] = "osmesa"
    script = str(Path(__file__).with_name("renderers.py"))
    command = [python, script, name, *map(str, size), str(seconds)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode == ABSENT:
        return None
    if done.returncode:
        raise SystemExit(f"{name} failed: {done.stderr.strip().splitlines()[-1]}")
    return float(done.stdout.split()[-1])


def cell(rates: Sequence[float]) -> str:
    """The median and the best, or that it is absent."""
    return f"{statistics.median(rates):.0f} ({max(rates):.0f})" if rates else "absent"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
