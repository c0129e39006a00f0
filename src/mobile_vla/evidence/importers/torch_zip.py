"""Torch's zip checkpoints (`.ckpt`, `.pt`): keys, shapes and numbers, with nothing executed.

The pickle in it is walked by an interpreter that can make plain containers and inert stand-ins
only; what it names beyond torch's and Python's own containers is reported.
"""

from __future__ import annotations

import io
import math
import pickle
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PICKLE_LIMIT = 64 * 1024 * 1024
BLOCK = 16 * 1024 * 1024
WIDTHS = {"Double": 8, "Float": 4, "Half": 2, "BFloat16": 2, "Long": 8, "Int": 4, "Short": 2,
          "Char": 1, "Byte": 1, "Bool": 1}  # fmt: skip
EXPONENTS = {"Double": ("<u8", 0x7FF0000000000000), "Float": ("<u4", 0x7F800000),
             "Half": ("<u2", 0x7C00), "BFloat16": ("<u2", 0x7F80)}  # fmt: skip
PLAIN = re.compile(
    r"(torch|numpy|collections|_codecs|pathlib|argparse|lightning|pytorch_lightning|omegaconf)(\.|$)"
)
BUILTINS = frozenset({"set", "frozenset", "dict", "list", "tuple", "int", "float", "complex",
                      "bool", "str", "bytes", "bytearray", "slice", "range", "object"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as the pickle describes it."""

    storage: tuple[str, str, int]
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TorchFile:
    """What a checkpoint holds. `problem`: why it does not load, None where it does.

    `whole`: every byte was read and is finite. `code`: what its pickle names that is no
    container or tensor; it was not run, and loading it elsewhere would run it.
    """

    epoch: int | None = None
    step: int | None = None
    tensors: int = 0
    parameters: int = 0
    whole: bool = False
    problem: str | None = None
    code: tuple[str, ...] = ()


def inspect_torch(path: Path, *, whole: bool) -> TorchFile:
    """Read a checkpoint's directory and pickle, and with `whole` every tensor's bytes.

    Errors: `OSError` where it cannot be opened.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _inspect(archive, whole)
    except zipfile.BadZipFile as error:
        return TorchFile(problem=_no_zip(path, error))
    except (EOFError, KeyError, RuntimeError, ValueError) as error:  # encrypted, for one
        return TorchFile(problem=f"it cannot be read ({error})")


def _no_zip(path: Path, error: Exception) -> str:
    with open(path, "rb") as file:
        start = file.read(2)
    if start == b"PK":
        return "it is truncated: its table of contents is missing"
    if start[:1] == b"\x80":
        return "it is a bare pickle, of which nothing is read"
    return f"it is no torch checkpoint ({error})"


def _inspect(archive: zipfile.ZipFile, whole: bool) -> TorchFile:
    names = {name.partition("/")[2]: name for name in archive.namelist()}
    if "data.pkl" not in names:
        return TorchFile(problem="it is a zip file without torch's data.pkl")
    if archive.getinfo(names["data.pkl"]).file_size > PICKLE_LIMIT:
        return TorchFile(problem="its pickle is too large to be read")
    reader = _Inert(io.BytesIO(archive.read(names["data.pkl"])))
    try:
        content = reader.load()
    except Exception as error:  # a broken pickle can raise anything
        return TorchFile(problem=f"its pickle cannot be read ({error})", code=reader.code())
    problem = _storages(archive, names, reader.storages, whole)
    state = _state_dict(content)
    if problem is None and not state:
        problem = "it holds no tensor"
    return TorchFile(
        epoch=_whole_number(content, "epoch"),
        step=_whole_number(content, "global_step"),
        tensors=len(state),
        parameters=sum(math.prod(tensor.shape) for tensor in state),
        whole=whole,
        problem=problem,
        code=reader.code(),
    )


def _state_dict(content: Any) -> list[Tensor]:
    if not isinstance(content, dict):
        return []
    state = content.get("state_dict", content.get("model_state_dict", content))
    values = state.values() if isinstance(state, dict) else ()
    return [value for value in values if isinstance(value, Tensor)]


def _whole_number(content: Any, key: str) -> int | None:
    value = content.get(key) if isinstance(content, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _storages(
    archive: zipfile.ZipFile,
    names: dict[str, str],
    storages: dict[str, tuple[str, str, int]],
    whole: bool,
) -> str | None:
    for key, (kind, _, count) in storages.items():
        name = names.get(f"data/{key}")
        if name is None:
            return f"the bytes of storage {key} are missing"
        size = archive.getinfo(name).file_size
        if kind in WIDTHS and size < count * WIDTHS[kind]:
            return f"storage {key} has {size} bytes where its pickle says {count * WIDTHS[kind]}"
        if whole and (problem := _content(archive, name, kind)):
            return f"storage {key} {problem}"
    return None


def _content(archive: zipfile.ZipFile, name: str, kind: str) -> str | None:
    import numpy as np

    width, exponent = EXPONENTS.get(kind, ("", 0))
    with archive.open(name) as file:
        while block := file.read(BLOCK):
            usable = len(block) - len(block) % WIDTHS.get(kind, 1)
            if width and bool((np.frombuffer(block[:usable], width) & exponent == exponent).any()):
                return "holds NaN or infinity"
    return None


class _Inert(pickle._Unpickler):
    """Walks a pickle: every name it asks for becomes a stand-in that does nothing."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, encoding="utf-8", errors="replace")
        self.storages: dict[str, tuple[str, str, int]] = {}
        self.names: dict[str, None] = {}

    def code(self) -> tuple[str, ...]:
        """Names that are neither torch's nor plain containers."""
        return tuple(self.names)

    def find_class(self, module: str, name: str) -> Any:
        """Never imports: a container, a tensor's description, or a stand-in."""
        if name.startswith("_rebuild_tensor"):
            return _tensor
        if name.startswith("_rebuild_parameter"):
            return lambda data, *_: data
        if (module, name) == ("collections", "OrderedDict"):
            return _Ordered
        own = module in ("builtins", "__builtin__")
        if not (name in BUILTINS if own else PLAIN.match(module)):
            self.names[f"{module}.{name}"] = None
        return type(name.rpartition(".")[2], (_StandIn,), {})

    def persistent_load(self, pid: Any) -> tuple[str, str, int]:
        """A storage: its element kind, its key, its number of elements."""
        _, kind, key, _, count = pid
        name = getattr(kind, "__name__", str(kind)).removesuffix("Storage")
        self.storages[str(key)] = (name, str(key), int(count))
        return self.storages[str(key)]


class _Ordered(dict[Any, Any]):
    """An ordered dictionary that takes any state."""

    def __setstate__(self, state: object) -> None:
        """The state of a stand-in is not kept."""


class _StandIn:
    """Stands for any object; takes everything and does nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __new__(cls, *_: object, **__: object) -> _StandIn:
        return object.__new__(cls)

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def __call__(self, *_: object, **__: object) -> _StandIn:
        return self

    def append(self, item: object) -> None:
        """Nothing is kept."""

    def extend(self, items: object) -> None:
        """Nothing is kept."""

    def add(self, item: object) -> None:
        """Nothing is kept."""


def _tensor(storage: Any, _offset: Any = 0, size: Any = (), *_: object) -> Tensor:
    return Tensor(storage, tuple(int(n) for n in size))
