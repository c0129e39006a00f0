"""Decoding of encoded pictures: JPEG, PNG and others that Pillow reads."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np

from mobile_vla.episodes.formats.validation import EpisodeError
from mobile_vla.messages.reason import reason


def read_picture(where: Path, file: Path | IO[bytes]) -> np.ndarray:
    """(H, W, 3) uint8 RGB of an encoded picture, turned upright by its EXIF orientation.

    Raises:
        EpisodeError: about `where`: the picture is missing or damaged.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as picture:
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except Exception as error:  # each format raises its own, SyntaxError among them
        why = reason("episode.picture_unreadable", error=str(error))
        raise EpisodeError(where, why, "unreadable") from error
