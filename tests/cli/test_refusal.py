"""A case that cannot run is refused, and all of why is said; refusing a path stays light."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from in_english import en
from mobile_vla.runs.events import Exit, Preflight
from small_lab import Lab, events_of

HEAVY = ("torch", "transformers", "peft", "lightning", "mujoco")
WATCHED = """
import sys
from mobile_vla.cli.main import main
status = main(sys.argv[1:])
print(",".join(name for name in {heavy!r} if name in sys.modules))
sys.exit(status)
"""


def watched(lab: Lab, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, which tells what it imported."""
    where = ["--study", str(lab.study), "--workspace", str(lab.path)]
    return subprocess.run(
        [sys.executable, "-c", WATCHED.format(heavy=HEAVY), *arguments, *where],
        cwd=lab.path, capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip


def test_case_2_is_refused_on_its_path_alone(lab: Lab) -> None:
    weights = lab.path / "weights" / "robot.pt"
    weights.parent.mkdir()
    weights.write_bytes(b"not looked at")
    before = set(lab.path.rglob("*"))
    done = watched(lab, "train", "Case 2")
    assert done.returncode == 1
    assert done.stdout == "\n", "something heavy was imported"
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("mvla: ")]
    assert "wieghts/robto.pt does not exist" in said
    assert f'did you mean "{weights}"?' in said
    assert "Traceback" not in done.stderr

    run = lab.the_run("robovlms_10")
    written = {path for path in set(lab.path.rglob("*")) - before if path.is_file()}
    lock = run.path.with_name(f".{run.path.name}.lock")
    head = run.path / "events.head"
    assert written == {run.case_yaml, run.events, head, run.manifest, run.console, lock}
    (ended,) = events_of(run.events, Exit)
    assert (ended.outcome, ended.step) == ("refused", 0)
    assert "mvla: " + ended.reason == said
    assert run.console.read_text() == ended.reason + "\n"
    judged = lab.judged("robovlms_10")
    assert (judged.state, en(judged.why)) == ("failed", f"refused in preflight: {ended.reason}")


def test_everything_wrong_is_said_at_once_and_a_line_each(lab: Lab) -> None:
    lab.change("package:kosmos2-tiny", "no/such/vlm")
    (lab.path / "data").unlink()
    done = lab.run("train", "Case 2")
    assert done.end() == 1
    said, run = done.faults(), lab.the_run("robovlms_10")
    parts = ("data/small", "no/such/vlm does not exist", "wieghts/robto.pt does not exist")
    assert all(part in fault for part, fault in zip(parts, said, strict=True))
    assert run.console.read_text().splitlines() == said
    assert en(lab.judged("robovlms_10").why) == f"refused in preflight: {' '.join(said)}"
    (found,) = events_of(run.events, Preflight)
    assert [(check.name, check.passed) for check in found.checks] == [
        ("episodes", False),
        ("VLM path", False),
        ("initial checkpoint path", False),
        ("trackers", True),
    ]


def test_a_robovlms_case_without_robovlms_weights_is_refused(lab: Lab) -> None:
    done = watched(lab, "train", "robovlms_bare")
    assert done.returncode == 1
    assert done.stdout == "\n", "something heavy was imported"
    assert "calls itself RoboVLMs but has no initial checkpoint" in done.stderr


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_tracker_that_is_not_installed_is_refused_at_once(lab: Lab, name: str) -> None:
    if find_spec(name) is not None:
        pytest.skip(f"{name} is installed")
    lab.change("rollout_scenes: 2", f"rollout_scenes: 2\n    record: {{loggers: [{name}]}}")
    done = watched(lab, "train", "Case 1")
    assert done.returncode == 1
    assert done.stdout == "\n", "something heavy was imported"
    said = done.stderr.splitlines()[-1]
    assert said.startswith(f"mvla: The tracker {name} is not installed: pip install 'mobile-vla[")


def test_a_check_looks_at_the_weights_that_are_there_too(lab: Lab) -> None:
    lab.change("package:kosmos2-tiny", str(lab.path / "data"))  # a folder, but of no VLM
    at_once = lab.run("train", "Case 2")
    assert at_once.end() == 1
    assert "config.json" not in at_once.sentence()
    checked = lab.run("train", "Case 2", "--check")
    assert checked.end() == 1
    said = checked.faults()
    for part in ("config.json", "wieghts/robto.pt does not exist"):
        assert sum(part in fault for fault in said) == 1


def test_a_refused_case_is_resumed_into_the_same_refusal(lab: Lab) -> None:
    assert lab.run("train", "Case 2").end() == 1
    assert lab.run("train", "Case 2", "--resume").end() == 1
    outcomes = [event.outcome for event in events_of(lab.the_run("robovlms_10").events, Exit)]
    assert outcomes == ["refused", "refused"]


def test_looking_is_light(lab: Lab, tmp_path: Path) -> None:
    for command in (["status"], ["plan"], ["compare", "--all"], ["report", "--lang", "en"]):
        done = watched(lab, *command)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "", (command, done.stdout.splitlines()[-1])
