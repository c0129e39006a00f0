"""`environment.json`: which code ran, with which packages, on which device."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from mobile_vla import __version__

MAKING = ("episodes", "evaluation", "policy", "runs", "simulator", "study", "training")
"""The packages whose code decides what a run does; how it is judged and shown is not among them."""
PACKAGES = ("torch", "transformers", "peft", "lightning", "mujoco", "h5py", "numpy", "safetensors")


class Environment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`commit` and `diff_blake2`: of the checkout the package runs from, None when installed.

    `making_blake3`: of the source files that decide what a run does.
    """

    version: str
    making_blake3: str
    commit: str | None
    diff_blake2: str | None
    python: str
    platform: str
    packages: dict[str, str]
    device: str
    cpus: int
    threads: int


def describe(*, device: str, threads: int) -> Environment:
    """The environment of this process."""
    import hashlib
    import platform

    checkout = Path(__file__).resolve().parents[3]
    commit = _git(checkout, "rev-parse", "HEAD") if (checkout / ".git").exists() else None
    diff = _git(checkout, "diff", "HEAD", "--", "src") if commit else None
    return Environment(
        version=__version__,
        making_blake3=_hash_making(),
        commit=commit.decode().strip() if commit else None,
        diff_blake2=hashlib.blake2b(diff).hexdigest()[:32] if diff else None,
        python=platform.python_version(),
        platform=platform.platform(),
        packages=packages(),
        device=device,
        cpus=os.cpu_count() or 1,
        threads=threads,
    )


def _hash_making() -> str:
    from blake3 import blake3

    package = Path(__file__).resolve().parents[1]
    hasher = blake3()
    for name in MAKING:
        for file in sorted((package / name).rglob("*.py")):
            hasher.update(f"{file.relative_to(package).as_posix()}|".encode())
            hasher.update(file.read_bytes())
    return hasher.hexdigest()


def packages() -> dict[str, str]:
    """Versions of the packages that decide what a run computes."""
    from importlib import metadata

    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _git(folder: Path, *arguments: str) -> bytes | None:
    import subprocess

    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], check=False, capture_output=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
