"""`mvla card`: a model card of a finished run."""

from __future__ import annotations

import argparse
from typing import Literal

from mobile_vla.cli.arguments import Options, add_json, runs


class CardOptions(Options):
    """The run, the language, and where the card goes."""

    run: str
    lang: Literal["en", "ko"]
    out: str | None
    json: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mvla card`."""
    parser.add_argument("run", metavar="RUN", help="the folder of a finished run")
    parser.add_argument("--lang", choices=("en", "ko"), default="en", help="(default: %(default)s)")
    parser.add_argument("--out", metavar="FILE", help="write it there (default: print it)")
    add_json(parser)
    example = "mvla card workspace/runs/left_10/20260801-120000 --out README.md"
    runs(parser, card, CardOptions, example)


def card(options: CardOptions) -> None:
    """Write or print the card."""
    from datetime import UTC, datetime
    from pathlib import Path

    from mobile_vla.cli.run_options import print_json
    from mobile_vla.cli.run_path import run_folder, workspace_of
    from mobile_vla.evidence.run_view import view_run
    from mobile_vla.report.model_card import model_card
    from mobile_vla.runs.files import write_named

    run = run_folder(options.run)
    base = workspace_of(run)
    text = model_card(view_run(run, base, datetime.now(UTC)), base, options.lang)
    if options.out:
        write_named(Path(options.out), text.encode())
    if options.json:
        print_json({"card": text, "file": options.out})
    else:
        print(options.out or text)
