"""YAML into strict models, with the line and the nearest known key in every complaint."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from mobile_vla.messages.errors import UserError, reason_of
from mobile_vla.runs.nearby import entries_below, existing_ancestor
from mobile_vla.runs.outside_files import read_regular
from mobile_vla.study.yaml_text import YamlError, load_yaml

Model = TypeVar("Model")
MOST_BYTES = 4 << 20
UNKNOWN_FIELD = re.compile(r"unknown field `(?P<key>[^`]+)`(?: - at `(?P<path>[^`]+)`)?")
AT = re.compile(r" - at `(?P<path>[^`]+)`")


def read_yaml(path: Path) -> Any:
    """The plain content of a YAML file; duplicate keys and syntax errors name line and column.

    Raises: UserError for anything that is no YAML of at most `MOST_BYTES`.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder: name the YAML file in it.")
    try:
        return load_yaml(read_regular(path, MOST_BYTES).decode("utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"There is no file {path}: check the path{_beside(path)}.") from error
    except PermissionError as error:
        raise UserError(f"No permission to read {path}: change its mode or owner.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 at byte {error.start}: save it as UTF-8.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({reason_of(error)}): check the path.") from error
    except YamlError as error:
        place = f"{path}:{error.place}" if error.place else str(path)
        raise UserError(f"{place}: not valid YAML ({error.problem}): correct it there.") from error


def convert(value: Any, model: type[Model], path: Path, where: str = "") -> Model:
    """`value` as `model`, or a `UserError` naming file, line, key and the nearest known key."""
    try:
        return msgspec.convert(value, model)
    except (msgspec.ValidationError, OverflowError, TypeError, RecursionError) as error:
        raise UserError(_complaint(str(error), model, path, where)) from error


def nearest(word: str, choices: list[str]) -> str:
    """ ", did you mean `x`?" for the nearest known word, else the list of them."""
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.5)
    return f"did you mean `{close[0]}`?" if close else f"known are {', '.join(sorted(choices))}."


def _complaint(message: str, model: type, path: Path, where: str) -> str:
    unknown = UNKNOWN_FIELD.search(message)
    if unknown is None:
        place = AT.search(message)
        key = place["path"].rsplit(".", 1)[-1] if place else ""
        line = _line_of(path, key.split("[")[0])
        return f"{path}{line}: {where}{message}: correct the value."
    key = unknown["key"]
    fields = _fields_at(model, unknown["path"] or "$")
    return f"{path}{_line_of(path, key)}: {where}unknown key `{key}`: {nearest(key, fields)}"


def _fields_at(model: type, path: str) -> list[str]:
    """Names of the keys allowed at a msgspec path such as `$.cases[...].data`."""
    info: Any = msgspec.inspect.type_info(model)
    for part in re.findall(r"\.([A-Za-z_]+)|(\[)", path):
        info = _inner(info, part[0])
    info = _struct(info)
    return [field.encode_name for field in info.fields] if info else []


def _inner(info: Any, name: str) -> Any:
    if not name:
        return getattr(info, "item_type", None) or getattr(info, "value_type", None) or info
    struct = _struct(info)
    for field in struct.fields if struct else ():
        if field.encode_name == name:
            return field.type
    return info


def _struct(info: Any) -> Any:
    if isinstance(info, msgspec.inspect.UnionType):
        return next((kind for kind in info.types if hasattr(kind, "fields")), None)
    return info if hasattr(info, "fields") else None


def _line_of(path: Path, key: str) -> str:
    """ ":12" for the first line of the file with the key."""
    if not key or not path.is_file():
        return ""
    pattern = re.compile(rf"(^|[\s{{,]){re.escape(key)}\s*:")
    text = read_regular(path, MOST_BYTES).decode("utf-8", "replace")
    for number, line in enumerate(text.splitlines(), 1):
        if pattern.search(line):
            return f":{number}"
    return ""


def _beside(path: Path) -> str:
    """What lies near a missing path: the most alike YAML below its nearest existing folder."""
    found = entries_below([existing_ancestor(path)])
    files = [str(file) for file in found if file.suffix in (".yaml", ".yml")][:200]
    close = difflib.get_close_matches(str(path.absolute()), files, n=1, cutoff=0.0)
    return f"; the nearest that exists is {close[0]}" if close else ""
