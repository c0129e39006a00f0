"""A pickle walked without running it: containers, descriptions of tensors, inert stand-ins."""

from __future__ import annotations

import io
import pickle
import re
from dataclasses import dataclass
from typing import Any

PLAIN = re.compile(
    r"(torch|numpy|collections|_codecs|pathlib|argparse|lightning|pytorch_lightning|omegaconf)(\.|$)"
)
BUILTINS = frozenset({"set", "frozenset", "dict", "list", "tuple", "int", "float", "complex",
                      "bool", "str", "bytes", "bytearray", "slice", "range", "object"})  # fmt: skip
Storage = tuple[str, str, int]
"""Element kind, key in the archive, number of elements."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as the pickle describes it: a view of a storage, in elements of its type."""

    storage: Storage
    shape: tuple[int, ...]
    offset: int = 0
    strides: tuple[int, ...] = ()


class InertUnpickler(pickle._Unpickler):
    """Walks a pickle: every name in it becomes a stand-in that does nothing."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, encoding="utf-8", errors="replace")
        self.storages: dict[str, Storage] = {}
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
        builtin = module in ("builtins", "__builtin__")
        if not (name in BUILTINS if builtin else PLAIN.match(module)):
            self.names[f"{module}.{name}"] = None
        return type(name.rpartition(".")[2], (_StandIn,), {})

    def persistent_load(self, pid: Any) -> Storage:
        """A storage as its persistent id describes it."""
        _, kind, key, _, count = pid
        name = getattr(kind, "__name__", str(kind)).removesuffix("Storage")
        self.storages[str(key)] = (name, str(key), int(count))
        return self.storages[str(key)]


class _Ordered(dict[Any, Any]):
    """An ordered dictionary that takes any state."""

    def __setstate__(self, state: object) -> None:
        """The state of a stand-in is not stored."""


class _StandIn:
    """Stands for any object; takes everything and does nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __new__(cls, *_: object, **__: object) -> _StandIn:
        return object.__new__(cls)

    def __call__(self, *_: object, **__: object) -> _StandIn:
        return self

    def _ignore(self, *_: object) -> None:
        pass

    __setstate__ = __setitem__ = append = extend = add = _ignore


def _tensor(storage: Any, offset: Any = 0, size: Any = (), strides: Any = (), *_: object) -> Tensor:
    return Tensor(storage, _integers(size), int(offset), _integers(strides))


def _integers(numbers: Any) -> tuple[int, ...]:
    return tuple(int(number) for number in numbers)
