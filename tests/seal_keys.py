"""Key files to sign and verify with."""

from __future__ import annotations

from pathlib import Path


def write_keys(
    folder: Path, name: str = "lab", password: bytes | None = None, *, curve: bool = False
) -> tuple[Path, Path]:
    """A private and a public key as PEM files."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = ec.generate_private_key(ec.SECP256R1()) if curve else Ed25519PrivateKey.generate()
    locked = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    encoding, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    secret, shared = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    secret.write_bytes(key.private_bytes(encoding, private, locked))
    shared.write_bytes(key.public_key().public_bytes(encoding, public))
    return secret, shared
