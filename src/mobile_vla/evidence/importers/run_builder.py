"""Build the view of one run from what its files tell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from mobile_vla.evidence.flatten import NONE, flat, value_text
from mobile_vla.evidence.model import Evidence, Foreign, Known, RunView, State
from mobile_vla.evidence.run_factors import DERIVED, SETTING
from mobile_vla.messages.reason import Reason
from mobile_vla.runs.files import hash_file

HASH_LIMIT = 256 * 1024 * 1024
FACTORS: dict[str, tuple[str, ...]] = {
    "recipe.learning_rate": ("learning_rate", "lr", "optimizer.lr"),
    "recipe.weight_decay": ("weight_decay", "optimizer.weight_decay"),
    "recipe.window": ("window_size",),
    "recipe.chunk": ("fwd_pred_next_n", "policy.chunk_size"),
    "recipe.action_dim": ("act_head.action_dim",),
    "recipe.lora.r": ("train_setup.lora_r", "lora_r", "model.lora_r"),
    "recipe.lora.alpha": ("train_setup.lora_alpha", "lora_alpha"),
    "recipe.lora.dropout": ("train_setup.lora_dropout", "lora_dropout"),
    "recipe.head.kind": ("act_head.type", "policy.type"),
    "recipe.head.hidden": ("act_head.hidden_size",),
    "recipe.batch": ("batch_size",),
    "recipe.accumulate": ("trainer.accumulate_grad_batches", "accumulate_grad_batches"),
    "recipe.precision": ("trainer.precision", "precision"),
    "epochs": ("trainer.max_epochs", "max_epochs", "epochs"),
    "seed": ("seed",),
    "vlm": ("model_path", "vlm.pretrained_model_name_or_path"),
    "initial_weights": ("model_load_path",),
}
"""Our factor by the keys under which other programs keep it. `gradient_clip_val` is not among
them: RoboVLMs accepts the key and never reads it."""

NO_FACTORS = frozenset({
    "exp_name", "job_name", "task_name", "config", "raw_config_path", "log_dir", "output_dir",
    "output_root", "log_root", "cache_root", "num_workers", "logger", "log_every_n_steps",
    "log_freq", "resume", "wandb", "user", "host",
})  # fmt: skip
"""Settings that name a run, say where it writes, or how it logs."""


class Files:
    """Cites files below the scanned folder as the user would find them; hashes each once."""

    def __init__(self) -> None:
        self._hashes: dict[Path, str] = {}

    def at(self, path: Path, where: str = "") -> Evidence:
        """Evidence in a file; the hash is empty for one too large, or gone meanwhile."""
        if path not in self._hashes:
            try:
                small = path.is_file() and path.stat().st_size <= HASH_LIMIT
                self._hashes[path] = hash_file(path) if small else ""
            except OSError:
                self._hashes[path] = ""
        return Evidence(file=path.as_posix(), where=where, blake3=self._hashes[path])

    def line(self, path: Path, number: int | None, key: str = "") -> Evidence:
        """Evidence in a line, which is not known inside a huge log, and under a key."""
        line = "" if number is None else f"line {number}"
        return self.at(path, ", ".join(part for part in (line, key) if part))


def known_settings(settings: Mapping[str, Any], at: Evidence) -> dict[str, Known]:
    """A configuration, flat, each value with its key."""
    import msgspec

    place = f"{at.where}, " if at.where else ""
    return {
        key: Known(
            value=value_text(value), evidence=msgspec.structs.replace(at, where=f"{place}key {key}")
        )
        for key, value in flat(settings)
    }


def factors_of(settings: Mapping[str, Known]) -> dict[str, Known]:
    """The factors that a configuration tells, then its other settings as `setting.KEY`.

    Weights are known by path here, not by hash, so equal paths do not prove equal weights.
    """
    import msgspec

    factors = {}
    for name, keys in FACTORS.items():
        setting = next((settings[key] for key in keys if key in settings), None)
        if setting is not None:
            exact = name not in ("vlm", "initial_weights") or setting.value == NONE
            value = _canonical(name, setting.value)
            factors[name] = msgspec.structs.replace(setting, value=value, exact=exact)
    used = {key for keys in FACTORS.values() for key in keys}
    return factors | {
        f"{SETTING}{key}": setting
        for key, setting in settings.items()
        if key not in used and key.rpartition(".")[2] not in NO_FACTORS
    }


def _canonical(name: str, value: str) -> str:
    """A value in the spelling of mobile-vla's own runs: numbers, and the kinds of head."""
    if name == "recipe.head.kind":
        return next((kind for kind in ("lstm", "mlp") if kind in value.lower()), value)
    try:
        return value if value.isdigit() else f"{float(value):g}"
    except ValueError:
        return value


def derived(name: str, value: object, evidence: Evidence) -> Known:
    """A factor that was counted."""
    return Known(value=str(value), evidence=evidence, derived=name in DERIVED)


def integer(setting: Known | None) -> int | None:
    """A setting as an integer, None where it is missing or none."""
    try:
        return int(setting.value) if setting else None
    except ValueError:
        return None


def make_view(
    name: str,
    path: Path,
    verdict: tuple[State, Reason],
    evidence: list[Evidence],
    foreign: Foreign,
    *,
    conflicts: Iterable[Reason] = (),
    factors: Mapping[str, Known] | None = None,
    started: datetime | None = None,
    last_sign: datetime | None = None,
    steps: int | None = None,
    total_steps: int | None = None,
    epochs: int | None = None,
    all_losses: bool = True,
) -> RunView:
    """The view of a run that another program made: what its files cannot tell is None.

    `epochs`: those completed, where more is known than the losses. `all_losses`: none is missing,
    so the lowest is the best.
    """
    losses = foreign.val_losses
    finite = [loss.value for loss in losses if math.isfinite(loss.value)]
    loading = [view for view in foreign.checkpoints or () if view.problem is None]
    with_loss = [view for view in loading if view.val_loss is not None]
    last = max((loss.epoch for loss in losses if loss.epoch is not None), default=None)
    return RunView(
        path=path.as_posix(),
        case=name,
        resolved=None,
        state=verdict[0],
        why=verdict[1],
        evidence=evidence,
        started=started,
        last_sign=last_sign,
        steps=steps,
        total_steps=total_steps,
        seconds_per_step=None,
        epochs=epochs if last is None else max(last + 1, epochs or 0),
        train=None,
        validation=None,
        manifest_hash=None,
        train_hashes=[],
        trained_parts={},
        best_val_loss=min(finite, default=None) if all_losses else None,
        final_val_loss=losses[-1].value if losses else None,
        best=min(with_loss, key=lambda view: view.val_loss or 0.0, default=None),
        latest=loading[-1] if loading else None,
        offline=None,
        rollouts=None,
        conflicts=list(dict.fromkeys(conflicts)),
        factors=dict(factors or {}),
        checkpoints=list(foreign.checkpoints or []),
        foreign=foreign,
    )
