import os
import subprocess
import sys
from pathlib import Path

import pytest

from mobile_vla.episodes.dataset import load_dataset
from mobile_vla.episodes.direction import direction_evidence
from mobile_vla.messages.errors import UserError
from mobile_vla.simulator import render
from mobile_vla.simulator.simulate import plan_drives, simulate_dataset

SMALL = {"seed": 7, "image_size": (24, 32)}


def test_a_simulated_set_is_in_the_labs_format_and_balanced(tmp_path: Path) -> None:
    manifest_path = simulate_dataset(tmp_path / "a", left=5, right=5, **SMALL)
    dataset = load_dataset(manifest_path.parent)
    assert dataset.manifest.counts() == {"left": 5, "right": 5}
    assert len(dataset.manifest.split("val")) == 2
    for row in dataset.manifest.episodes:
        episode = dataset.read(row.id)
        assert episode.images.shape == (18, 24, 32, 3)
        told = direction_evidence(episode.instruction, row.source, episode.actions, episode.step)
        assert told.agreed == row.direction
        assert row.told_by == ["instruction", "file name", "motion"]


def test_the_content_does_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    simulate_dataset(tmp_path / "a", left=4, right=4, **SMALL)
    simulate_dataset(
        tmp_path / "b", left=4, right=4, jobs=2, progress=lambda *p: seen.append(p), **SMALL
    )
    one, two = load_dataset(tmp_path / "a").manifest, load_dataset(tmp_path / "b").manifest
    assert one.hash == two.hash
    assert seen == [(done, 8) for done in range(1, 9)]


def test_an_interrupted_simulation_goes_on_and_a_larger_one_adds(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    simulate_dataset(folder, left=3, right=2, **SMALL)
    whole = load_dataset(folder).manifest
    kept, lost = sorted(folder.glob("*.h5"))[:2]
    lost.unlink()
    (folder / "manifest.json").unlink()
    before = kept.stat().st_mtime_ns
    simulate_dataset(folder, left=3, right=2, **SMALL)
    assert load_dataset(folder).manifest.hash == whole.hash
    assert kept.stat().st_mtime_ns == before
    simulate_dataset(folder, left=4, right=2, **SMALL)
    grown = load_dataset(folder).manifest
    assert {e.id: e for e in whole.episodes}.items() <= {e.id: e for e in grown.episodes}.items()


def test_a_folder_that_is_anothers_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(UserError, match=r"thesis\.tex"):
        simulate_dataset(tmp_path, left=1, right=0, **SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]
    simulate_dataset(tmp_path / "a", left=2, right=0, **SMALL)
    with pytest.raises(UserError, match="seed 7"):
        simulate_dataset(tmp_path / "a", left=2, right=0, seed=8, image_size=(24, 32))
    with pytest.raises(UserError, match="already holds more"):
        simulate_dataset(tmp_path / "a", left=1, right=0, **SMALL)
    with pytest.raises(UserError, match="at least one"):
        simulate_dataset(tmp_path / "b", left=0, right=0, **SMALL)


@pytest.mark.parametrize("direction", ["left", "right"])
def test_no_two_drives_are_one_key_sequence(direction) -> None:
    plans = plan_drives(direction, 150, seed=1)
    keys = [plan.drive.keys for plan in plans]
    assert len(set(keys)) == 150
    assert [plan.drive.keys for plan in plan_drives(direction, 20, seed=1)] == keys[:20]
    assert not {plan.scene.seed for plan in plan_drives(direction, 20, seed=2)} & {
        plan.scene.seed for plan in plans
    }


def _choose(env: dict[str, str], code: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name != "MUJOCO_GL"}
    return subprocess.run(
        [sys.executable, "-c", code], env=clean | env, capture_output=True, text=True, check=False
    )


def test_the_backend_is_chosen_without_importing_mujoco_and_the_users_choice_stays() -> None:
    code = (
        "import os, sys; from mobile_vla.simulator.render import choose_backend;"
        "print(choose_backend(), os.environ['MUJOCO_GL'], 'mujoco' in sys.modules)"
    )
    chosen = _choose({}, code).stdout.split()
    assert chosen[0] in ("egl", "osmesa")
    assert chosen == [chosen[0], chosen[0], "False"]
    assert _choose({"MUJOCO_GL": "osmesa"}, code).stdout.split()[:2] == ["osmesa", "osmesa"]


def test_where_nothing_can_render_the_packages_are_named(monkeypatch) -> None:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(render, "egl_works", lambda: False)
    monkeypatch.setattr(render, "osmesa_works", lambda: False)
    with pytest.raises(UserError, match=r"libegl1 .*libosmesa6"):
        render.choose_backend.__wrapped__()
