"""`mvla push` by the real client, against a server of the Hub's protocol on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hub_server import TOKEN, Hub, running_hub
from mobile_vla.cli.main import main
from run_folders import Maker, RunMaker
from seal_keys import write_keys

pytest.importorskip("huggingface_hub")
pytest.importorskip("cryptography")


@pytest.fixture
def sealed(maker: Maker, tmp_path: Path) -> tuple[RunMaker, Path]:
    """A finished, evaluated and sealed run, and the public key."""
    run = maker.finish("left_10")
    secret, public = write_keys(tmp_path)
    assert main(["seal", str(run.folder.path), "--key", str(secret)]) == 0
    return run, public


def push(hub: Hub, run: RunMaker, *arguments: object, token: str = TOKEN) -> tuple[int, str, str]:
    """In a process of its own: the client reads its address and token once, when it starts."""
    done = subprocess.run(
        [sys.executable, "-m", "mobile_vla.cli", "push", *map(str, (run.folder.path, *arguments))],
        env=os.environ | {"HF_ENDPOINT": hub.address, "HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_weights_card_and_seal_arrive(sealed: tuple[RunMaker, Path]) -> None:
    run, public = sealed
    with running_hub() as hub:
        code, out, err = push(hub, run, "lab/left", "--key", public, "--private")
        assert (code, err) == (0, "")
        assert f"{hub.address}/lab/left/commit/" in out
    assert hub.repositories[0]["name"] == "left"
    assert hub.repositories[0]["organization"] == "lab"
    assert len(hub.commits) == 1
    weights = next(name for name in hub.files if name.endswith(".safetensors"))
    assert set(hub.files) == {"README.md", "seal.json", weights}
    assert hub.files[weights] == (run.folder.path / weights).read_bytes()
    assert hub.files["seal.json"] == (run.folder.path / "seal.json").read_bytes()
    assert hub.files["README.md"].startswith(b"---\n")


def test_a_dry_run_sends_nothing(sealed: tuple[RunMaker, Path]) -> None:
    run, public = sealed
    with running_hub() as hub:
        code, out, _ = push(hub, run, "lab/left", "--key", public, "--dry-run", "--json")
    answer = json.loads(out)
    assert (code, answer["url"]) == (0, None)
    assert {"README.md", "seal.json"} < set(answer["files"])
    assert not hub.repositories
    assert not hub.files


def test_a_run_that_does_not_hold_is_not_sent(
    sealed: tuple[RunMaker, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run, public = sealed
    metrics = run.folder.metrics
    metrics.write_bytes(metrics.read_bytes().replace(b"1", b"2", 1))
    assert main(["push", str(run.folder.path), "lab/left", "--key", str(public)]) == 2
    assert "is not pushed: " in capsys.readouterr().err
    (run.folder.path / "seal.json").unlink()
    assert main(["push", str(run.folder.path), "lab/left", "--key", str(public)]) == 2
    assert "has no seal" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("repository", "token"), [("lab/left", "hf_" + "b" * 34), ("no//name", TOKEN)]
)
def test_what_the_hub_refuses_is_a_sentence(
    sealed: tuple[RunMaker, Path], repository: str, token: str
) -> None:
    run, public = sealed
    with running_hub() as hub:
        code, _, err = push(hub, run, repository, "--key", public, token=token)
    assert code == 2
    assert "was not pushed to" in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1
