"""DSSE envelopes, signed and verified with key files by securesystemslib.

Source: https://github.com/secure-systems-lab/dsse/blob/master/envelope.md
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import msgspec

from mobile_vla.messages.catalogue import sentence
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.runs.outside_files import read_regular
from mobile_vla.seal.statement import Statement

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MOST_BYTES = 64 << 20
KEY_BYTES = 1 << 20


class StoredSignature(msgspec.Struct, frozen=True):
    """A signature, base64, and the id of its key."""

    keyid: str
    sig: str


class StoredEnvelope(msgspec.Struct, frozen=True):
    """`seal.json`: the statement's bytes, base64, and their signatures."""

    payload: str
    payloadType: str
    signatures: list[StoredSignature]


def sign(statement: Statement, key: Path) -> bytes:
    """The envelope of a statement, signed with the private key of a PEM file (PKCS #8).

    Raises: UserError where there is no such key.
    """
    return indented(signed(msgspec.json.encode(statement), private_key(key)))


def private_key(key: Path) -> Any:
    """The private key of a PEM file, as securesystemslib can sign with it.

    Raises: UserError where there is no such key.
    """
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    data = _read_key(key)
    try:
        secret = load_pem_private_key(data, None)
        CryptoSigner(secret)  # type: ignore[arg-type]
    except Exception as error:  # a file that is no key can make its reader raise anything
        raise _refused("seal.no_private_key", key, error) from error
    return secret


def signed(payload: bytes, secret: Any) -> Any:
    """The envelope of an in-toto statement as plain values."""
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner

    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    envelope.sign(CryptoSigner(secret))
    return envelope.to_dict()


def indented(value: Any) -> bytes:
    """Plain values as lines of JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def open_envelope(data: bytes) -> tuple[StoredEnvelope, Statement]:
    """An envelope and the statement in it, of which nothing is proved yet.

    Raises: ValueError with the cause, whatever the bytes are.
    """
    try:
        envelope = msgspec.json.decode(data, type=StoredEnvelope)
        if envelope.payloadType != PAYLOAD_TYPE:
            raise ValueError(f"its payload is {envelope.payloadType!r}")
        payload = base64.b64decode(envelope.payload, validate=True)
        return envelope, msgspec.json.decode(payload, type=Statement)
    except (msgspec.MsgspecError, RecursionError, OverflowError) as error:
        raise ValueError(str(error)) from error


def signature_problem(data: bytes, key: Path) -> Reason | None:
    """Why an envelope is not signed with the public key of a PEM file, None where it is.

    Raises: UserError where there is no such key.
    """
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import SSlibKey

    content = _read_key(key)
    try:
        public = SSlibKey.from_crypto(load_pem_public_key(content))  # type: ignore[arg-type]
    except Exception as error:  # a file that is no key can make its reader raise anything
        raise _refused("seal.no_public_key", key, error) from error
    try:
        envelope = Envelope.from_dict(msgspec.json.decode(data))
        if public.keyid not in envelope.signatures:
            return reason("seal.wrong_key", key=str(key))
        envelope.verify([public], threshold=1)
    except Exception:  # an altered envelope can make its reader raise anything
        return reason("seal.bad_signature")
    return None


def _read_key(key: Path) -> bytes:
    try:
        return read_regular(key, KEY_BYTES)
    except OSError as error:
        raise _refused("seal.key_unreadable", key, error.strerror or error) from error


def _refused(code: str, key: Path, cause: object) -> UserError:
    text = str(cause).partition("\n")[0] or type(cause).__name__
    return UserError(f"{sentence(reason(code, key=str(key), cause=text), 'en')}.")
