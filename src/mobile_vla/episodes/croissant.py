"""Croissant metadata of an exported data set: its files by sha256, and the columns of its frames.

Source: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.0.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mobile_vla.episodes.manifest import Manifest
from mobile_vla.runs.files import write_json

CROISSANT = "croissant.json"
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context that the specification asks for."""
MEDIA = {
    ".parquet": "application/x-parquet", ".mp4": "video/mp4", ".json": "application/json",
    ".md": "text/markdown",
}  # fmt: skip
KINDS = {"float32": "sc:Float", "int64": "sc:Integer"}
"""Croissant's types of LeRobot's; pictures and videos are files and no column."""


def write_croissant(folder: Path, manifest: Manifest, features: Mapping[str, Any]) -> None:
    """Write `croissant.json` for the files below `folder`. `features`: those of LeRobot's info."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    tables = [path for path in files if path.relative_to(folder).parts[0] == "data"]
    names = {path: path.relative_to(folder).as_posix() for path in files}
    document = {
        "@context": CONTEXT,
        "@type": "Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": manifest.name,
        "description": f"{len(manifest.episodes)} episodes of a mobile base as a LeRobotDataset "
        f"v3.0, with a step of {manifest.step:g} s, exported by mobile-vla from the episodes whose "
        f"manifest has the hash {manifest.hash}.",
        "version": "1.0.0",
        "distribution": [_file(path, name) for path, name in names.items()],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": f"frames-{number}",
                "name": f"frames-{number}",
                "description": f"One record a frame, of {names[table]}.",
                "field": list(_fields(f"frames-{number}", names[table], features)),
            }
            for number, table in enumerate(tables)
        ],
    }
    write_json(folder / CROISSANT, document)


def _file(path: Path, name: str) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": MEDIA.get(path.suffix, "application/octet-stream"),
        "sha256": digest,
    }


def _fields(record_set: str, table: str, features: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, feature in features.items():
        if feature["dtype"] not in KINDS:
            continue
        entry = {
            "@type": "cr:Field",
            "@id": f"{record_set}/{name}",
            "name": f"{record_set}/{name}",
            "description": _described(name, feature),
            "dataType": KINDS[feature["dtype"]],
            "source": {"fileObject": {"@id": table}, "extract": {"column": name}},
        }
        yield entry | ({"repeated": True} if feature["shape"] != [1] else {})


def _described(name: str, feature: Mapping[str, Any]) -> str:
    return f"{name}: {', '.join(feature['names'])}" if feature["names"] else name
