"""Protocol-buffer messages of event files and of W&B's files, parsed by Google's library.

Only the fields that are read stand in the schema; a parser skips the others. Strings are declared
as bytes, so that one that is not UTF-8 does not lose its record. TensorBoard's compiled messages
come with packages that import torch, which scanning must not.
"""

from __future__ import annotations

from functools import cache
from typing import Any

Field = tuple[str, int, str]
SCHEMA: dict[str, tuple[Field, ...]] = {
    # tensorflow/core/util/event.proto, framework/summary.proto, framework/tensor.proto
    "Event": (("step", 2, "int64"), ("summary", 5, "Summary")),
    "Summary": (("value", 1, "*SummaryValue"),),
    "SummaryValue": (("tag", 1, "bytes"), ("simple_value", 2, "float"), ("tensor", 8, "Tensor")),
    "Tensor": (("dtype", 1, "int32"), ("content", 4, "bytes"), ("float_val", 5, "*float")),
    # wandb/proto/wandb_internal.proto
    "Record": (
        ("history", 2, "Items"),
        ("config", 5, "Items"),
        ("run", 17, "Run"),
        ("exit", 18, "Exit"),
    ),
    "Items": (("item", 1, "*Item"),),
    "Item": (("key", 1, "bytes"), ("nested_key", 2, "*bytes"), ("value_json", 16, "bytes")),
    "Run": (("run_id", 1, "bytes"), ("config", 4, "Items"), ("display_name", 8, "bytes")),
    "Exit": (("exit_code", 1, "int32"),),
}
"""Messages with their fields: name, number, type; `*` marks a repeated field."""


def parse(message: str, data: bytes) -> Any:
    """A message of the schema from its bytes.

    Raises: ValueError where it is cut or broken.
    """
    from google.protobuf.message import DecodeError

    try:
        return _classes()[message].FromString(data)
    except DecodeError as error:
        raise ValueError(str(error)) from error


@cache
def _classes() -> dict[str, Any]:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="schema.proto", package="m", syntax="proto3")
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for field in fields:
            _add_field(message, *field)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"m.{name}"))
        for name in SCHEMA
    }


def _add_field(message: Any, name: str, number: int, kind: str) -> None:
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Proto

    label = Proto.LABEL_REPEATED if kind.startswith("*") else Proto.LABEL_OPTIONAL
    field = message.field.add(name=name, number=number, label=label)
    kind = kind.removeprefix("*")
    if kind in SCHEMA:
        field.type, field.type_name = Proto.TYPE_MESSAGE, f".m.{kind}"
        return
    field.type = getattr(Proto, f"TYPE_{kind.upper()}")
    if kind == "float" and label == Proto.LABEL_OPTIONAL:  # zero is a value here, not absence
        field.proto3_optional = True
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{name}")
