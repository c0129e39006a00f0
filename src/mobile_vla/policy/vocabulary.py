"""The words and tags of the small VLMs' tokenizer, in the order of their ids."""

from __future__ import annotations

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


def pieces() -> list[tuple[str, float]]:
    """The unigram pieces with their scores, ids in list order; `▁` marks a word's beginning."""
    special = [(token, 0.0) for token in SPECIAL]
    words = [(f"▁{word}", -1.0) for word in WORDS]
    marks = [(mark, -1.0) for mark in PUNCTUATION]
    return [*special, *words, ("▁", -2.0), *marks]


def location_token(x: float, y: float) -> str:
    """The location token of a point, given from 0 to 1, x to the right and y down."""
    column = min(LOCATION_GRID - 1, max(0, int(x * LOCATION_GRID)))
    row = min(LOCATION_GRID - 1, max(0, int(y * LOCATION_GRID)))
    return f"<patch_index_{row * LOCATION_GRID + column:04d}>"
