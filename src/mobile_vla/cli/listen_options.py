"""Arguments of commands that listen on a port."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mobile_vla.messages.errors import UserError, reason_of


def add_listening(parser: argparse.ArgumentParser, default_port: int) -> None:
    """Add `--host`, `--port` and `--token-file`."""
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS",
        help="address to listen on; any but loopback needs a token (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=_port, default=default_port, metavar="N",
        help="port, 0 for a free one (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--token-file", metavar="FILE",
        help="file that holds the token which clients must send (default: none on loopback, "
        "elsewhere a new one that is printed)",
    )  # fmt: skip


def read_token(file: str | None) -> str | None:
    """The token of a file, else of the environment variable MVLA_TOKEN.

    Raises: UserError where the file cannot be read.
    """
    if file is None:
        return os.environ.get("MVLA_TOKEN")
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {reason_of(error)}. Name a text file.") from error


def shown_address(address: Sequence[Any]) -> str:
    """A socket's address as a URL holds it.

    >>> shown_address(("::1", 8000, 0, 0))
    '[::1]:8000'
    """
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value < 65536:
        raise argparse.ArgumentTypeError(f"{value} is no port: give 0 to 65535")
    return value
