"""`mvla push`: a run's weights, card and seal to a repository of the Hugging Face Hub."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mobile_vla.cli.arguments import Options, add_json, runs
from mobile_vla.messages.errors import UserError, reason_of

if TYPE_CHECKING:
    from mobile_vla.runs.folder import RunFolder


class PushOptions(Options):
    """The run, the repository, the key of its seal, and the card's language."""

    run: str
    repository: str
    key: str
    lang: Literal["en", "ko"]
    private: bool
    dry_run: bool
    json: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mvla push`."""
    parser.add_argument("run", metavar="RUN", help="the folder of a finished and sealed run")
    parser.add_argument("repository", metavar="OWNER/NAME", help="made if it is not there")
    parser.add_argument(
        "--key", required=True, metavar="FILE", help="the public key of the run's seal (PEM)"
    )
    parser.add_argument(
        "--lang", choices=("en", "ko"), default="en", help="of the card (default: %(default)s)"
    )
    parser.add_argument("--private", action="store_true", help="make the repository private")
    parser.add_argument("--dry-run", action="store_true", help="list what would go, send nothing")
    add_json(parser)
    example = "mvla push workspace/runs/left_10/20260801-120000 lab/left --key lab.pub.pem"
    runs(parser, push, PushOptions, example, needs=("seal", "push"))


def push(options: PushOptions) -> None:
    """Verify the run, then send its files in one commit, or list them.

    Raises:
        UserError: the run or its seal does not hold, or the Hub refused.
    """
    from mobile_vla.cli.run_options import print_json
    from mobile_vla.cli.run_path import run_folder

    run = run_folder(options.run)
    require_sealed(run, Path(options.key))
    files = files_to_push(run, options.lang)
    sizes = {name: _size(content) for name, content in files.items()}
    url = None if options.dry_run else _send(options, files)
    if options.json:
        print_json({"url": url, "files": sizes})
        return
    for name, size in sizes.items():
        print(f"{name}\t{size:,} bytes")
    print(url or "Nothing was sent (--dry-run).")


def require_sealed(run: RunFolder, key: Path) -> None:
    """Refuse a run whose files are not as its events and its seal say.

    Raises:
        UserError: it has no seal, or the first thing that does not hold.
    """
    from mobile_vla.cli.run_path import workspace_of
    from mobile_vla.evidence.verify_files import verify_files
    from mobile_vla.messages.catalogue import sentence
    from mobile_vla.seal.check_seal import folder_problems, read_seal
    from mobile_vla.seal.statement import SEAL

    if not (run.path / SEAL).is_file():
        raise UserError(f"{run.path} has no seal: sign it with `mvla seal` first.")
    statement, problems = read_seal(run.path / SEAL, key, datetime.now(UTC))
    problems += verify_files(run, workspace_of(run)).problems
    problems += folder_problems(statement, run.path) if statement else []
    if problems:
        raise UserError(f"{run.path} is not pushed: {sentence(problems[0], 'en')}.")


def files_to_push(run: RunFolder, language: Literal["en", "ko"]) -> dict[str, Path | bytes]:
    """What goes to the Hub, by its path there; the weights lie as in the run, as its seal says."""
    from mobile_vla.cli.run_path import workspace_of
    from mobile_vla.evidence.run_view import view_run
    from mobile_vla.evidence.verify_checkpoint import WEIGHTS
    from mobile_vla.report.model_card import model_card
    from mobile_vla.seal.statement import SEAL

    base = workspace_of(run)
    view = view_run(run, base, datetime.now(UTC))
    card = model_card(view, base, language).encode()
    chosen = view.best or view.latest
    if chosen is None:
        raise UserError(f"{run.path} has no checkpoint to push.")
    weights = base / chosen.path / WEIGHTS
    inside = weights.resolve().relative_to(run.path.resolve()).as_posix()
    return {"README.md": card, SEAL: run.path / SEAL, inside: weights}


def _size(content: Path | bytes) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def _send(options: PushOptions, files: dict[str, Path | bytes]) -> str:
    """One commit with all files; its address. The token is the client's own (HF_TOKEN)."""
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HFValidationError, HTTPError
    from huggingface_hub.utils import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()

    operations: Sequence[CommitOperationAdd] = [
        CommitOperationAdd(path_in_repo=name, path_or_fileobj=content)
        for name, content in files.items()
    ]
    api = HfApi(library_name="mobile-vla")
    try:
        api.create_repo(options.repository, private=options.private or None, exist_ok=True)
        return api.create_commit(
            options.repository, operations, commit_message="Add weights, model card and seal"
        ).commit_url
    except (HFValidationError, HTTPError, OSError, ValueError) as error:
        raise UserError(
            f"{options.repository} was not pushed to {api.endpoint}: {_first_line(error)}. Check "
            "the name and the token in HF_TOKEN."
        ) from error


def _first_line(error: Exception) -> str:
    return reason_of(error).strip().partition("\n")[0].rstrip(".:")
