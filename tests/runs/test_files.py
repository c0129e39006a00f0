"""Files are whole or absent, and what the system refuses becomes a sentence."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec
import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.messages.errors import UserError
from mobile_vla.runs.files import (
    explain_os_error,
    folder_beside,
    hash_file,
    write_array,
    write_atomic,
    write_json,
    written_beside,
)


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    write_atomic(file, b"old")
    with pytest.raises(ZeroDivisionError), written_beside(file) as beside:
        beside.write_bytes(b"half of the n")
        raise ZeroDivisionError
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_the_new_content_is_not_seen_before_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "seen"
    write_atomic(file, b"old")
    with written_beside(file) as beside:
        beside.write_bytes(b"new")
        assert file.read_bytes() == b"old"
        assert beside.parent == file.parent
    assert file.read_bytes() == b"new"


def test_a_block_that_wrote_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError), written_beside(tmp_path / "never"):
        pass
    assert not list(tmp_path.iterdir())


def test_folders_are_made(tmp_path: Path) -> None:
    write_json(tmp_path / "a" / "b.json", {"left": 1})
    assert msgspec.json.decode((tmp_path / "a" / "b.json").read_bytes()) == {"left": 1}


def test_a_place_below_a_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match=r"below a file: choose a folder"):
        write_atomic(tmp_path / "file" / "x", b"")
    with pytest.raises(UserError, match=r"/proc/none/x"):
        write_atomic(Path("/proc/none/x"), b"")


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EACCES, "No permission to write"),
        (errno.EPERM, "No permission to write"),
        (errno.EROFS, "No permission to write"),
        (errno.ENOSPC, "The disk is full"),
        (errno.EDQUOT, "The disk is full"),
        (errno.ENOTDIR, "below a file"),
        (errno.ENOENT, "does not exist"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_every_refusal_names_the_path(number: int, told: str) -> None:
    error = explain_os_error(OSError(number, os.strerror(number)), Path("/somewhere/run"))
    assert told in str(error)
    assert "/somewhere/run" in str(error)
    assert error.exit_code == 2


@given(st.binary(max_size=5000))
def test_hash_is_blake3_of_the_bytes(data: bytes) -> None:
    file = Path(os.environ.get("TMPDIR", "/tmp")) / f"hash-{os.getpid()}"
    try:
        file.write_bytes(data)
        assert hash_file(file) == blake3(data).hexdigest()
    finally:
        file.unlink()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=np.uint16).reshape(2, 3, 4),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.zeros((0, 3), np.float32),
        np.arange(10)[::2],
    ],
)
def test_an_array_is_read_as_it_was_written(tmp_path: Path, array: np.ndarray) -> None:
    write_array(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), array)
    assert np.load(tmp_path / "a.npy").dtype == array.dtype


def test_a_new_folder_never_replaces_one_that_was_filled_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with (
        pytest.raises(UserError, match="exists already and holds files"),
        folder_beside(path, replace=False) as beside,
    ):
        (beside / "second").touch()
        with folder_beside(path, replace=False) as first:
            (first / "first").touch()
    assert [file.name for file in path.iterdir()] == ["first"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
