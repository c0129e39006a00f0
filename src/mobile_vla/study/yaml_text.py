"""YAML 1.2 (core schema) by PyYAML's C parser: nothing but plain values is ever made.

PyYAML alone reads YAML 1.1, where `1e-4` is a text and `no` is false.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

DEPTH = 64
MOST_VALUES = 100_000
OPENING = (b"[", b"{", b"- ", b"? ")
CORE_SCHEMA = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
}


class YamlError(ValueError):
    """What is wrong with a YAML text, and where.

    `place`: "12:5", the line and the column from 1; None where they are not known.
    """

    def __init__(self, problem: str, mark: Any = None) -> None:
        self.problem = problem
        self.place = f"{mark.line + 1}:{mark.column + 1}" if mark else None
        line = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        super().__init__(line + problem)


class _Loader(yaml.CSafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys: set[Any] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise YamlError("a key that is no scalar", key_node.start_mark)
            key = self.construct_object(key_node)
            if key in keys:
                raise YamlError(f"the key {key!r} stands twice", key_node.start_mark)
            keys.add(key)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: Any) -> int | str:
        text = str(node.value)
        if len(text) > 4000:  # Python refuses to convert more digits
            return text
        return int(text, 0 if text[:2] in ("0o", "0x") else 10)

    def construct_yaml_float(self, node: Any) -> float:
        return float(re.sub(r"\.(inf|nan)", r"\1", node.value.lower()))


class _TextLoader(_Loader):
    yaml_implicit_resolvers: dict[str, Any] = {}


class _Dumper(yaml.CSafeDumper):
    yaml_implicit_resolvers: dict[str, Any] = {}

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _name, (_pattern, _first) in CORE_SCHEMA.items():
    for _side in (_Loader, _Dumper):
        _side.add_implicit_resolver(
            f"tag:yaml.org,2002:{_name}", re.compile(f"^(?:{_pattern})$"), _first
        )
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)


def load_yaml(data: bytes | str, scalars_as_text: bool = False) -> Any:
    """The plain content of one YAML document, None where it is empty.

    Raises:
        YamlError: it is no YAML, has a key twice, or is nested or repeated past all bounds.
    """
    data = data.encode() if isinstance(data, str) else data
    try:
        if sum(map(data.count, OPENING)) > 1000:  # deep enough to overflow the C parser's stack
            _refuse_depth(data)
        content = yaml.load(data, _TextLoader if scalars_as_text else _Loader)
    except YamlError:
        raise
    except yaml.MarkedYAMLError as error:
        problem = " ".join(filter(None, (error.context, error.problem)))
        raise YamlError(problem, error.problem_mark) from error
    except yaml.YAMLError as error:
        raise YamlError(str(error).splitlines()[0]) from error
    except RecursionError as error:
        raise YamlError(f"it is nested more than {DEPTH} deep") from error
    except Exception as error:  # constructors of dates, numbers and tags raise what they like
        raise YamlError(f"a value does not fit its tag ({error!r})") from error
    if _count(content, MOST_VALUES) < 0:
        raise YamlError("its aliases repeat far too many values")
    return content


def dump_yaml(value: Any) -> bytes:
    """`value` in block style, its keys in their order."""
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, encoding="utf-8")
    return bytes(text)


def _refuse_depth(data: bytes) -> None:
    depth = 0
    for event in yaml.parse(data, _Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH:
            raise YamlError(f"it is nested more than {DEPTH} deep", event.start_mark)


def _count(value: Any, left: int) -> int:
    """`left` less the values in `value`; below 0 where there are more, even endlessly many."""
    waiting = [value]
    while waiting and left >= 0:
        value = waiting.pop()
        left -= 1
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | set | tuple):
            waiting += value
    return left
