"""The signature of a run's files in the format of OpenSSF Model Signing, for its command line.

`model_signing verify key RUN --signature FILE --public_key FILE --allow_symlinks` verifies it.
Source: https://github.com/sigstore/model-transparency (model_signing 1.1, `_signing/signing.py`)
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from mobile_vla.messages.catalogue import sentence
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.reason import reason
from mobile_vla.seal.envelope import indented, private_key, signed
from mobile_vla.seal.statement import SEAL, STATEMENT_TYPE, Statement, left_behind

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIGNATURE_TYPE = "https://model_signing/signature/v1.0"
CURVES = ("secp256r1", "secp384r1", "secp521r1")


def model_signature(statement: Statement, folder: Path, key: Path) -> bytes:
    """A bundle over the files that a statement names, signed with an elliptic curve key (PEM).

    `folder`: the run's, whose locks the bundle excepts.

    Raises: UserError where there is no such key, or it is of another kind.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    secret = private_key(key)
    if getattr(getattr(secret, "curve", None), "name", "") not in CURVES:
        raise UserError(f"{sentence(reason('seal.no_curve', key=str(key)), 'en')}.")
    public = secret.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    bundle = {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {"publicKey": {"hint": hashlib.sha256(public).hexdigest()}},
        "dsseEnvelope": signed(msgspec.json.encode(_payload(statement, folder)), secret),
    }
    return indented(bundle)


def _payload(statement: Statement, folder: Path) -> dict[str, Any]:
    resources = [
        {"name": subject.name, "algorithm": "sha256", "digest": subject.digest["sha256"]}
        for subject in statement.subject
    ]
    digests = b"".join(bytes.fromhex(resource["digest"]) for resource in resources)
    root = {
        "name": folder.resolve().name,
        "digest": {"sha256": hashlib.sha256(digests).hexdigest()},
    }
    return {
        "_type": STATEMENT_TYPE,
        "subject": [root],
        "predicateType": SIGNATURE_TYPE,
        "predicate": {
            "serialization": {
                "method": "files", "hash_type": "sha256", "allow_symlinks": True,
                "ignore_paths": [SEAL, *left_behind(folder)],
            },
            "resources": resources,
        },
    }  # fmt: skip
