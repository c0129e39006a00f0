"""The cards of the small VLMs: how made, from what, hashes, held-out figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mobile_vla.runs.files import hash_file

if TYPE_CHECKING:
    from mobile_vla.pretraining.held_out import HeldOutFigure
    from mobile_vla.pretraining.labelled_arrays import Lessons
    from mobile_vla.runs.load_report import LoadedSource

KOSMOS2 = """# kosmos2-tiny

A Kosmos-2 of transformers' own classes with a quarter of a million parameters, for trying the
whole study on a laptop. It is small and knows one simulated world; say so beside its results.

Made by `mvla vlm pretrain kosmos2-tiny --seed {seed}` from nothing but pictures of this project's
simulator and labels from it: {views:,} views at 64 pixels.

1. Vision and projection, {vision_steps:,} steps of 64: from the patches, what covers them; from
   the latents, the corners, distance, offset, visibility and colour of box and basket, and which
   of the two stands left. The linear readers were thrown away.
2. The text decoder, {text_steps:,} steps of 96, the latents fixed: captions, "where is the box?"
   answered in location tokens, "what is on the left?".

The prompts of the study, "go around the box on the left", were not among its texts.
"""

ROBOVLMS = """# robovlms-tiny

A checkpoint as RoboVLMs saves them (`state_dict`, keys under `model.`): a backbone, an action
token, and its LSTM head of four layers with six velocities and a gripper, all small.

Made by `mvla vlm pretrain robovlms-tiny --seed {seed}` from the Kosmos-2 whose weights have
sha256 `{sha256}`:
the decoder's layers, the action token and the head trained {robot_steps:,} steps of 96 on
{views:,} views of other robot tasks than the study's: "drive to the red box", "move away from the
basket", "stop", "turn to the left", "drive straight ahead". Vision, projection and word
embeddings are that Kosmos-2's own. Velocities are shares of full speed; the gripper stays open.
"""

TWIN = """; and a twin
of random weights, which is this VLM before its first lesson, with each view's own image. What it
is worth as the start of a case, `python -m benchmarks weights` measures: see docs/weights.md"""

FIGURES = """
## Held out

{held_out:,} views it did not learn from, with each view's own image and with another view's{twin}.

{rows}

## Files

| file | bytes | blake3 |
| --- | --- | --- |
{files}
"""


def kosmos2_card(folder: Path, seed: int, lessons: Lessons, figures: list[HeldOutFigure]) -> str:
    """The card of a `kosmos2-tiny` folder, in Markdown."""
    head = KOSMOS2.format(
        seed=seed,
        views=lessons.views,
        vision_steps=lessons.vision_steps,
        text_steps=lessons.text_steps,
    )
    return head + _tables(sorted(folder.iterdir()), lessons, figures)


def robovlms_card(
    path: Path, source: LoadedSource, seed: int, lessons: Lessons, figures: list[HeldOutFigure]
) -> str:
    """The card of a `robovlms-tiny.pt`, in Markdown."""
    head = ROBOVLMS.format(
        seed=seed, sha256=source.sha256, views=lessons.views, robot_steps=lessons.robot_steps
    )
    return head + _tables([path], lessons, figures)


def _tables(files: list[Path], lessons: Lessons, figures: list[HeldOutFigure]) -> str:
    twin = any(figure.untaught is not None for figure in figures)
    heads = ["measure", "own image", "another's image", *(["random twin"] if twin else [])]
    rows = [heads, ["---"] * len(heads), *(_row(figure, twin) for figure in figures)]
    listed = "\n".join(f"| {f.name} | {f.stat().st_size:,} | `{hash_file(f)}` |" for f in files)
    return FIGURES.format(
        held_out=lessons.held_out,
        twin=TWIN if twin else "",
        rows="\n".join(f"| {' | '.join(row)} |" for row in rows),
        files=listed,
    )


def _row(figure: HeldOutFigure, twin: bool) -> list[str]:
    row = [figure.name, f"{figure.own_image:.3f}", f"{figure.other_image:.3f}"]
    untaught = "" if figure.untaught is None else f"{figure.untaught:.3f}"
    return [*row, untaught] if twin else row
