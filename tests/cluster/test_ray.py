"""A study on a real Ray cluster of two nodes on this machine, one of which dies."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mobile_vla.runs.events import Checkpoint, Exit, Start
from mobile_vla.runs.folder import find_runs
from small_lab import Lab, events_of, until

ray = pytest.importorskip("ray")
from ray.cluster_utils import Cluster  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A head that runs no case, and no other node yet."""
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    yield cluster
    cluster.shutdown()


def start(lab: Lab, log: Path) -> subprocess.Popen[bytes]:
    train = [sys.executable, "-m", "mobile_vla.cli", "train", "--all", "--on", "ray"]
    where = ["--study", str(lab.study), "--workspace", str(lab.path)]
    with open(log, "wb") as file:
        return subprocess.Popen([*train, *where], stdout=file, stderr=file)


def one_case(lab: Lab) -> None:
    """Leave one case, of thirty epochs."""
    lab.change(lab.text[lab.text.index("  - name: robovlms_10") :], "")
    lab.change("epochs: 3", "epochs: 30")


def checkpoints(lab: Lab) -> list[int]:
    runs = [run for run in find_runs(lab.workspace.runs) if run.events.exists()]
    return [event.step for run in runs for event in events_of(run.events, Checkpoint)]


def test_a_case_goes_on_where_its_node_died(lab: Lab, cluster: Cluster, tmp_path: Path) -> None:
    one_case(lab)
    first = cluster.add_node(num_cpus=1)
    log = tmp_path / "queue.log"
    queue = start(lab, log)
    until(lambda: checkpoints(lab) or queue.poll() is not None, "a checkpoint")
    assert queue.poll() is None, log.read_text()
    cluster.remove_node(first, allow_graceful=False)
    cluster.add_node(num_cpus=1)
    assert queue.wait(240) == 0, log.read_text()
    said = log.read_text()
    assert "Case 1: lost (" in said
    assert "resuming Case 1" in said
    (run,) = find_runs(lab.workspace.runs)
    starts = events_of(run.events, Start)
    assert len(starts) == 2
    assert starts[1].resumed_at_step in checkpoints(lab)
    view = lab.judged("left_10")
    assert (view.state, view.conflicts) == ("finished", [])
    assert view.rollouts is not None
    assert [event.outcome for event in events_of(run.events, Exit)][-1] == "finished"


def test_without_a_cluster_a_sentence_says_so(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    log = tmp_path / "queue.log"
    assert start(lab, log).wait(120) == 2
    assert "No Ray cluster answers" in log.read_text()
    assert not list(find_runs(lab.workspace.runs))


def test_a_node_that_does_not_see_the_workspace_is_named(
    lab: Lab, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mobile_vla.cluster import ray_cluster
    from mobile_vla.messages.errors import UserError

    def elsewhere(marker: str) -> tuple[bool, dict[str, str]]:
        return look_around(f"{marker}.not_mounted")

    look_around = ray_cluster.look_around
    monkeypatch.setattr(ray_cluster, "look_around", elsewhere)
    with pytest.raises(UserError, match=r"The node \S+ does not see .*share"):
        ray_cluster.RayCluster(lab.path, 1)
    ray.shutdown()


def test_a_node_with_other_packages_is_named(
    lab: Lab, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mobile_vla.cluster import ray_cluster
    from mobile_vla.messages.errors import UserError

    monkeypatch.setattr(ray_cluster, "packages", lambda: {"torch": "1.0"})
    with pytest.raises(UserError, match=r"other packages .*torch \S+ there, 1.0 here"):
        ray_cluster.RayCluster(lab.path, 1)
    ray.shutdown()
