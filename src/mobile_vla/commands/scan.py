"""`mvla scan`: take in runs that mobile-vla did not make."""

from __future__ import annotations

import argparse
from pathlib import Path

from mobile_vla.casebook.foreign.scan import scan as scan_folders
from mobile_vla.commands.common import print_json


def scan(options: argparse.Namespace) -> int:
    """Print every foreign run below the folders; exit 1 where there is none."""
    scanned = scan_folders([Path(folder) for folder in options.folder], whole=options.whole)
    if options.json:
        print_json(scanned)
    else:
        from mobile_vla.casebook.foreign.table import print_scanned

        print_scanned(scanned)
    return int(not scanned.runs)
