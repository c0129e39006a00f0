"""A control step of each export beside the run's own policy, and what each takes.

A tiny run of two epochs is trained first; each export is loaded by a process of its own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from benchmarks.training import WINDOW
from benchmarks.training_lab import SIZES, begin

if TYPE_CHECKING:
    from mobile_vla.serving.exports.formats import ExportFormat

FORMATS: tuple[ExportFormat, ...] = ("hf", "onnx", "torch")


def main(argv: Sequence[str]) -> int:
    """Print a row for each format and type."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks exports")
    parser.add_argument("--size", choices=list(SIZES), default="tiny")
    size = SIZES[parser.parse_args(argv).size]

    from mobile_vla.serving.exports.export import ExportRequest, export_policy
    from mobile_vla.serving.exports.formats import ExportType
    from mobile_vla.training.run import train

    print(f"{size.what}; W = {WINDOW}, one thread")
    with tempfile.TemporaryDirectory() as name:
        run, _, workspace = begin(size, Path(name), WINDOW)
        ended = train(run, workspace, terminal=False)
        assert ended.outcome == "finished", ended
        for kind in FORMATS:
            for number in get_args(ExportType):
                if (kind, number) == ("hf", "int8"):
                    continue
                out = Path(name) / f"{kind}-{number}"
                report = export_policy(ExportRequest(run, "best", kind, number, out))
                faster = report.original_step_ms / report.step_ms
                print(
                    f"{kind:<6}{number:<9} step {report.step_ms:6.2f} ms, ours "
                    f"{report.original_step_ms:6.2f} ms: {faster:.2f} times as fast; "
                    f"{report.bytes / 1e6:.1f} of {report.original_bytes / 1e6:.1f} MB; at most "
                    f"{report.largest:.1e} of full speed apart",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
