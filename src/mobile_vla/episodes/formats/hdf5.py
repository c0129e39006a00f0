"""The lab's own file: one episode in HDF5 (`images`, `actions`, `language_instruction`)."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mobile_vla.episodes.episode import STEP_SECONDS, Episode
from mobile_vla.episodes.formats.hdf5_strings import read_apart
from mobile_vla.episodes.formats.validation import EpisodeError, refuse_long, sound_actions
from mobile_vla.runs.files import write_atomic

if TYPE_CHECKING:
    import h5py

IMAGES, ACTIONS = "images", "actions"
EVENTS, INSTRUCTION = "action_event_types", "language_instruction"
STEP = "step_seconds"
"""Attribute of files whose step is not the lab's 0.4 s."""
DECODING = (OSError, RuntimeError, ValueError, TypeError, LookupError, ArithmeticError)
"""What h5py raises for damaged files, by where the damage is."""


def read_episode(path: Path) -> Episode:
    """Read one episode whole.

    Raises:
        EpisodeError: not readable as HDF5, a dataset missing, of wrong rank or type, lengths that
            disagree, values that are not numbers, too long, or changed while it was read.
    """
    with _opened(path) as file:
        actions = _actions(path, file)
        images = _images(path, file, len(actions))
        events = _texts(path, file, EVENTS, (len(actions),))
        instructions = _texts(path, file, INSTRUCTION, (1, len(actions))) or ("",)
        step = _step(path, file)
    if len(set(instructions)) > 1:
        raise EpisodeError(path, f"holds {len(set(instructions))} different instructions")
    return Episode(
        id=path.stem,
        images=images,
        actions=actions,
        instruction=instructions[0],
        step=step,
        event_types=events,
        source=path,
    )


def read_actions(path: Path) -> np.ndarray:
    """Read (T, 2 or 3) float32 actions and leave the images alone, as a run's preflight does.

    Raises:
        EpisodeError: as `read_episode`, as far as the actions go.
    """
    with _opened(path) as file:
        return _actions(path, file)


def write_episode(path: Path, episode: Episode, *, compression: str | None = None) -> None:
    """Write `episode` in the lab's format, whole or not at all; `compression` may be "gzip".

    The file is made in memory first: HDF5 hides from its caller that a disk was full.
    """
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        chunk = (1, *episode.images.shape[1:]) if compression else None
        file.create_dataset(IMAGES, data=episode.images, compression=compression, chunks=chunk)
        file.create_dataset(ACTIONS, data=episode.actions)
        if episode.event_types is not None:
            file.create_dataset(EVENTS, data=_fixed(episode.event_types))
        if episode.instruction:
            file.create_dataset(INSTRUCTION, data=_fixed([episode.instruction]))
        if episode.step != STEP_SECONDS:
            file.attrs[STEP] = episode.step
    write_atomic(path, buffer.getvalue())


def _fixed(texts: Iterable[str]) -> np.ndarray:
    """Texts as bytes of one length: HDF5 keeps others in a heap, and hangs where it is damaged."""
    return np.array([text.encode() for text in texts], dtype=np.bytes_)


def refuse_at_sight(path: Path) -> None:
    """Refuse what cannot be opened, is no file, or is empty.

    Raises:
        EpisodeError: one of these.
    """
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for its other end
            raise EpisodeError(path, "is no file", "not_an_episode")
        with open(path, "rb") as file:
            if not file.read(1):
                raise EpisodeError(path, "is empty (0 bytes)", "truncated")
    except OSError as error:
        raise EpisodeError(path, f"cannot be opened ({error.strerror})", "unreadable") from error


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """An open HDF5 file, whose low-level errors become sentences about the file."""
    import h5py

    refuse_at_sight(path)
    before = _stamp(path)
    try:
        file = h5py.File(path, "r")
    except DECODING as error:
        if "truncated" in str(error):
            what = "is cut off: it is shorter than its header says"
            raise EpisodeError(path, what, "truncated") from error
        raise EpisodeError(path, "is not HDF5", "not_an_episode") from error
    try:
        with file:
            yield file
    except DECODING as error:
        what = f"is damaged and cannot be decoded ({error})"
        raise EpisodeError(path, what, "unreadable") from error
    if _stamp(path) != before:
        raise EpisodeError(path, "changed while it was read", "changed")


def _stamp(path: Path) -> tuple[int, int, int]:
    """What changes when somebody writes to the file, or another takes its place."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _images(path: Path, file: h5py.File, actions: int) -> np.ndarray:
    data = _dataset(path, file, IMAGES)
    if data.ndim != 4 or data.shape[3] != 3 or data.dtype != np.uint8 or 0 in data.shape:
        raise EpisodeError(path, f"`images` is {_looks(data)}, where (T, H, W, 3) uint8 is needed")
    if len(data) != actions:
        raise EpisodeError(path, f"holds {len(data)} images but {actions} actions")
    refuse_long(path, len(data), data.size // len(data))
    images: np.ndarray = data[()]
    return images


def _actions(path: Path, file: h5py.File) -> np.ndarray:
    data = _dataset(path, file, ACTIONS)
    if data.ndim != 2 or data.shape[1] not in (2, 3) or data.dtype.kind not in "fiu":
        raise EpisodeError(path, f"`actions` is {_looks(data)}, where (T, 2 or 3) float is needed")
    refuse_long(path, len(data))
    return sound_actions(path, data[()])


def _texts(
    path: Path, file: h5py.File, name: str, lengths: tuple[int, ...]
) -> tuple[str, ...] | None:
    """The texts of an optional dataset, scalar or of any rank, of one of these lengths."""
    if name not in file:
        return None
    import h5py

    data = _dataset(path, file, name)
    text = h5py.check_string_dtype(data.dtype)
    if text is None:
        raise EpisodeError(path, f"`{name}` is {_looks(data)}, where text is needed")
    if data.size not in lengths:
        wanted = " or ".join(map(str, dict.fromkeys(lengths)))
        raise EpisodeError(path, f"`{name}` holds {data.size} texts, where {wanted} are needed")
    fixed = text.length is not None
    values = np.atleast_1d(data[()]).ravel() if fixed else read_apart(path, name)
    try:
        return tuple(value.decode() for value in values)
    except UnicodeDecodeError as error:
        raise EpisodeError(path, f"`{name}` is not UTF-8 text") from error


def _step(path: Path, file: h5py.File) -> float:
    if STEP not in file.attrs:
        return STEP_SECONDS
    kind = file.attrs.get_id(STEP)
    if kind.shape != () or kind.dtype.kind not in "fiu" or not 0 < file.attrs[STEP] < 60:
        raise EpisodeError(path, f"has no seconds between 0 and 60 as its `{STEP}`")
    return float(file.attrs[STEP])


def _dataset(path: Path, file: h5py.File, name: str) -> h5py.Dataset:
    import h5py

    data = file.get(name)
    if not isinstance(data, h5py.Dataset):
        found = ", ".join(sorted(map(str, file))) or "nothing"
        what = f"has no dataset `{name}` (it holds {found})"
        raise EpisodeError(path, what, "not_an_episode")
    return data


def _looks(data: h5py.Dataset) -> str:
    return f"{tuple(data.shape)} {data.dtype}"
