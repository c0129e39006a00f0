"""`mvla vlm pretrain`."""

from __future__ import annotations

import argparse
from pathlib import Path

from mobile_vla.cli.run_options import answering, print_json, progress


def pretrain(options: argparse.Namespace) -> None:
    """Make a small VLM again; refused where it does not use the image."""
    from mobile_vla.pretraining import pretrain as vlm_pretrain
    from mobile_vla.pretraining.cache import card_path

    with answering(options), progress(f"pretraining {options.name}") as report:

        def tell(stage: str, done: int, total: int) -> None:
            report(done, total, stage)

        out, seed = Path(options.out), options.seed
        path = vlm_pretrain.pretrain(options.name, out, seed=seed, progress=tell)
    if options.json:
        print_json({"path": path, "card": card_path(path)})
    else:
        print(path)
