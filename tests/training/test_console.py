"""What a run prints reaches its log as it is, and the terminal without control sequences."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = r"""
import sys
from pathlib import Path
from mobile_vla.training.console import console_to
with console_to(Path(sys.argv[1]), also_terminal=True):
    print("left\x1b]0;title\x07 \x1b[2J\x1b[31mred")
    print("error \x1b]52;c;YQ==\x07", file=sys.stderr)
    sys.stderr.write("\rbar 1")
"""


def test_no_sequence_reaches_the_terminal(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(log)], capture_output=True, check=True, env=os.environ
    )
    assert done.stdout == b"left red\n"
    assert done.stderr == b"error \n\rbar 1"
    assert log.read_bytes() == (
        b"left\x1b]0;title\x07 \x1b[2J\x1b[31mred\nerror \x1b]52;c;YQ==\x07\n\rbar 1"
    )
