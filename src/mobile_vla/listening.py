"""Where a server listens, and the token that its clients send off loopback."""

from __future__ import annotations

import ipaddress
import secrets
import socket

from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError, reason_of

SHORTEST_TOKEN = 16


def is_loopback(host: str) -> bool:
    """Whether an address can only be reached from this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def choose_token(host: str, token: str | None) -> str | None:
    """The token that clients must send: the one given, else a new one off loopback.

    Raises:
        UserError: the given token is too short to be one, or not ASCII.
    """
    if token is None:
        return None if is_loopback(host) else secrets.token_urlsafe(32)
    if len(token) < SHORTEST_TOKEN or not token.isascii() or token != token.strip():
        raise UserError(phrase("serve.token_bad", "en", shortest=SHORTEST_TOKEN))
    return token


def bind(host: str, port: int) -> socket.socket:
    """A socket that is bound and does not listen yet; port 0 takes a free one.

    Raises:
        UserError: the port is in use, or the address is not this machine's.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        why = reason_of(error)
        raise UserError(phrase("serve.cannot_bind", "en", host=host, port=port, why=why)) from error
    return bound
