"""The words and tags of the small VLMs' tokenizer, in the order of their ids."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from mobile_vla.messages.errors import UserError

LOCATION_GRID = 8
"""Location tokens name the cells of an 8 by 8 grid over the image."""

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")

TAGS = (
    "</doc>",
    "<image>",
    "</image>",
    "</chunk>",
    "</line>",
    "<phrase>",
    "</phrase>",
    "<object>",
    "</object>",
    "</delimiter_of_multi_objects/>",
    "<grounding>",
)
"""The tags that `Kosmos2Processor` adds to its tokenizer, in its order."""

COLOURS = (
    *("red", "orange", "yellow", "green", "cyan", "blue"),
    *("purple", "magenta", "pink", "brown", "white", "grey", "black"),
)

OBJECTS = ("box", "basket", "ball", "cylinder")

WORDS = (
    *("An", "image", "of", "a", "robot"),
    *("go", "drive", "pass", "move", "turn", "stop", "stay", "straight", "ahead", "forward"),
    *("around", "to", "the", "on", "in", "at", "from", "past", "towards", "away", "and", "then"),
    *("left", "right", "middle", "centre", "front", "behind", "beside", "between"),
    *("there", "is", "are", "no", "not", "what", "where", "which", "it", "colour"),
    *("near", "far", "close", "small", "large", "empty", "floor", "nothing"),
    *OBJECTS,
    *COLOURS,
)

PUNCTUATION = (",", ".", "?", ":")


def pieces(more: Sequence[str] = ()) -> list[tuple[str, float]]:
    """The unigram pieces with their scores, ids in list order; `▁` marks a word's beginning.

    `more`: words in addition to `WORDS`.
    """
    special = [(token, 0.0) for token in SPECIAL]
    words = [(f"▁{word}", -1.0) for word in dict.fromkeys((*WORDS, *more))]
    marks = [(mark, -1.0) for mark in PUNCTUATION]
    return [*special, *words, ("▁", -2.0), *marks]


def read_words(path: Path) -> tuple[str, ...]:
    """The words of a text file, such as a list of instructions, without its punctuation.

    Raises:
        UserError: the file cannot be read, is no UTF-8 text, or holds no word.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as text: give a UTF-8 file of words.") from error
    words = tuple(dict.fromkeys(re.findall(r"[^\W_]+", text)))
    if not words:
        raise UserError(f"{path} holds no word: list the words of your instructions.")
    return words


def nearest_words(text: str, vocabulary: Collection[str]) -> str:
    """For each word of `text` that is not in `vocabulary`, the nearest words that are.

    >>> nearest_words("go lefft", ["go", "left", "right"])
    '"lefft" (nearest: left)'
    """
    plain = re.sub(r"<[^>]*>", " ", text)
    words = dict.fromkeys(re.findall(r"[^\W_]+", plain))
    unknown = [word for word in words if word not in vocabulary]
    hints = []
    for word in unknown:
        close = difflib.get_close_matches(word, sorted(vocabulary), n=3, cutoff=0.7)
        hints.append(f'"{word}" (nearest: {", ".join(close)})' if close else f'"{word}"')
    return ", ".join(hints)


def location_token(x: float, y: float) -> str:
    """The location token of a point, given from 0 to 1, x to the right and y down."""
    column = min(LOCATION_GRID - 1, max(0, int(x * LOCATION_GRID)))
    row = min(LOCATION_GRID - 1, max(0, int(y * LOCATION_GRID)))
    return f"<patch_index_{row * LOCATION_GRID + column:04d}>"
