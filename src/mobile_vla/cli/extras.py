"""Extras: which optional packages a command needs, and what to install where one is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from mobile_vla.messages.errors import UserError

EXTRAS = {
    "data": ("h5py", "PIL"),
    "train": ("torch", "transformers", "peft", "lightning"),
    "serve": ("starlette", "uvicorn", "websockets", "msgpack", "prometheus_client"),
    "export": ("onnx", "onnxruntime", "onnxscript"),
    "ui": ("starlette", "uvicorn"),
    "sim": ("mujoco", "gymnasium"),
    "lerobot": ("pyarrow", "pandas", "av"),
    "ros": ("rosbags",),
    "figures": ("matplotlib",),
    "mcp": ("mcp",),
    "mlflow": ("mlflow",),
    "wandb": ("wandb",),
    "reader": ("openai",),
    "ray": ("ray",),
    "slurm": ("submitit",),
    "push": ("huggingface_hub",),
    "seal": ("securesystemslib", "cryptography"),
}
"""The packages that each extra of the distribution brings, by the name they are imported by."""


def is_installed(extra: str) -> bool:
    """Whether all packages of an extra are there; none is imported."""
    return all(map(find_spec, EXTRAS[extra]))


def require(extras: Iterable[str]) -> None:
    """Check that the packages of some extras are installed, importing none of them.

    Raises:
        UserError: one is missing; the sentence says what to install.
    """
    missing = [extra for extra in extras if not is_installed(extra)]
    if missing:
        absent = [name for extra in missing for name in EXTRAS[extra] if not find_spec(name)]
        raise UserError(not_installed(absent[0], missing))


def not_installed(module: str, extras: Iterable[str]) -> str:
    """The sentence that says which extras bring a module that is missing."""
    return (
        f"This needs {module}, which is not installed: "
        f'run `pip install "mobile-vla[{",".join(extras)}]"`.'
    )


@contextmanager
def installed(extras: Iterable[str]) -> Iterator[None]:
    """Run a command whose extras are checked first, and name the extra of any other import.

    Raises:
        UserError: a package is missing; the sentence says what to install.
    """
    require(extras)
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        extra = next((extra for extra, names in EXTRAS.items() if package in names), None)
        if extra is None:
            raise
        raise UserError(not_installed(package, [extra])) from error
