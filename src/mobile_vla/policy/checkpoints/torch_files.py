"""Torch files (`.pt`, `.pth`, `.ckpt`, `.bin`): tensors by name, under any usual key.

`torch.load` with `weights_only` reads them, so nothing in a file is executed.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.checkpoints.torch_layout import FileContent, not_plain, unwrap

SHOWN = 3


def read_torch(path: Path) -> FileContent:
    """The tensors of a torch file and what lies beside them.

    Raises:
        UserError: the file is damaged, holds other things than tensors and plain values, or holds
            no tensors under a key that models are saved under.
    """
    try:
        with torch.serialization.safe_globals(_numpy_scalars()):
            content = _load(path)
    except pickle.UnpicklingError as error:
        raise UserError(not_plain(path, _strangers(path))) from error
    except Exception as error:  # a damaged pickle makes the unpickler raise almost anything
        reason = str(error).splitlines()[0] if str(error) else "cut short"
        raise UserError(f"{path} is damaged ({reason}): copy it again.") from error
    unwrapped = unwrap(content, path, torch.Tensor)
    _refuse_sparse(unwrapped.tensors, path)
    return unwrapped


def _load(path: Path) -> Any:
    """Tensors and plain values only. Torch maps a zip that is given by its path."""
    if zipfile.is_zipfile(path) and path.suffix != ".safetensors":
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    with open(path, "rb") as file:  # by its content: torch goes by the suffix of a path
        return torch.load(file, map_location="cpu", weights_only=True)


def _numpy_scalars() -> list[Any]:
    """The classes that a pickled numpy number needs, with the names of numpy 1 and 2."""
    import numpy as np

    scalar = np.float64(0).__reduce__()[0]
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    kinds = {type(np.dtype(code)) for code in "?bBhHiIlLqQefd"}
    return [*((scalar, name) for name in names), np.dtype, *kinds]


def _strangers(path: Path) -> str:
    """ " (argparse.Namespace)": the classes and functions that a file asks for, as far as known."""
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # the file may be no zip, or damaged
        return ""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f" ({', '.join(sorted(names)[:SHOWN])}{more})" if names else ""


def _refuse_sparse(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    name = next((n for n, v in tensors.items() if v.layout != torch.strided), None)
    if name is not None:
        raise UserError(
            f"{path} holds {name} as a sparse tensor: save the checkpoint with dense tensors."
        )
