"""No input ends in a traceback, hangs, is called finished wrongly, or reaches out of its folder.

`FUZZ_MUTATIONS` mutants of each kind of input are read, `FUZZ_FIRST` the number of the first.
A failure names the mutant, which `mutants(NAME, SEED, N)` makes again.
"""

from __future__ import annotations

import contextlib
import os
import traceback
import warnings
from itertools import islice
from pathlib import Path

import pytest
from mutations import mutants
from targets import TARGETS, Target
from watch import Outside, TooSlow, watched

from mobile_vla.messages.errors import UserError

MUTATIONS = int(os.environ.get("FUZZ_MUTATIONS", "100"))
FIRST = int(os.environ.get("FUZZ_FIRST", "0"))
SHOWN = 8
LONGEST = int(os.environ.get("FUZZ_TIMEOUT", "300"))


def outcome(target: Target, folder: Path) -> str | None:
    """What must not happen, in a line; None where all is well."""
    try:
        with watched(folder), warnings.catch_warnings(), quiet():
            warnings.simplefilter("ignore")
            target.read(folder)
    except UserError as error:
        return None if str(error).strip() else "an empty sentence"
    except TooSlow as error:
        return f"too slow at {_place(error)}"
    except Outside as error:
        return f"outside: {error} at {_place(error)}"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        return f"{type(error).__name__} at {_place(error)}: {str(error)[:80]}"
    return None


@contextlib.contextmanager
def quiet():  # readers of libraries print
    with (
        open(os.devnull, "w") as null,
        contextlib.redirect_stdout(null),
        contextlib.redirect_stderr(null),
    ):
        yield


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "mobile_vla" in frame.filename] or frames
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"


@pytest.mark.timeout(LONGEST)
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_no_mutant_does_harm(target: Target, tmp_path: Path) -> None:
    folder = tmp_path / "input"
    folder.mkdir()
    path = target.make(folder)
    seed = path.read_bytes()
    target.read(folder)  # libraries are imported now, which opens files and starts programs
    assert outcome(target, folder) is None, "the seed itself"
    harm: dict[str, int] = {}
    for number, data in enumerate(
        islice(mutants(target.name, seed, FIRST + MUTATIONS), FIRST, None), FIRST
    ):
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        if (line := outcome(target, folder)) is not None:
            harm.setdefault(line, number)
    lines = [f"mutant {number}: {line}" for line, number in sorted(harm.items())]
    assert not harm, f"{len(harm)} kinds of harm\n" + "\n".join(lines[:SHOWN])
