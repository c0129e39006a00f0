"""One target a kind of input: how its seed is made, which file is changed, and what reads it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import foreign_material
from claims_evidence import RUNS
from mobile_vla.claims.read import read_document
from mobile_vla.cli.scan_table import scan_lines
from mobile_vla.episodes.episode import Episode
from mobile_vla.episodes.manifest import read_manifest
from mobile_vla.evidence import verify_checkpoint
from mobile_vla.evidence.importers.scan_folders import scan
from mobile_vla.evidence.model import RunView
from mobile_vla.evidence.run_facts import run_table
from mobile_vla.evidence.run_view import view_run
from mobile_vla.messages.catalogue import sentence
from mobile_vla.runs.files import hash_file
from mobile_vla.runs.folder import RunFolder, find_runs
from mobile_vla.study.load_study import load_study, resolve
from run_folders import STUDY, Maker

Read = Callable[[Path], Any]
LATER = datetime(2036, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Target:
    """`make` fills a folder and returns the file to change; `read` reads the folder."""

    name: str
    make: Callable[[Path], Path]
    read: Read


# --- run folders -------------------------------------------------------------------------------


def run_in(folder: Path) -> RunFolder:
    study = folder / "study.yaml"
    study.write_text(STUDY)
    maker = Maker(folder, load_study(study), study)
    return maker.finish("left_10").folder


def file_of_run(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = run_in(folder).path / name
        if not path.exists():  # a log that a finished run need not have
            path.write_text("step 1\nTraceback (most recent call last):\n  File\nOSError: full\n")
        return path.resolve()

    return make


def judge_run(folder: Path) -> None:
    """The run is judged, its facts and reasons are written, and `finished` is true."""
    verify_checkpoint._inspect.cache_clear()  # same inode, size and tick of the clock
    (run,) = find_runs(folder / "runs")
    view = view_run(run, folder, LATER)
    run_table(view, folder)
    for why in (view.why, *view.conflicts):
        sentence(why, "en"), sentence(why, "ko")
    if view.state == "finished":
        require_finished(run, view)


def require_finished(run: RunFolder, view: RunView) -> None:
    """The last event is an exit that says so, and an event names the hash of the weights."""
    events = []
    for line in run.events.read_bytes().split(b"\n"):
        try:
            events.append(json.loads(line))
        except (ValueError, RecursionError):
            continue
    last = events[-1]
    assert (last["event"], last["outcome"]) == ("exit", "finished"), "finished without an exit"
    written = {event["blake3"] for event in events if event.get("event") == "checkpoint"}
    for checkpoint in view.checkpoints:
        if checkpoint.problem is None:
            weights = run.path / "checkpoints" / Path(checkpoint.path).name / "policy.safetensors"
            assert hash_file(weights) in written, "finished with other weights"
    assert any(view.problem is None for view in view.checkpoints), "finished without weights"


# --- studies, manifests, pages, the index -------------------------------------------------------


def make_study(folder: Path) -> Path:
    path = folder / "study.yaml"
    path.write_text(STUDY)
    return path


def read_study(folder: Path) -> None:
    path = folder / "study.yaml"
    study = load_study(path)
    for case in study.cases:
        for profile in study.profiles:
            resolve(study, case, profile, 0, path)


def make_manifest(folder: Path) -> Path:
    return shutil.move(run_in(folder).manifest, folder / "manifest.json")


PAGE = """# Runs

| run | epochs | val loss | batch | data |
| --- | --- | --- | --- | --- |
| nav_left_20260503 | 3 | **0.0138** | 1 | 250 left |
| nav_leftright_20260504 | 3 | 0.0276 | 1 | 250 left + 250 right |

## Case 1: nav_left_20260503

- learning rate: 1e-4, LoRA r=32, `out/epoch=02-loss=0.0138.ckpt`
- val loss is lower than that of nav_leftright_20260504 by 0.0138 (50 %).

> baseline: 손실 0.19, 에폭 3, 시작 2026-05-02 09:30

