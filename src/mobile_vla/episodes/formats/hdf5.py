"""The lab's own file: one episode in HDF5 (`images`, `actions`, `language_instruction`)."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobile_vla.episodes.episode import STEP_SECONDS, Episode
from mobile_vla.episodes.formats.hdf5_links import find_object
from mobile_vla.episodes.formats.hdf5_open import opened
from mobile_vla.episodes.formats.hdf5_strings import read_in_process
from mobile_vla.episodes.formats.pictures import read_picture
from mobile_vla.episodes.formats.recording_map import NO_MAP, RecordingMap
from mobile_vla.episodes.formats.validation import (
    EpisodeError,
    finite_actions,
    refuse_too_long,
    stack_frames,
)
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.runs.files import write_atomic

if TYPE_CHECKING:
    import h5py

IMAGES, ACTIONS = "images", "actions"
EVENTS, INSTRUCTION = "action_event_types", "language_instruction"
INSTRUCTION_ATTRIBUTES = (INSTRUCTION, "instruction", "language", "prompt")
"""Attributes of the file that hold the instruction where the dataset is missing."""
STEP = "step_seconds"
"""Attribute of files whose step is not the lab's 0.4 s."""
ENCODED = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM")
"""First bytes of JPEG, PNG and BMP pictures."""


def read_episode(
    path: Path, *, follow_external: bool = False, mapping: RecordingMap = NO_MAP
) -> Episode:
    """Read one episode.

    `images` may also be T encoded pictures (JPEG, PNG): padded rows, byte strings or vlen bytes.
    Data in other files is refused unless `follow_external`; `mapping` names other keys and columns.

    Raises:
        EpisodeError: not readable as HDF5, a dataset missing, of wrong rank or type, lengths that
            disagree, values that are not numbers, too long, data in another file, or changed
            while it was read.
    """
    with opened(path) as file:
        reader = _Reader(path, file, follow_external, mapping)
        actions = reader.actions()
        images = reader.images(len(actions))
        events = reader.texts(EVENTS, len(actions))
        instruction = reader.instruction(len(actions))
        step = reader.step()
    return Episode(
        id=path.stem,
        images=images,
        actions=actions,
        instruction=instruction,
        step=step,
        event_types=events,
        source=path,
    )


def read_actions(path: Path) -> np.ndarray:
    """Read (T, 2 or 3) float32 actions without the images, as a run's preflight does.

    Raises:
        EpisodeError: as `read_episode`, as far as the actions go.
    """
    with opened(path) as file:
        return _Reader(path, file).actions()


def is_native(path: Path, *, with_instruction: bool = False) -> bool:
    """Whether a data set can hold the file itself, without conversion.

    It cannot where `images` are encoded, where data stand in another file, or where an
    instruction is needed and there is none.

    Raises:
        EpisodeError: the file cannot be opened, or a dataset is missing.
    """
    try:
        with opened(path) as file:
            reader = _Reader(path, file)
            if reader.dataset(IMAGES).ndim != 4 or reader.dataset(ACTIONS).ndim != 2:
                return False
            for name in (EVENTS, INSTRUCTION):
                find_object(path, file, name)
            return not with_instruction or bool(reader.instruction(len(reader.dataset(ACTIONS))))
    except EpisodeError as error:
        if error.check != "outside":
            raise
        return False


