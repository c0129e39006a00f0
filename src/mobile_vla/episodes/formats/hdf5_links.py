"""Names inside an HDF5 file, followed link by link so that none leaves the file unnoticed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mobile_vla.episodes.formats.validation import EpisodeError
from mobile_vla.messages.reason import reason

if TYPE_CHECKING:
    import h5py

MAX_LINKS = 16


def find_object(
    path: Path, file: h5py.File, name: str, *, follow_external: bool = False
) -> h5py.Dataset | h5py.Group | None:
    """The dataset or group called `name` in the file at `path`; None where there is none.

    Raises:
        EpisodeError: a link on the way points to nothing, leads back to itself, or leaves the
            file; or the data stand in another file (external storage, virtual dataset). With
            `follow_external`, other regular files are read.
    """
    return _Resolver(path, file, name, follow_external).walk(file["/"], name)


class _Resolver:
    def __init__(self, path: Path, file: h5py.File, name: str, follow_external: bool) -> None:
        self.path, self.file, self.name = path, file, name
        self.follow_external = follow_external
        self.links = 0

    def walk(self, group: h5py.Group, name: str) -> h5py.Dataset | h5py.Group | None:
        import h5py

        node: h5py.Dataset | h5py.Group = self.file["/"] if name.startswith("/") else group
        for part in (p for p in name.split("/") if p not in ("", ".")):
            if not isinstance(node, h5py.Group) or not node.id.links.exists(part.encode()):
                return None
            step = self._step(node, part)
            if step is None:
                return None
            node = step
        if isinstance(node, h5py.Dataset):
            self._refuse_external_data(node)
            return _beside_its_file(node) if node.external else node
        return node

    def _step(self, group: h5py.Group, part: str) -> h5py.Dataset | h5py.Group | None:
        from h5py import h5l

        kind = group.id.links.get_info(part.encode()).type
        if kind == h5l.TYPE_SOFT:
            return self._follow_soft(group, group.id.links.get_val(part.encode()).decode())
        if kind == h5l.TYPE_EXTERNAL:
            file_name = group.id.links.get_val(part.encode())[0].decode()
            self._allow_external(file_name)
        return group[part]

    def _follow_soft(self, group: h5py.Group, target: str) -> h5py.Dataset | h5py.Group:
        self.links += 1
        if self.links > MAX_LINKS:
            raise EpisodeError(self.path, reason("episode.link_circle", name=self.name))
        node = self.walk(group, target)
        if node is None:
            why = reason("episode.link_missing", name=self.name, target=target)
            raise EpisodeError(self.path, why, "not_an_episode")
        return node

    def _refuse_external_data(self, data: h5py.Dataset) -> None:
        files = [name for name, _, _ in data.external or ()]
        if data.is_virtual:
            files += [s.file_name for s in data.virtual_sources() if s.file_name != "."]
        for name in files:
            self._allow_external(name)

    def _allow_external(self, name: str) -> None:
        target = self.path.parent / name
        if not target.exists():
            why = reason("episode.link_missing", name=self.name, target=name)
            raise EpisodeError(self.path, why, "not_an_episode")
        if not self.follow_external or not target.is_file():
            why = reason("episode.outside_file", name=self.name, target=name)
            raise EpisodeError(self.path, why, "outside")


def _beside_its_file(data: h5py.Dataset) -> h5py.Dataset:
    """A dataset of external storage whose relative file names count from its own folder.

    HDF5 itself would start from the working directory, and keeps that for an open dataset.
    """
    import h5py
    from h5py import h5d, h5p

    access = h5p.create(h5p.DATASET_ACCESS)
    access.set_efile_prefix(b"${ORIGIN}")
    file, name = data.file, data.name.encode()
    data.id.close()
    return h5py.Dataset(h5d.open(file.id, name, access))
