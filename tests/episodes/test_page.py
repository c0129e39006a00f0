"""The contact sheet, in English and Korean."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

from mobile_vla.cli.main import main
from mobile_vla.episodes.formats.hdf5 import read_episode, write_episode
from mobile_vla.episodes.quality.contact_sheet import FloorPlan, render_page
from mobile_vla.episodes.quality.run import check_folder
from mobile_vla.messages.catalogue import sentence

SPEED = 1.15


def of_side(folder: Path, direction: str) -> list[Path]:
    return sorted(folder.glob(f"*_{direction}_*.h5"))


def test_the_page_shows_each_sequence_once_with_its_count(clean) -> None:
    sequence = read_episode(of_side(clean, "right")[0]).actions
    for path in of_side(clean, "right")[:7]:
        write_episode(path, replace(read_episode(path), actions=sequence))
    of_side(clean, "left")[0].rename(clean / "episode_20251203_0_1box_<left>.h5")
    checked = check_folder(clean, full_speed=SPEED, strips=True)
    page = render_page(checked)
    assert page.count('<section class="sequence">') == 14
    assert "7 × right" in page
    assert page.count("data:image/jpeg;base64,") == 14 * 6
    assert "<left>" not in page and "&lt;left&gt;" in page
    assert "<script" not in page and "http" not in page.replace("http://www.w3.org", "")
    assert re.findall(r"(\d+) × \w+</h3>", page) == ["7", *["1"] * 13]
    assert page.index("7 × right</h3>") < page.index("1 × left</h3>")


def test_the_page_in_korean_leaves_no_finding_in_english(clean, make_episode) -> None:
    planted = {
        "a.h5": b"", "b.h5": b"text", "c.h5": of_side(clean, "left")[0].read_bytes()[:3000],
    }  # fmt: skip
    for name, content in planted.items():
        (clean / name).write_bytes(content)
    bad = {
        "images": np.zeros((5, 4, 4, 3), np.uint8), "actions": np.full((6, 3), np.nan),
        "language_instruction": np.array([b"a", b"b"] * 3), "action_event_types": np.zeros(6),
    }  # fmt: skip
    for index, (name, value) in enumerate(bad.items()):
        write_episode(clean / f"bad{index}_left.h5", make_episode(90 + index))
        with h5py.File(clean / f"bad{index}_left.h5", "a") as file:
            del file[name]
            file[name] = value
    write_episode(clean / "episode_20251204_000000_1box_right.h5", make_episode(77, "left"))
    write_episode(clean / "copy_left.h5", read_episode(of_side(clean, "left")[0]))
    write_episode(clean / "step_left.h5", make_episode(78, step=0.1))
    dark = read_episode(of_side(clean, "left")[1])
    write_episode(of_side(clean, "left")[1], replace(dark, images=dark.images // 99))
    fast = read_episode(of_side(clean, "right")[0])
    write_episode(of_side(clean, "right")[0], replace(fast, actions=fast.actions * 2))
    for path in of_side(clean, "right")[3:]:
        path.unlink()
    checked = check_folder(clean, full_speed=SPEED, strips=True)
    told = {f.check for f in checked.report.findings}
    assert len(told) >= 10, told
    for finding in checked.findings:
        assert re.search("[가-힣]", sentence(finding.reason, "ko")), finding
    page = render_page(checked, "ko")
    assert '<html lang="ko">' in page
    assert "이대로 학습하면 안 되는 문제가 있습니다" in page
    assert not re.search(
        r"\b(frames|episodes|says|holds)\b", re.sub(r"<style>.*?</style>", "", page, flags=re.S)
    )


def test_the_floor_holds_every_way_to_scale() -> None:
    ways = [np.array([[0, 0], [3, 1.5], [-1, -2]]), np.array([[0, 0], [4.0, 0.2]])]
    ground = FloorPlan.around(ways)
    for way in ways:
        for (x, y), (ahead, left) in zip(ground.points(way), way, strict=True):
            assert 0 < x < ground.width and 0 < y < ground.height
            np.testing.assert_allclose(
                [ground.y0 - y, ground.x0 - x], [ahead * ground.scale, left * ground.scale]
            )
    assert [metres for metres, _ in ground.rows()] == [-1, 0, 1, 2, 3, 4]


def test_a_language_is_of_a_page(clean, tmp_path: Path, capsys) -> None:
    page = tmp_path / "page.html"
    assert main(["episodes", "check", str(clean), "--lang", "ko", "--html", str(page)]) == 0
    assert "발견된 문제가 없습니다" in page.read_text()
    assert main(["episodes", "check", str(clean), "--lang", "ko"]) == 2
    assert "--html" in capsys.readouterr().err
