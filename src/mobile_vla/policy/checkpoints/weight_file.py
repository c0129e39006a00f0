"""One weight file: what it is, by its first bytes, and its tensors."""

from __future__ import annotations

import re
from pathlib import Path

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.checkpoints.torch_layout import FileContent

HEAD_BYTES = 512
LFS_POINTER = b"version https://git-lfs"
HTML = (b"<!doctype", b"<html", b"<?xml")
PRINTABLE = frozenset((*b"\t\n\r\f", *range(32, 127), *range(128, 256)))
SAFETENSORS_HEADER = 8
"""A safetensors file begins with the length of its header in 8 bytes; the header is JSON."""


def read_file(path: Path) -> FileContent:
    """The tensors of a safetensors or a torch file, mapped rather than copied where possible.

    Raises:
        UserError: the file is text, a Git LFS pointer or empty, is damaged, or holds no tensors.
    """
    if is_safetensors(path):
        return _read_safetensors(path)
    from mobile_vla.policy.checkpoints.torch_files import read_torch

    return read_torch(path)


def is_safetensors(path: Path) -> bool:
    """Whether a file is one of safetensors, by its first bytes; else it may be one of torch.

    Raises:
        UserError: the file is text, a Git LFS pointer or empty.
    """
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    _refuse_text(head, path)
    return head[SAFETENSORS_HEADER : SAFETENSORS_HEADER + 1] == b"{"


def _refuse_text(head: bytes, path: Path) -> None:
    if not head:
        raise UserError(f"{path} is empty: copy it again.")
    if head.startswith(LFS_POINTER):
        size = re.search(rb"^size (\d+)$", head, re.MULTILINE)
        of = f" of a file of {int(size[1]):,} bytes" if size else ""
        raise UserError(
            f"{path} is a Git LFS pointer{of}, not the file: run `git lfs pull` where it lies."
        )
    if head.lstrip().lower().startswith(HTML):
        raise UserError(
            f"{path} is text (HTML), no checkpoint: it is a saved web page; download the file."
        )
    if PRINTABLE.issuperset(head):
        raise UserError(f"{path} is text, no checkpoint: give a file of tensors.")


def _read_safetensors(path: Path) -> FileContent:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            tensors = {name: file.get_tensor(name) for name in names}
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, ValueError, AttributeError) as error:
        raise UserError(f"{path} is damaged or cut short ({error}): copy it again.") from error
    if not tensors:
        raise UserError(f"{path} holds no tensors: give a checkpoint with weights.")
    return FileContent("safetensors", tensors, metadata)
