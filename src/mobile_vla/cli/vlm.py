"""`mvla vlm pretrain`."""

from __future__ import annotations

import argparse
from pathlib import Path

from mobile_vla.cli.arguments import Options, add_action, add_actions, add_json, runs
from mobile_vla.cli.run_options import json_only_stdout, print_json, progress

NAMES = ("kosmos2-tiny", "robovlms-tiny")


class PretrainOptions(Options):
    """The small VLM to make."""

    name: str
    out: str
    seed: int
    words: str | None
    json: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mvla vlm`."""
    summary = "pretrain a small VLM on simulated scenes"
    action = add_action(add_actions(parser), "pretrain", summary)
    action.add_argument("name", choices=NAMES, help=" or ".join(NAMES))
    action.add_argument("--out", required=True, metavar="DIR", help="the folder to make it in")
    action.add_argument(
        "--seed", type=int, default=0, help="of weights and scenes (default: %(default)s)"
    )
    action.add_argument(
        "--words", metavar="FILE",
        help="a text whose words kosmos2-tiny knows too, such as your instructions",
    )  # fmt: skip
    add_json(action)
    example = "mvla vlm pretrain kosmos2-tiny --out vlms"
    runs(action, pretrain, PretrainOptions, example, needs=("train", "sim"))


def pretrain(options: PretrainOptions) -> None:
    """Make a small VLM again; refused where it does not use the image."""
    from mobile_vla.policy.vocabulary import read_words
    from mobile_vla.pretraining import pretrain as vlm_pretrain
    from mobile_vla.pretraining.cache import card_path

    words = read_words(Path(options.words)) if options.words else ()
    with json_only_stdout(options.json), progress(f"pretraining {options.name}") as report:

        def tell(stage: str, done: int, total: int) -> None:
            report(done, total, stage)

        out, seed = Path(options.out), options.seed
        path = vlm_pretrain.pretrain(options.name, out, seed=seed, words=words, progress=tell)
    if options.json:
        print_json({"path": path, "card": card_path(path)})
    else:
        print(path)
