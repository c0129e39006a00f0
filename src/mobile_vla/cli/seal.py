"""`mvla seal`: sign what a run's files are."""

from __future__ import annotations

import argparse
from pathlib import Path

from mobile_vla.cli.arguments import Options, add_json, runs


class SealOptions(Options):
    """The run, the private key, and where the seal goes."""

    run: str
    key: str
    out: str | None
    model_signature: str | None
    json: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mvla seal`."""
    parser.add_argument("run", metavar="RUN", help="the folder of a run that has ended")
    parser.add_argument(
        "--key", required=True, metavar="FILE", help="a private key (PEM, not encrypted)"
    )
    parser.add_argument("--out", metavar="FILE", help="where to write (default: RUN/seal.json)")
    parser.add_argument(
        "--model-signature", metavar="FILE",
        help="also a signature that `model_signing verify key` reads; the key is then one of P-256",
    )  # fmt: skip
    add_json(parser)
    example = "mvla seal workspace/runs/left_10/20260801-120000 --key lab.pem"
    runs(parser, seal, SealOptions, example, needs=("seal",))


def seal(options: SealOptions) -> None:
    """Write the signed statement of a run."""
    from mobile_vla.cli.run_options import print_json
    from mobile_vla.cli.run_path import run_folder, workspace_of
    from mobile_vla.runs.files import write_named
    from mobile_vla.seal.envelope import sign
    from mobile_vla.seal.model_signature import model_signature
    from mobile_vla.seal.statement import SEAL, state_run

    run = run_folder(options.run)
    file = Path(options.out) if options.out else run.path / SEAL
    statement, key = state_run(run, workspace_of(run)), Path(options.key)
    envelope = sign(statement, key)
    if options.model_signature:
        bundle = model_signature(statement, run.path, key)
        write_named(Path(options.model_signature), bundle)
    write_named(file, envelope)
    if options.json:
        print_json(str(file))
    else:
        print(file)