def write_episode(path: Path, episode: Episode, *, compression: str | None = None) -> None:
    """Write `episode` in the lab's format, atomically; `compression` may be "gzip".

    The file is made in memory first, because HDF5 hides a full disk from its caller.
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
    """Texts as bytes of one length; HDF5 puts others on a heap, and hangs where it is damaged."""
    return np.array([text.encode() for text in texts], dtype=np.bytes_)


class _Reader:
    """One open file; every method raises `EpisodeError` about it."""

    def __init__(
        self,
        path: Path,
        file: h5py.File,
        follow_external: bool = False,
        mapping: RecordingMap = NO_MAP,
    ) -> None:
        self.path, self.file, self.follow_external = path, file, follow_external
        self.mapping = mapping

    def dataset(self, name: str) -> h5py.Dataset:
        import h5py

        data = find_object(self.path, self.file, name, follow_external=self.follow_external)
        if not isinstance(data, h5py.Dataset):
            raise EpisodeError(self.path, _missing(self.file, name), "not_an_episode")
        return data

    def actions(self) -> np.ndarray:
        name, mapped = self.mapping.actions or ACTIONS, self.mapping.has_columns
        data = self.dataset(name)
        if data.ndim != 2 or data.dtype.kind not in "fiu" or data.shape[1] == 0:
            raise self._wrong(name, data, "(T, 2 or 3) float")
        if data.shape[1] not in (2, 3) and not mapped:
            raise self._wrong(name, data, "(T, 2 or 3) float")
        refuse_too_long(self.path, len(data), data.shape[1] * 4)
        actions = data[()]
        if mapped:
            actions = self.mapping.velocities(self.path, actions)
        return finite_actions(self.path, actions)

    def images(self, actions: int) -> np.ndarray:
        name = self.mapping.images or IMAGES
        data = self.dataset(name)
        encoded = data.ndim < 3
        if not encoded and (
            data.ndim != 4 or data.shape[3] != 3 or data.dtype != np.uint8 or 0 in data.shape
        ):
            raise self._wrong(name, data, "(T, H, W, 3) uint8")
        rows = len(data) if data.ndim else 0
        if encoded:
            first = next(self._encoded(data), b"")
            if not first.startswith(ENCODED):
                raise self._wrong(name, data, "(T, H, W, 3) uint8")
        if rows != actions:
            why = reason("episode.lengths_differ", images=rows, actions=actions)
            raise EpisodeError(self.path, why)
        refuse_too_long(self.path, rows, data.size * data.dtype.itemsize // rows)
        if encoded:
            pictures = (read_picture(self.path, io.BytesIO(row)) for row in self._encoded(data))
            return stack_frames(self.path, pictures, rows)
        images: np.ndarray = data[()]
        return images

    def _encoded(self, data: h5py.Dataset) -> Iterator[bytes]:
        """The rows of a dataset that may hold encoded pictures, as bytes."""
        import h5py

        if data.ndim == 1 and h5py.check_vlen_dtype(data.dtype) == np.uint8:
            yield from read_in_process(self.path, data.name)
        elif (data.ndim == 1 and data.dtype.kind == "S") or (
            data.ndim == 2 and data.dtype == np.uint8
        ):
            for row in data:
                yield bytes(row)

    def instruction(self, frames: int) -> str:
        """The one instruction of `frames` frames; "" where the file has none."""
        name = self.mapping.instruction or INSTRUCTION
        texts = self.texts(name, frames, single=True) or self._attribute_texts()
        if len(set(texts)) > 1:
            why = reason("episode.several_instructions", count=len(set(texts)))
            raise EpisodeError(self.path, why)
        return texts[0] if texts else ""

    def texts(self, name: str, frames: int, *, single: bool = False) -> tuple[str, ...] | None:
        """The texts of an optional dataset of any rank: one each frame or, `single`, one in all."""
        if find_object(self.path, self.file, name, follow_external=self.follow_external) is None:
            return None
        import h5py

        data = self.dataset(name)
        text = h5py.check_string_dtype(data.dtype)
        if text is None:
            why = reason("episode.not_text", name=name, shape=_shape(data))
            raise EpisodeError(self.path, why)
        if data.size not in ((1, frames) if single else (frames,)):
            code = "episode.text_count_or_one" if single and frames > 1 else "episode.text_count"
            why = reason(code, name=name, count=int(data.size), frames=frames)
            raise EpisodeError(self.path, why)
        fixed = text.length is not None
        values = np.atleast_1d(data[()]).ravel() if fixed else read_in_process(self.path, data.name)
        return self._decoded(name, values)

    def _attribute_texts(self) -> tuple[str, ...]:
        import h5py

        chosen = self.mapping.instruction
        for name in (chosen,) if chosen else INSTRUCTION_ATTRIBUTES:
            if name not in self.file.attrs:
                continue
            text = h5py.check_string_dtype(self.file.attrs.get_id(name).dtype)
            if text is None:
                continue
            if text.length is None:
                return self._decoded(name, read_in_process(self.path, "/", attribute=name))
            return self._decoded(name, np.atleast_1d(self.file.attrs[name]).ravel())
        return ()

    def _decoded(self, name: str, values: Iterable[Any]) -> tuple[str, ...]:
        try:
            return tuple(bytes(value).decode() for value in values)
        except UnicodeDecodeError as error:
            raise EpisodeError(self.path, reason("episode.not_utf8", name=name)) from error

    def step(self) -> float:
        attributes = self.file.attrs
        if self.mapping.step is not None or STEP not in attributes:
            return self.mapping.step or STEP_SECONDS
        kind = attributes.get_id(STEP)
        if kind.shape != () or kind.dtype.kind not in "fiu" or not 0 < attributes[STEP] < 60:
            raise EpisodeError(self.path, reason("episode.step_seconds", name=STEP))
        return float(attributes[STEP])

    def _wrong(self, name: str, data: h5py.Dataset, expected: str) -> EpisodeError:
        why = reason("episode.wrong_shape", name=name, shape=_shape(data), expected=expected)
        return EpisodeError(self.path, why)


def _missing(file: h5py.File, name: str) -> Reason:
    """Why there is no dataset `name`; the layouts of known recorders are named."""
    cameras = file.get("observations/images") if "observations/images" in file else None
    if "action" in file and cameras is not None:
        return reason("episode.aloha", camera=next(iter(sorted(map(str, cameras))), ""))
    demos = [key for key in file.get("data") or () if str(key).startswith("demo_")]
    if demos:
        return reason("episode.robomimic", count=len(demos))
    names = sorted(map(str, file))
    if not names:
        return reason("episode.holds_nothing", name=name)
    return reason("episode.no_dataset", name=name, content=", ".join(names))


def _shape(data: h5py.Dataset) -> str:
    return f"{tuple(data.shape)} {data.dtype}"
