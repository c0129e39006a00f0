"""Checkpoints of other programs: read without running them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import foreign_material as make
from foreign_material import only_run
from in_english import all_en, en


def test_a_pickle_with_code_is_listed_and_never_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path}/ran",)

    make.checkpoint(tmp_path / "x/last.ckpt", 1, evil=Evil())
    run = only_run(tmp_path)
    assert not (tmp_path / "ran").exists()
    assert any("posix.system" in conflict for conflict in all_en(run.conflicts))
    view = run.foreign.checkpoints[0]  # type: ignore[index,union-attr]
    assert (view.problem, view.step) == (None, 100)


def in_zip(data: bytes, flags: int = 0, method: int = 0) -> bytes:
    """An archive whose members say that they are encrypted, or compressed in another way."""
    for head, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        parts = data.split(head)
        told = flags.to_bytes(2, "little") + method.to_bytes(2, "little")
        data = head.join([parts[0], *(p[: place - 4] + told + p[place:] for p in parts[1:])])
    return data


@pytest.mark.parametrize("damage", ["cut", "nan", "garbage", "bare", "empty", "locked", "packed"])
def test_checkpoints_that_do_not_load(tmp_path: Path, damage: str) -> None:
    import pickle

    path = make.checkpoint(tmp_path / "x/last.ckpt", 1, float("nan") if damage == "nan" else 1.0)
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[:-200], "nan": whole, "garbage": b"\x00\xff" * 500,
                      "bare": pickle.dumps({"a": 1}), "empty": b"",
                      "locked": in_zip(whole, flags=1), "packed": in_zip(whole, method=99),
                      }[damage])  # fmt: skip
    view = only_run(tmp_path).foreign.checkpoints[0]  # type: ignore[index,union-attr]
    word = {"cut": "truncated", "nan": "NaN", "garbage": "no torch", "bare": "bare pickle",
            "empty": "no torch", "locked": "encrypted", "packed": "compression",
            }[damage]  # fmt: skip
    assert view.problem is not None and word in en(view.problem)
