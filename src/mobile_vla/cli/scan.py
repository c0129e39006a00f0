"""`mvla scan`: list runs that mobile-vla did not make."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mobile_vla.cli.arguments import Options, add_json, runs


class ScanOptions(Options):
    """The folders to scan."""

    folder: Sequence[str]
    complete: bool
    loss: Sequence[str] | None
    json: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mvla scan`."""
    parser.add_argument("folder", nargs="+", metavar="DIR", help="folders of runs, logs, configs")
    parser.add_argument(
        "--whole",
        dest="complete",
        action="store_true",
        help="read every byte of checkpoints above 256 MB too",
    )  # fmt: skip
    parser.add_argument(
        "--loss", nargs="+", metavar="NAME",
        help="metrics that are validation losses, besides the usual names",
    )  # fmt: skip
    add_json(parser)
    runs(parser, scan, ScanOptions, "mvla scan runs/ logs/ configs/")


def scan(options: ScanOptions) -> int:
    """Print every run below the folders; exit 1 where there is none or something is not read."""
    from mobile_vla.cli.run_options import print_json
    from mobile_vla.evidence.importers.scan_folders import scan as scan_folders

    scanned = scan_folders(
        [Path(folder) for folder in options.folder],
        complete=options.complete,
        losses=options.loss or (),
    )
    if options.json:
        print_json(scanned)
    else:
        from mobile_vla.cli.scan_table import print_scanned

        print_scanned(scanned)
    return int(not scanned.runs or bool(scanned.unread))
