from pathlib import Path

import pytest

from mobile_vla.runs.contained_path import PathOutsideError, contained_path


@pytest.mark.parametrize("name", ["a.png", "./a.png", "deep/er/a.png", "a..b.png", ".hidden"])
def test_paths_in_the_folder(name) -> None:
    assert contained_path(Path("set"), name) == Path("set") / name


@pytest.mark.parametrize(
    "name",
    ["", "/etc/passwd", "../a", "a/../../b", "a/..", "C:\\a.png", "c:a.png", "\\\\host\\share\\a",
     "\\a.png", "..\\a.png", "a\0b"],
)  # fmt: skip
def test_paths_that_leave_it(name) -> None:
    with pytest.raises(PathOutsideError) as caught:
        contained_path(Path("set"), name)
    assert caught.value.name == name
