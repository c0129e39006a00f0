"""`mvla serve`: answer robots with a trained policy."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobile_vla.cli.arguments import StudyOptions, add_study, runs
from mobile_vla.cli.listen_options import add_listening, read_token, shown_address
from mobile_vla.cli.run_options import cores, setting
from mobile_vla.cli.stop_signals import run_server
from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.formats import Language

if TYPE_CHECKING:
    from mobile_vla.serving.served_policy import ServedPolicy

IDLE_SECONDS = 300.0


class ServeOptions(StudyOptions):
    """The policy to serve, and how."""

    policy: str
    checkpoint: str
    host: str
    port: int
    token_file: str | None
    idle: float
    refuse_resize: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mvla serve`."""
    parser.add_argument("policy", help="a case, a run's folder, or a merged policy's folder")
    parser.add_argument(
        "--checkpoint", default="best", metavar="NAME",
        help="best, latest, or a folder of checkpoints/ (default: %(default)s)",
    )  # fmt: skip
    add_listening(parser, 8000)
    parser.add_argument(
        "--idle", type=_idle, default=IDLE_SECONDS, metavar="S",
        help="seconds without a request after which a history is dropped (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--refuse-resize", action="store_true",
        help="refuse frames of another size than the policy's, in place of resizing them",
    )  # fmt: skip
    add_study(parser)
    runs(parser, serve, ServeOptions, 'mvla serve "Case 3"', needs=("train", "serve"))


def serve(options: ServeOptions) -> None:
    """Load, warm up, listen; print a summary when stopped."""
    from mobile_vla.listening import bind, choose_token
    from mobile_vla.serving.inference import InferenceCore
    from mobile_vla.serving.served_policy import open_policy
    from mobile_vla.serving.server import ServerOptions, make_server

    token = choose_token(options.host, read_token(options.token_file))
    with bind(options.host, options.port) as listener:
        served = open_policy(policy_folder(options), options.checkpoint)
        core = InferenceCore(served, idle=options.idle)
        threads = core.warm_up(cores())
        settings = ServerOptions(token=token, refuse_resize=options.refuse_resize)
        _announce(served, listener.getsockname(), threads)
        if token is not None and options.token_file is None:
            print(phrase("serve.token", "en", token=token), flush=True)
        run_server(make_server(core, settings), listener)
    _print_summary(core.statistics.summary(), "en")


def policy_folder(options: Any) -> Path:
    """The folder that `options.policy` names: a path, or a case's representative run.

    Raises:
        UserError: it is no folder and no case, or the case has no run.
    """
    from mobile_vla.cli.select_run import book_of
    from mobile_vla.study.command_line import quoted

    path = Path(options.policy)
    if path.is_dir():
        return path
    if path.exists() or len(path.parts) > 1:
        raise UserError(phrase("serve.no_policy_folder", "en", path=options.policy))
    chosen = setting(options)
    view = book_of(chosen).case(options.policy).run
    if view is None:
        train = chosen.command(f"mvla train {quoted(options.policy)}")
        raise UserError(f"{options.policy} has no run: train it with `{train}`.")
    return chosen.workspace.path / view.path


def _announce(served: ServedPolicy, address: Sequence[Any], threads: int) -> None:
    shown, case = shown_address(address), served.facts.case
    line = phrase("serve.ready", "en", case=case, address=shown, threads=threads)
    print(line, flush=True)


def _print_summary(summary: dict[str, Any], language: Language) -> None:
    errors = summary["errors"]
    named = ", ".join(f"{code.partition('.')[2]} {number}" for code, number in errors.items())
    total, requests = sum(errors.values()), summary["requests"]
    details = f" ({named})" if named else ""
    line = phrase("serve.summary", language, requests=requests, errors=total,
                  details=details)  # fmt: skip
    print(line)
    if (share := summary["stale_share"]) is not None:
        stale = f"{100 * share:.3g}"
        print(phrase("serve.stale", language, answers=summary["answers"], stale=stale))
    for part, shares in summary["latency_ms"].items():
        print(f"  {part}: " + ", ".join(f"{name} {value} ms" for name, value in shares.items()))
    sys.stdout.flush()


def _idle(text: str) -> float:
    value = float(text)
    if not 0 < value <= 86400:
        raise argparse.ArgumentTypeError(f"{value} s is no time: give more than 0, at most a day")
    return value
