"""msgpack with numpy arrays, as openpi (byte keys) and vla-eval (text keys) send it.

No pickle. A type and a shape are checked against the bytes before an array exists, and a message
holds at most `MAX_ITEMS` values, so its size in memory is bounded by its size on the wire.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgpack
import numpy as np

from mobile_vla.serving.pictures import decode_picture
from mobile_vla.serving.request_error import RequestError

MAX_MESSAGE = 16 << 20
"""Largest message, in bytes."""
MAX_ITEMS = 10_000
MAX_AXES = 8
_DTYPE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")


def unpack(data: bytes) -> Any:
    """Decode one message; its maps may hold arrays and encoded pictures.

    Raises:
        RequestError: the bytes are no such message; the reason names the place.
    """
    count = 0

    def counted(items: Any) -> Any:
        nonlocal count
        count += len(items)
        if count > MAX_ITEMS:
            raise RequestError("too_many_values", limit=MAX_ITEMS)
        return items

    def decode_map(items: dict[Any, Any]) -> Any:
        return _decode_map(counted(items))

    try:
        return msgpack.unpackb(data, object_hook=decode_map, list_hook=counted)
    except RequestError:
        raise
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise RequestError("not_msgpack", why=type(error).__name__) from error


def pack(value: Any, *, byte_keys: bool = True) -> bytes:
    """Encode a message. openpi marks arrays by byte keys, vla-eval by text keys."""

    def encode(item: Any) -> Any:
        if not isinstance(item, np.ndarray):
            raise TypeError(f"{type(item).__name__} cannot be sent")
        marked = {
            "__ndarray__": True, "data": item.tobytes(), "dtype": item.dtype.str,
            "shape": list(item.shape),
        }  # fmt: skip
        return {key.encode(): part for key, part in marked.items()} if byte_keys else marked

    packed: bytes = msgpack.packb(value, default=encode)
    return packed


def _decode_map(items: dict[Any, Any]) -> Any:
    plain = {_text(key): value for key, value in items.items()}
    if "__ndarray__" in plain:
        return _decode_array(plain)
    if "__npgeneric__" in plain:
        return plain.get("data")
    if "__image__" in plain:
        return _decode_array(plain) if plain.get("format") == "raw" else _decode_image(plain)
    return plain


def _decode_array(items: dict[str, Any]) -> np.ndarray:
    dtype, shape, data = _text(items.get("dtype")), items.get("shape"), items.get("data")
    if not isinstance(dtype, str) or not _DTYPE.fullmatch(dtype):
        raise RequestError("array_dtype", dtype=str(dtype)[:40])
    if not isinstance(shape, list) or len(shape) > MAX_AXES or not all(map(_is_length, shape)):
        raise RequestError("array_shape", shape=str(shape)[:80])
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if not isinstance(data, bytes) or len(data) != size:
        length = len(data) if isinstance(data, bytes) else 0
        raise RequestError("array_bytes", shape=str(shape), dtype=dtype, size=size, length=length)
    return np.frombuffer(data, dtype).reshape(shape)


def _decode_image(items: dict[str, Any]) -> np.ndarray:
    data = items.get("data")
    if not isinstance(data, bytes):
        raise RequestError("picture_undecodable")
    return decode_picture(data)


def _is_length(value: Any) -> bool:
    return type(value) is int and value >= 0


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