<!-- mvla: bind Case 1 = nav_left_20260503 -->
```
val_loss 0.31
```
"""


def make_page(folder: Path) -> Path:
    return foreign_material.write(folder / "page.md", PAGE)


def read_page(folder: Path) -> None:
    data = (folder / "page.md").read_bytes()
    for claim in read_document(data, "page.md", RUNS).claims:
        assert data[claim.place.start : claim.place.end].decode() == claim.value


def make_index(folder: Path) -> Path:
    run_in(folder)
    list_cases(folder)
    return folder / "cache" / "status.sqlite"


def list_cases(folder: Path) -> None:
    from mobile_vla.evidence.case_listing import summary

    path = folder / "study.yaml"
    cases = summary(folder, load_study(path), "laptop", path)
    assert [case.state for case in cases if case.name == "left_10"] == ["finished"]


# --- runs of other programs ---------------------------------------------------------------------


def scan_folder(folder: Path) -> None:
    scan_lines(scan([folder]))


def written(name: str, content: Callable[[], str | bytes]) -> Callable[[Path], Path]:
    return lambda folder: foreign_material.write(folder / name, content())


def tensorboard(folder: Path) -> Path:
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(folder / "version_0")) as writer:
        for step in range(20):
            writer.add_scalar("val_loss", 1 / (step + 1), step)
    return next((folder / "version_0").glob("events.out.tfevents.*"))


def torch_zip(folder: Path) -> Path:
    return foreign_material.checkpoint(
        folder / "2025-12-03/case_1/epoch_epoch=09-val_loss=val_loss=0.013.ckpt", 9
    )


def trainer_state() -> str:
    history = [{"epoch": n, "step": 10 * n, "loss": 1 / n, "eval_loss": 2 / n} for n in range(1, 9)]
    return json.dumps({"global_step": 80, "max_steps": 80, "log_history": history})


def read_weights(folder: Path) -> None:
    from mobile_vla.policy.checkpoints.inspect_weights import inspect_weights

    for path in folder.rglob("*.ckpt"):
        inspect_weights(path)


def read_safetensors(folder: Path) -> None:
    from mobile_vla.policy.checkpoints.inspect_weights import inspect_weights

    inspect_weights(next(folder.rglob("policy.safetensors")))


def resume_state(folder: Path) -> Path:
    import torch

    run = run_in(folder)
    state = {"step": 40, "epoch_losses": [0.1], "best": 0.1, "optimizer": {"state": {0: {
        "exp_avg": torch.zeros(4)}}}, "random": {"cpu": torch.get_rng_state(), "gpus": []},
        "scaler": {}}  # fmt: skip
    path = run.latest.resolve() / "resume.pt"
    torch.save(state, path)
    return path


def read_resume(folder: Path) -> None:
    from mobile_vla.training.run_checkpoints import read_resume

    (run,) = find_runs(folder / "runs")
    read_resume(run)


# --- episodes ------------------------------------------------------------------------------------


def episode(number: int = 0) -> Episode:
    rng = np.random.default_rng(number)
    actions = np.zeros((6, 3), np.float32)
    actions[1:, 0], actions[2:4, 1] = 1.15, 1.15
    return Episode(
        id=f"episode_20251203_{number:06d}_1box_hori_left_core_medium",
        images=rng.integers(0, 256, (6, 12, 16, 3), dtype=np.uint8),
        actions=actions,
        instruction="go around the box on the left",
        event_types=("rest", *["key"] * 5),
    )


def hdf5(folder: Path) -> Path:
    from mobile_vla.episodes.formats.hdf5 import write_episode

    path = folder / f"{episode().id}.h5"
    write_episode(path, episode())
    return path


def check(folder: Path) -> None:
    from mobile_vla.episodes.quality.run import check_folder

    check_folder(folder)


def lerobot(*file: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        from mobile_vla.episodes.dataset import build_manifest, load_dataset
        from mobile_vla.episodes.export_lerobot import export_lerobot
        from mobile_vla.episodes.formats.hdf5 import write_episode
        from mobile_vla.episodes.manifest import write_manifest

        ours = folder / "ours"
        for number in range(2):
            write_episode(ours / f"{episode(number).id}.h5", episode(number))
        write_manifest(ours, build_manifest(ours, name="set", seed=1)[0])
        export_lerobot(load_dataset(ours), folder / "lerobot", video=False)
        shutil.rmtree(ours)
        return next((folder / "lerobot").glob("/".join(file)))

    return make


def pictures(folder: Path) -> Path:
    from PIL import Image

    place = folder / "episode_20251203_000000_1box_hori_left_core_medium"
    place.mkdir()
    for number, image in enumerate(episode().images):
        Image.fromarray(image).save(place / f"{number:04d}.png")
    with open(place / "actions.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["linear_x", "linear_y", "angular_z"])
        table.writerows(episode().actions.tolist())
    return place / "actions.csv"


def bag(mcap: bool) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        from rosbags.rosbag2 import StoragePlugin, Writer
        from rosbags.typesys import Stores, get_typestore

        store = get_typestore(Stores.ROS2_HUMBLE)
        types = store.types
        time = types["builtin_interfaces/msg/Time"](sec=0, nanosec=0)
        header = types["std_msgs/msg/Header"](stamp=time, frame_id="")
        vector = types["geometry_msgs/msg/Vector3"]
        image, twist = "sensor_msgs/msg/Image", "geometry_msgs/msg/Twist"
        plugin = StoragePlugin.MCAP if mcap else StoragePlugin.SQLITE3
        with Writer(folder / "bag", version=9, storage_plugin=plugin) as writer:
            camera = writer.add_connection("/camera", image, typestore=store)
            command = writer.add_connection("/cmd_vel", twist, typestore=store)
            for number, (picture, action) in enumerate(
                zip(episode().images, episode().actions, strict=True)
            ):
                x, y, z = map(float, action)
                moved = types[twist](
                    linear=vector(x=x, y=y, z=0.0), angular=vector(x=0.0, y=0.0, z=z)
                )
                stamp = 1000 + 400_000_000 * number
                writer.write(command, stamp, store.serialize_cdr(moved, twist))
                shot = types[image](
                    header=header, height=12, width=16, encoding="rgb8", is_bigendian=0, step=48,
                    data=picture.ravel(),
                )  # fmt: skip
                writer.write(camera, stamp, store.serialize_cdr(shot, image))
        return next((folder / "bag").glob("*.mcap" if mcap else "*.db3"))

    return make


def import_all(folder: Path) -> None:
    """Every recording is written to a data set in the folder, or refused."""
    from mobile_vla.episodes.formats.detect_format import find_sources
    from mobile_vla.episodes.formats.validation import EpisodeError

    sources = find_sources(folder / "bag" if (folder / "bag").exists() else folder)
    for source in sources.episodes:
        try:
            source.write_to(folder / "written.h5")
        except EpisodeError:
            continue


def import_lerobot(folder: Path) -> None:
    from mobile_vla.episodes.formats.detect_format import find_sources
    from mobile_vla.episodes.formats.validation import EpisodeError

    for source in find_sources(folder / "lerobot").episodes:
        try:
            source.write_to(folder / "written.h5")
        except EpisodeError:
            continue


IN_RUN = {
    "case": "case.yaml", "run_manifest": "manifest.json", "events": "events.jsonl",
    "metrics": "metrics.csv", "load_report": "load_report.json",
    "environment": "environment.json", "offline": "evaluation/offline.json",
    "rollouts": "evaluation/rollouts.json", "console": "console.log",
    "safetensors": "checkpoints/latest/policy.safetensors",
}  # fmt: skip
LOG = foreign_material.log("nav_left", [0.3, 0.1, 0.2], val=4, train=8)
CONFIG = json.dumps({**foreign_material.config("nav_left"), "exp_name": "nav_left"}, indent=1)
CURVES = "epoch,step,val_loss,train_loss\n" + "".join(
    f"{n},{8 * n},{1 / n},\n" for n in range(1, 9)
)
HPARAMS = "learning_rate: 0.0001\nbatch_size: 1\nmodel: {name: kosmos, lora: {r: 32}}\n"
LEROBOT_CONFIG = json.dumps({"policy": {"type": "act", "chunk_size": 10}, "steps": 100, "seed": 1,
                             "job_name": "act_left", "output_dir": "outputs/act"})  # fmt: skip

TARGETS = [
    *(Target(name, file_of_run(file), judge_run) for name, file in IN_RUN.items()),
    Target("study", make_study, read_study),
    Target("manifest", make_manifest, lambda folder: read_manifest(folder / "manifest.json")),
    Target("page", make_page, read_page),
    Target("index", make_index, list_cases),
    Target("log", written("train.log", lambda: LOG), scan_folder),
    Target("config", written("config.json", lambda: CONFIG), scan_folder),
    Target("lightning_csv", written("version_0/metrics.csv", lambda: CURVES), scan_folder),
    Target("hparams", written("version_0/hparams.yaml", lambda: HPARAMS), scan_folder),
    Target("trainer_state", written("step-80/trainer_state.json", trainer_state), scan_folder),
    Target("lerobot_config", written("c/train_config.json", lambda: LEROBOT_CONFIG), scan_folder),
    Target("tensorboard", tensorboard, scan_folder),
    Target("wandb", lambda f: foreign_material.wandb_file(f / "run-1.wandb", 0, 8), scan_folder),
    Target("mlflow", lambda f: foreign_material.mlflow_store(f / "m.db", "FINISHED"), scan_folder),
    Target("torch_zip", torch_zip, scan_folder),
    Target("weights_torch", torch_zip, read_weights),
    Target("weights_safetensors", file_of_run(IN_RUN["safetensors"]), read_safetensors),
    Target("resume", resume_state, read_resume),
    Target("hdf5", hdf5, check),
    Target("hdf5_import", hdf5, import_all),
    Target("lerobot_info", lerobot("meta", "info.json"), import_lerobot),
    Target("lerobot_episodes", lerobot("meta", "episodes", "*", "*.parquet"), import_lerobot),
    Target("lerobot_data", lerobot("data", "*", "*.parquet"), import_lerobot),
    Target("pictures", pictures, import_all),
    Target("bag_sqlite", bag(False), import_all),
    Target("bag_mcap", bag(True), import_all),
]  # fmt: skip
