"""`load_report.json`: what was loaded from where, what stands in the model, what trains."""

from __future__ import annotations

from typing import Literal

import msgspec


class Keys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tensor names of one part with one fate."""

    count: int
    names: tuple[str, ...]


class LoadedSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One checkpoint that was read: a VLM's folder, or a checkpoint to start from.

    `loaded`, `missing` and `mismatched` (in shape) are names of the model, by part; `unexpected`
    are names of the file that the model has no use for, by part. `bytes` and `sha256` are of the
    weight file; of several shards, the sum and the hash over their hashes. `may_miss` is what the
    case let be missing. `not_known` are inputs of the file's own model (history, hand camera) that
    neither its tensors nor a configuration tell.
    """

    role: Literal["vlm", "init"]
    path: str
    format: str
    bytes: int
    sha256: str
    loaded: dict[str, int]
    missing: dict[str, Keys]
    unexpected: dict[str, Keys]
    mismatched: dict[str, Keys]
    may_miss: tuple[str, ...] = ()
    not_known: tuple[str, ...] = ()


class Trainable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tensors of one part that training changes."""

    tensors: int
    parameters: int
    names: tuple[str, ...]


class LoadReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every source, the blake3 of the backbone's tensors after loading, and what trains by part."""

    sources: tuple[LoadedSource, ...]
    tensors_hash: str
    trainable: dict[str, Trainable]


def table(report: LoadReport) -> str:
    """A few lines for the console: each source by part, the hash of all, what trains."""
    lines = []
    for source in report.sources:
        size = f"{source.bytes / 1e6:.1f} MB"
        lines.append(
            f"weights: {source.role}: {source.path} ({source.format}, {size}, "
            f"sha256 {source.sha256[:12]})"
        )
        lines += [f"weights:   {part:<12} {_fates(source, part)}" for part in _parts(source)]
        if source.may_miss:
            lines.append(f"weights:   allowed to miss: {', '.join(source.may_miss)}")
        if source.not_known:
            lines.append(f"weights:   not known: {', '.join(source.not_known)}")
    trained = (f"{part} {tensors.parameters:,}" for part, tensors in report.trainable.items())
    lines.append(f"weights: frozen tensors have blake3 {report.tensors_hash[:12]}")
    return "\n".join([*lines, f"weights: parameters that train: {', '.join(trained)}"])


def _parts(source: LoadedSource) -> list[str]:
    return sorted({*source.loaded, *source.missing, *source.unexpected, *source.mismatched})


def _fates(source: LoadedSource, part: str) -> str:
    others = {
        "missing": source.missing,
        "not used": source.unexpected,
        "of another shape": source.mismatched,
    }
    counts = [f"{keys[part].count} {fate}" for fate, keys in others.items() if part in keys]
    return ", ".join([f"{source.loaded.get(part, 0)} loaded", *counts])
