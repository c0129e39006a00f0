"""`mvla verify`: every byte of a run against its events and its seal."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mobile_vla.cli.arguments import Options, add_json, runs
from mobile_vla.runs.folder import RunFolder

if TYPE_CHECKING:
    from mobile_vla.messages.reason import Reason


class VerifyOptions(Options):
    """Runs or seals, the public key, and a seal that lies elsewhere."""

    path: Sequence[str]
    key: str | None
    seal: str | None
    json: bool


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What was verified of a run folder or a seal. `problems`: in English, none where it holds.

    `started`: when the training began, by the seal; `key`: the file of the key that it is signed
    with, None where no signature was checked.
    """

    path: str
    run: str
    case: str
    state: str
    sealed: datetime | None
    problems: list[str]
    started: datetime | None = None
    key: str | None = None
    unbound: list[str] = []


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mvla verify`."""
    parser.add_argument(
        "path", nargs="+", metavar="RUN", help="run folders; or seals and folders of seals"
    )
    parser.add_argument("--key", metavar="FILE", help="the public key of the seals (PEM)")
    parser.add_argument(
        "--seal", metavar="FILE", help="the seal of the run (default: RUN/seal.json, if any)"
    )
    add_json(parser)
    runs(parser, verify, VerifyOptions, "mvla verify workspace/runs/left_10/20260801-120000")


def verify(options: VerifyOptions) -> int:
    """Verify each path; exit 1 where one does not hold."""
    from mobile_vla.cli.extras import require
    from mobile_vla.cli.run_options import print_json

    if options.key:
        require(["seal"])
    key = Path(options.key) if options.key else None
    paths = [path for name in options.path for path in _seals_or_run(Path(name))]
    done = [_verified(path, key, options.seal) for path in paths]
    if options.json:
        print_json(done)
    else:
        for verification in done:
            print("\n".join(_lines(verification)))
    return int(any(verification.problems for verification in done))


def _seals_or_run(path: Path) -> list[Path]:
    """The run folder itself; the seals below a folder that is no run."""
    run = RunFolder(path)
    if not path.is_dir() or run.events.exists() or run.case_yaml.exists():
        return [path]
    return sorted(path.rglob("*.json")) or [path]


def _verified(path: Path, key: Path | None, seal: str | None) -> Verification:
    return _of_seal(path, key) if path.is_file() else _of_run(path, key, seal)


def _of_seal(path: Path, key: Path | None) -> Verification:
    from mobile_vla.seal.check_seal import beside_problems, read_seal

    statement, problems = read_seal(path, key, datetime.now(UTC))
    about = statement.predicate if statement else None
    problems += beside_problems(statement, path.parent) if statement else []
    return Verification(
        path=str(path),
        run=about.run if about else "",
        case=about.case if about else "",
        state=about.state if about else "",
        sealed=about.sealed if about else None,
        problems=_english(problems),
        started=about.started if about else None,
        key=key.name if key and not problems else None,
    )


def _of_run(path: Path, key: Path | None, seal: str | None) -> Verification:
    from mobile_vla.cli.run_path import run_folder, workspace_of
    from mobile_vla.evidence.verify_files import verify_files
    from mobile_vla.messages.reason import reason
    from mobile_vla.seal.check_seal import folder_problems, read_seal
    from mobile_vla.seal.statement import SEAL

    run = run_folder(str(path))
    base = workspace_of(run)
    checked = verify_files(run, base)
    problems = list(checked.problems)
    if not checked.chained:
        problems.append(reason("chain.unchained"))
    file = Path(seal) if seal else run.path / SEAL
    sealed = None
    if seal or key or file.exists():
        statement, wrong = read_seal(file, key, datetime.now(UTC))
        problems += wrong
        if statement:
            sealed = statement.predicate.sealed
            problems += folder_problems(statement, run.path)
    return Verification(
        path=str(path),
        run=run.path.name,
        case=run.path.parent.name,
        state=checked.state,
        sealed=sealed,
        problems=_english(problems),
        unbound=[] if sealed else [name for name in checked.unbound if name != SEAL],
    )


def _english(problems: Sequence[Reason]) -> list[str]:
    from mobile_vla.messages.catalogue import sentence

    return list(dict.fromkeys(sentence(problem, "en") for problem in problems))


def _lines(done: Verification) -> list[str]:
    from mobile_vla.messages.catalogue import phrase

    when = done.sealed.isoformat(timespec="seconds") if done.sealed else "-"
    verdict = "seal.fails" if done.problems else "seal.holds"
    head = phrase(verdict, "en", path=done.path, case=done.case, state=done.state, time=when)
    unbound = ", ".join(done.unbound)
    notes = [phrase("seal.unbound", "en", files=unbound)] if unbound else []
    if done.started and done.key:
        began = done.started.isoformat(timespec="seconds")
        notes.append(phrase("seal.signed", "en", time=began, signer=done.key))
    return [head, *(f"  {text}" for text in [*done.problems, *notes])]
