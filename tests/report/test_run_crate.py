"""The crate of a study: whole, deterministic, and valid for the validator of RO-Crate itself."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mobile_vla.cli.main import main
from run_folders import Maker
from study_states import failed, killed, running

VALIDATOR = os.environ.get("ROCRATE_PYTHON", "")
PROFILES = (
    "ro-crate-1.1", "process-run-crate-0.5", "workflow-ro-crate-1.0", "workflow-run-crate-0.5",
)  # fmt: skip


@pytest.fixture
def crate(maker: Maker, tmp_path: Path) -> Path:
    """The crate of a study with a finished, a failed, a killed and a running run."""
    maker.finish("both_20")
    failed(maker)
    killed(maker)
    running(maker, "both_20")
    folder = tmp_path / "crate"
    where = ["--study", str(maker.path), "--workspace", str(maker.workspace)]
    assert main(["report", "--crate", str(folder), *where]) == 0
    return folder


def graph(folder: Path) -> dict[str, Any]:
    entities = json.loads((folder / "ro-crate-metadata.json").read_bytes())["@graph"]
    return {entity["@id"]: entity for entity in entities}


def test_each_run_is_an_action_with_its_state(crate: Path) -> None:
    entities = graph(crate)
    actions = [entity for entity in entities.values() if entity["@type"] == "CreateAction"]
    states = sorted(action["actionStatus"]["@id"].rpartition("/")[2] for action in actions)
    assert states == [
        "ActiveActionStatus", "CompletedActionStatus", "FailedActionStatus", "FailedActionStatus",
    ]  # fmt: skip
    assert any("CUDA out of memory" in action.get("error", "") for action in actions)
    for action in actions:
        assert action["instrument"] == {"@id": "study.yaml"}
        assert {"@id": action["@id"]} in entities["./"]["mentions"]


def test_every_file_is_there_and_described(crate: Path) -> None:
    entities = graph(crate)
    parts = {part["@id"] for part in entities["./"]["hasPart"]}
    files = {path.relative_to(crate).as_posix() for path in crate.rglob("*") if path.is_file()}
    assert files == parts | {"ro-crate-metadata.json"}
    for name in parts:
        assert entities[name]["contentSize"] == str((crate / name).stat().st_size)


def test_a_folder_that_holds_something_is_refused(
    crate: Path, maker: Maker, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(crate.rglob("*"))
    where = ["--study", str(maker.path), "--workspace", str(maker.workspace)]
    assert main(["report", "--crate", str(crate), *where]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert sorted(crate.rglob("*")) == before


@pytest.mark.skipif(not VALIDATOR, reason="ROCRATE_PYTHON names no Python with roc-validator")
@pytest.mark.parametrize("profile", PROFILES)
def test_the_validator_finds_it_valid(crate: Path, profile: str) -> None:
    command = [VALIDATOR, str(Path(__file__).with_name("validate_crate.py")), str(crate), profile]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not VALIDATOR, reason="ROCRATE_PYTHON names no Python with roc-validator")
def test_the_validator_would_find_a_fault(crate: Path) -> None:
    file = crate / "ro-crate-metadata.json"
    document = json.loads(file.read_bytes())
    for entity in document["@graph"]:
        entity.pop("instrument", None)
    file.write_text(json.dumps(document))
    script = str(Path(__file__).with_name("validate_crate.py"))
    done = subprocess.run(
        [VALIDATOR, script, str(crate), PROFILES[-1]], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "instrument" in done.stdout
