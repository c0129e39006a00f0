"""The lab's own file: one episode in HDF5 (`images`, `actions`, `language_instruction`)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobile_vla.episodes.schema import Episode
from mobile_vla.record.errors import UserError
from mobile_vla.record.files import write_atomic

if TYPE_CHECKING:
    import h5py

IMAGES, ACTIONS = "images", "actions"
EVENTS, INSTRUCTION = "action_event_types", "language_instruction"


class EpisodeError(UserError):
    """An episode file that cannot be used: which, why, and what to do about it."""


def read_episode(path: Path) -> Episode:
    """Read one episode whole.

    Raises:
        EpisodeError: not readable as HDF5, a dataset missing, of wrong rank or type, lengths that
            disagree, or values that are not numbers.
    """
    with _opened(path) as file:
        images, actions = _images(path, file), _actions(path, file)
        if len(images) != len(actions):
            raise _bad(path, f"holds {len(images)} images but {len(actions)} actions")
        events = _texts(path, file, EVENTS)
        instructions = _texts(path, file, INSTRUCTION) or ("",)
    if len(set(instructions)) > 1:
        raise _bad(path, f"holds {len(set(instructions))} different instructions")
    return Episode(
        id=path.stem,
        images=images,
        actions=actions,
        instruction=instructions[0],
        event_types=events,
        source=path,
    )


def read_actions(path: Path) -> np.ndarray:
    """Read (T, 2 or 3) float32 actions and leave the images alone.

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
            file.create_dataset(EVENTS, data=[text.encode() for text in episode.event_types])
        file.create_dataset(INSTRUCTION, data=[episode.instruction.encode()])
    write_atomic(path, buffer.getvalue())


class _opened:
    """An open HDF5 file, whose low-level errors become sentences about the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> h5py.File:
        import h5py

        self._refuse_at_sight()
        try:
            self.file = h5py.File(self.path, "r")
        except OSError as error:
            truncated = "truncated" in str(error)
            what = "is cut off: it is shorter than its header says" if truncated else "is not HDF5"
            raise _bad(self.path, what) from error
        return self.file

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self.file.close()
        if isinstance(error, (OSError, RuntimeError)):
            raise _bad(self.path, f"is damaged and cannot be decoded ({error})") from error

    def _refuse_at_sight(self) -> None:
        try:
            with open(self.path, "rb") as file:
                if not file.read(1):
                    raise _bad(self.path, "is empty (0 bytes)")
        except OSError as error:
            raise _bad(self.path, f"cannot be opened ({error.strerror})") from error


def _images(path: Path, file: h5py.File) -> np.ndarray:
    data = _dataset(path, file, IMAGES)
    if data.ndim != 4 or data.shape[3] != 3 or data.dtype != np.uint8 or 0 in data.shape:
        raise _bad(path, f"`images` is {_looks(data)}, where (T, H, W, 3) uint8 is needed")
    images: np.ndarray = data[()]
    return images


def _actions(path: Path, file: h5py.File) -> np.ndarray:
    data = _dataset(path, file, ACTIONS)
    if data.ndim != 2 or data.shape[1] not in (2, 3) or data.dtype.kind not in "fiu":
        raise _bad(path, f"`actions` is {_looks(data)}, where (T, 2 or 3) float is needed")
    actions = np.asarray(data[()], np.float32)
    if not len(actions):
        raise _bad(path, "holds no frames")
    unsound = np.flatnonzero(~np.isfinite(actions).all(axis=1))
    if len(unsound):
        raise _bad(path, f"has NaN or infinite actions, first at frame {unsound[0]}")
    return actions


def _texts(path: Path, file: h5py.File, name: str) -> tuple[str, ...] | None:
    if name not in file:
        return None
    values = np.atleast_1d(_dataset(path, file, name)[()])
    try:
        return tuple(v.decode() if isinstance(v, bytes) else str(v) for v in values.ravel())
    except UnicodeDecodeError as error:
        raise _bad(path, f"`{name}` is not UTF-8 text") from error


def _dataset(path: Path, file: h5py.File, name: str) -> h5py.Dataset:
    import h5py

    data = file.get(name)
    if not isinstance(data, h5py.Dataset):
        found = ", ".join(sorted(file)) or "nothing"
        raise _bad(path, f"has no dataset `{name}` (it holds {found})")
    return data


def _looks(data: h5py.Dataset) -> str:
    return f"{tuple(data.shape)} {data.dtype}"


def _bad(path: Path, what: str) -> EpisodeError:
    return EpisodeError(f"{path} {what}: record or copy this episode again, or take it out.")
