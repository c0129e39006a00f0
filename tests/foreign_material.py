"""Files as RoboVLMs, Lightning, LeRobot, MLflow and W&B leave them, made for the tests."""

from __future__ import annotations

import json
import sqlite3
import zlib
from pathlib import Path
from typing import Any

from mobile_vla.evidence.importers.scan_folders import scan
from mobile_vla.evidence.model import RunView

GLOB = "episode_20251*.h5"
RUN = "runs/{name}/kosmos/mobile_vla_finetune/2025-12-04/{name}"


def only_run(root: Path) -> RunView:
    """The one run below a folder."""
    runs = scan([root]).runs
    assert len(runs) == 1, [run.case for run in runs]
    return runs[0]


def config(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "robovlm_name": "RoboKosMos",
        "exp_name": name,
        "window_size": 8,
        "seed": 123,
        "batch_size": 1,
        "learning_rate": 1e-4,
        "model_path": ".vlms/kosmos-2-patch14-224",
        "model_load_path": None,
        "train_setup": {"freeze_backbone": True, "lora_enable": True, "lora_r": 32},
        "trainer": {"max_epochs": 3, "accumulate_grad_batches": 8},
        "train_dataset": {"episode_pattern": GLOB},
        "log_dir": RUN.format(name=name),
        **changes,
    }


def dataset_block(count: int, training: bool) -> str:
    return (
        "\nMobileVLAH5Dataset initialized:\n  data_dir: /data/dataset\n"
        f"  episode_pattern: {GLOB}\n  num_episodes: {count}\n  total_frames: {18 * count}\n"
        f"  train_split: 0.8\n  is_training: {training}\n\n"
    )


def bar(epoch: int, done: int, of: int, loss: float | None = None) -> str:
    tail = "" if loss is None else f", v_num=0_1, train_loss=0.02, val_loss={loss}"
    return (
        f"\rEpoch {epoch}: {100 * done // of:3d}%|████| {done}/{of} [00:01<00:00,  1.10it/s{tail}]"
    )


def log(
    name: str,
    losses: list[float],
    *,
    train: int = 400,
    val: int = 100,
    ending: str = "`Trainer.fit` stopped: `max_epochs=3` reached.\n",
    **changes: Any,
) -> str:
    text = "--------------- model configs ---------------\n" + repr(config(name, **changes)) + "\n"
    text += dataset_block(train, True) + "55.8 M    Trainable params\n1.7 B     Total params\n"
    text += dataset_block(val, False)
    before: float | None = None
    for epoch, loss in enumerate(losses):
        for done in (1, train // 2, train):
            text += bar(epoch, done, train, before)
        text += f"\rValidation DataLoader 0: 100%|████| {val}/{val} [00:01<00:00]"
        text += bar(epoch, train, train, loss)
        before = loss
    return text + ending


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def checkpoint(path: Path, epoch: int, value: float = 1.0, **more: Any) -> Path:
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    state = {"model.action_token": torch.tensor([value, 2.0]), "model.w": torch.zeros(2, 2).half()}
    torch.save({"epoch": epoch, "global_step": 50 * (epoch + 1), "state_dict": state, **more}, path)
    return path


def mlflow_store(path: Path, status: str) -> Path:
    with sqlite3.connect(path) as db:
        db.executescript(
            "CREATE TABLE runs (run_uuid, name, status, start_time, end_time, lifecycle_stage);"
            "CREATE TABLE params (key, value, run_uuid);"
            "CREATE TABLE metrics (key, value, timestamp, run_uuid, step, is_nan);"
        )
        row = ("abc", "case_m", status, 1764800000000, None, "active")
        db.execute("INSERT INTO runs VALUES (?,?,?,?,?,?)", row)
        db.execute("INSERT INTO params VALUES ('lr', '0.0001', 'abc')")
        for step, loss in enumerate((0.3, 0.1, 0.2)):
            db.execute("INSERT INTO metrics VALUES ('val_loss',?,0,'abc',?,0)", (loss, step))
    db.close()
    return path


def wandb_file(path: Path, exit_code: int | None, rows: int = 400) -> Path:
    records = [
        _field(17, _text(1, "id1") + _field(4, _field(1, _pair("lr", 1e-4))) + _text(8, "w"))
    ]
    for step in range(rows):
        values = {"_step": step, "epoch": step, "val_loss": 1 / (step + 1), "pad": "x" * 100}
        records.append(_field(2, b"".join(_field(1, _pair(k, v)) for k, v in values.items())))
    if exit_code is not None:
        records.append(_field(18, b"\x08" + bytes([exit_code])))
    data = bytearray(b":W&B\xef\xbe\x00")
    for record in records:
        _append(data, record)
    return write(path, bytes(data))


def _append(data: bytearray, record: bytes) -> None:
    """LevelDB's framing: blocks of 32 KiB, a record cut into first, middle and last pieces."""
    first = True
    while True:
        room = 32768 - len(data) % 32768
        if room < 7:
            data += b"\0" * room
            room = 32768
        piece, record = record[: room - 7], record[room - 7 :]
        kind = (1 if first else 4) if not record else (2 if first else 3)
        body = bytes([kind]) + piece
        data += zlib.crc32(body).to_bytes(4, "little") + len(piece).to_bytes(2, "little") + body
        first = False
        if not record:
            return


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _text(number: int, text: str) -> bytes:
    return _field(number, text.encode())


def _pair(key: str, value: Any) -> bytes:
    return _text(1, key) + _text(16, json.dumps(value))


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])
