import pytest

from mobile_vla.episodes.direction import direction_evidence
from mobile_vla.episodes.filename_pattern import LAB_NAMES, NameParts, Naming
from mobile_vla.messages.errors import UserError


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (
            "episode_20251203_042905_1box_hori_left_core_medium.h5",
            NameParts("20251203", "042905", "1box_hori_core_medium", "left"),
        ),
        (
            "episode_20251203_211845_1box_hori_right_core_medium_evening.h5",
            NameParts("20251203", "211845", "1box_hori_core_medium_evening", "right"),
        ),
        ("episode_20251203_042905_2box_straight.h5",
            NameParts("20251203", "042905", "2box", "straight")),
        ("episode_20251203_042905_1box_leftish.h5", None),
        ("other.h5", None),
    ],
)  # fmt: skip
def test_the_labs_names(name, parts) -> None:
    got = LAB_NAMES.parts(name)
    if parts is None:
        assert got is None or got.direction is None
    else:
        assert got == parts


def test_another_scheme_with_its_own_words(make_episode) -> None:
    words = {"left": ["L", "좌"], "right": ["R", "우"]}
    names = Naming("run {any} {direction} {date}.hdf5", words)
    assert names.parts("run 7 L 2025-11-06.hdf5") == NameParts("2025-11-06", direction="left")
    assert names.parts("run 시험 우 2025-11-06.hdf5").direction == "right"
    assert names.parts("run 7 X 2025-11-06.hdf5") is None
    drive = make_episode(direction="left")
    told = direction_evidence("", "run 7 R 2025-11-06.hdf5", drive.actions, drive.step, names)
    assert told.file_name == "right"
    assert told.agreed is None, "it moves left"


def test_a_pattern_that_cannot_be_used_is_refused_at_once() -> None:
    with pytest.raises(UserError, match=r"the field \{side\}"):
        Naming("{date}_{side}.h5")
    with pytest.raises(UserError, match="no word"):
        Naming(words={})
