"""`mvla scan`: list runs that mobile-vla did not make."""

from __future__ import annotations

import argparse
from pathlib import Path

from mobile_vla.cli.run_options import print_json
from mobile_vla.evidence.importers.scan_folders import scan as scan_folders


def scan(options: argparse.Namespace) -> int:
    """Print every run below the folders; exit 1 where there is none, or something is not read."""
    scanned = scan_folders([Path(folder) for folder in options.folder], whole=options.whole)
    if options.json:
        print_json(scanned)
    else:
        from mobile_vla.cli.scan_table import print_scanned

        print_scanned(scanned)
    return int(not scanned.runs or bool(scanned.unread))
