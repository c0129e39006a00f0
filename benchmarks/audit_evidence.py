"""Made-up evidence for the corpus of the audit: logs as RoboVLMs prints them, runs of our own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mobile_vla.audit.audit_document import Proof, gather_proof
from mobile_vla.evidence.model import CaseView, CheckpointView, Evidence, Known, RunView, State
from mobile_vla.messages.reason import reason
from mobile_vla.study.models import Counts

GLOB = "episode_20251*.h5"
LEFT = (0.052, 0.040, 0.0396, 0.031, 0.024, 0.019, 0.016, 0.0142, 0.0139, 0.0131)
BOTH = (0.091, 0.064, 0.055, 0.048, 0.043, 0.039, 0.034, 0.031, 0.027, 0.0357)
TRAIN = (0.179, 0.042, 0.0321, 0.028, 0.024, 0.021, 0.018, 0.0150, 0.0140, 0.0131)
MISSING = ".vlms/RoboVLMs/checkpoints/kosmos_ph_oxe-pretrain.pt"


def make_proof(folder: Path) -> Proof:
    """Write the logs below `folder`, scan them, and put the runs of our own beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    write_log(folder / "train_20251203_225647.txt", "nav_left_20251203", LEFT, TRAIN, 200, 50)
    both = (*TRAIN[:-1], 0.0123)
    write_log(folder / "case3_20251204_150407.txt", "nav_leftright_20251204", BOTH, both, 400, 100)
    dead = folder / "robovlms_20251204_073828.txt"
    dead.write_text(_head("nav_robovlms_20251204", MISSING) + _traceback(), encoding="utf-8")
    scanned = gather_proof(None, [folder])
    return Proof([*scanned.cases, *own_cases()], folder)


def write_log(
    path: Path, name: str, val: tuple[float, ...], train: tuple[float, ...], n: int, m: int
) -> None:
    """A whole console log: configuration, data sets, a bar an epoch, the end."""
    text = _head(name, None) + _block(n, True) + "55.8 M    Trainable params\n" + _block(m, False)
    for epoch, (loss, train_loss) in enumerate(zip(val, train, strict=True)):
        text += f"\rValidation DataLoader 0: 100%|██| {m}/{m} [00:43<00:00,  2.31it/s]"
        text += (
            f"\rEpoch {epoch}: 100%|██| {n}/{n} [06:15<00:00,  1.06it/s, v_num=0_1, "
            f"train_loss={train_loss:.3g}, train_rmse_velocity_act={train_loss**0.5:.3g}, "
            f"val_loss={loss:.3g}]"
        )
    path.write_text(text + "\n`Trainer.fit` stopped: `max_epochs=10` reached.\n", encoding="utf-8")


def own_cases() -> list[CaseView]:
    """Runs as `mvla train` leaves them, as the casebook tells them."""
    left, both = Counts(left=80), Counts(left=80, right=80)
    held, held_both = Counts(left=20), Counts(left=20, right=20)
    full = {"text": 36864, "head": 118420, "action_token": 64}
    return [
        _own("sim_left_20261001", "finished", 1, left, held, 200, (0.0104, 0.0109), full),
        _own("sim_both_20261002", "finished", 2, both, held_both, 400, (0.00968, 0.0098), full),
        _own("sim_oom_20261003", "failed", 3, left, held, 12, None, full),
        _own("sim_live_20261004", "running", 4, Counts(right=80), Counts(right=20), 90, None, full),
        _own("sim_vision_20261005", "finished", 5, left, held, 200, (0.012, 0.012),
             {**full, "vision": 963136}),
    ]  # fmt: skip


def many_cases(count: int) -> list[CaseView]:
    """So many runs of our own, for the timing."""
    return [
        _own(f"many_{n:04d}_20261001", "finished", 1, Counts(left=80), Counts(left=20), 200,
             (0.0104, 0.0109), {"text": 36864, "head": 118420})
        for n in range(count)
    ]  # fmt: skip


def _own(
    name: str, state: State, day: int, train: Counts, val: Counts, steps: int,
    losses: tuple[float, float] | None, parts: dict[str, int],
) -> CaseView:  # fmt: skip
    path = f"runs/{name}/1"
    at = Evidence(file=f"{path}/events.jsonl", where="line 9")
    why = {
        "failed": reason("run.failed", progress=[12, 200], cause="CUDA out of memory"),
        "finished": reason("run.finished", progress=[200, 200]),
        "running": reason("run.alive", progress=[12, 200]),
    }[state]
    kept = None
    if losses:
        kept = CheckpointView(path=f"{path}/checkpoints/step-000200", step=200, epoch=19,
                              bytes=626_000, val_loss=losses[0], problem=None,
                              evidence=at)  # fmt: skip
    started = datetime(2026, 10, day, 12, 0, tzinfo=UTC)
    run = RunView(
        path=path, case=name, resolved=None, state=state, why=why, evidence=[at], started=started,
        last_sign=started.replace(hour=13), steps=steps, total_steps=200, seconds_per_step=0.1,
        epochs=20 if state == "finished" else steps // 10, train=train, validation=val,
        manifest_hash="0" * 64, train_hashes=[],
        trained_parts=parts, best_val_loss=losses[0] if losses else None,
        final_val_loss=losses[1] if losses else None, best=kept, latest=kept, offline=None,
        rollouts=None, conflicts=[], factors=_factors(path, steps),
    )  # fmt: skip
    return CaseView(name=name, label=None, role="case", planned=None, after=[], attempts=1,
                    runs=[run], run=run, state=state, why=why)  # fmt: skip


def _factors(path: str, steps: int) -> dict[str, Known]:
    file = f"{path}/case.yaml"
    told: dict[str, Any] = {
        "recipe.lora.r": 16, "recipe.lora.alpha": 32, "recipe.learning_rate": 0.003,
        "recipe.batch": 8, "recipe.window": 8, "recipe.chunk": 10, "epochs": 20, "seed": 123,
        "optimiser_steps": steps, "vlm": "kosmos-2", "initial_weights": "none",
    }  # fmt: skip
    return {
        key: Known(value=str(value), evidence=Evidence(file=file, where=f"key {key}"))
        for key, value in told.items()
    }


def _head(name: str, init: str | None) -> str:
    config = {
        "robovlm_name": "RoboKosMos", "exp_name": name, "window_size": 8, "fwd_pred_next_n": 10,
        "seed": 123, "batch_size": 1, "learning_rate": 0.0001, "model_load_path": init,
        "model_path": ".vlms/kosmos-2-patch14-224",
        "train_setup": {"freeze_backbone": True, "lora_enable": True, "lora_r": 32,
                        "lora_alpha": 16, "lora_dropout": 0.1},
        "trainer": {"max_epochs": 10, "accumulate_grad_batches": 8},
        "log_dir": f"runs/x/kosmos/mobile_vla_finetune/2025-12-{name[-2:]}/{name}",
    }  # fmt: skip
    return f"--------------- model configs ---------------\n{config!r}\n"


def _block(count: int, training: bool) -> str:
    return (
        f"\nMobileVLAH5Dataset initialized:\n  data_dir: /data\n  episode_pattern: {GLOB}\n"
        f"  num_episodes: {count}\n  total_frames: {18 * count}\n  is_training: {training}\n\n"
    )


def _traceback() -> str:
    return (
        "Traceback (most recent call last):\n"
        f"FileNotFoundError: [Errno 2] No such file or directory: '{MISSING}'\n"
    )
