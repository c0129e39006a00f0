"""Put together what the files of one foreign run tell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from mobile_vla.evidence.flatten import NONE, flat, value_text
from mobile_vla.evidence.model import Evidence, Foreign, Known, RunView, State
from mobile_vla.evidence.run_factors import DERIVED, SETTING
from mobile_vla.messages.reason import Reason, reason
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


def settings_known(settings: Mapping[str, Any], at: Evidence) -> dict[str, Known]:
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

    found = {}
    for name, keys in FACTORS.items():
        known = next((settings[key] for key in keys if key in settings), None)
        if known is not None:
            exact = name not in ("vlm", "initial_weights") or known.value == NONE
            value = _as_ours(name, known.value)
            found[name] = msgspec.structs.replace(known, value=value, exact=exact)
    used = {key for keys in FACTORS.values() for key in keys}
    return found | {
        f"{SETTING}{key}": known
        for key, known in settings.items()
        if key not in used and key.rpartition(".")[2] not in NO_FACTORS
    }


def _as_ours(name: str, value: str) -> str:
    """A value as our own runs write it: numbers, and the kinds of head."""
    if name == "recipe.head.kind":
        return next((kind for kind in ("lstm", "mlp") if kind in value.lower()), value)
    try:
        return value if value.isdigit() else f"{float(value):g}"
    except ValueError:
        return value


def derived(name: str, value: object, evidence: Evidence) -> Known:
    """A factor that was counted."""
    return Known(value=str(value), evidence=evidence, derived=name in DERIVED)


def whole_number(known: Known | None) -> int | None:
    """A setting's whole number."""
    try:
        return int(known.value) if known else None
    except ValueError:
        return None


def as_reason(note: str | Reason) -> Reason:
    """A sentence of an importer as a reason; a reason stays as it is."""
    return note if isinstance(note, Reason) else reason("run.foreign_note", text=note)


def make_view(
    name: str,
    path: Path,
    verdict: tuple[State, str | Reason],
    evidence: list[Evidence],
    foreign: Foreign,
    *,
    conflicts: Iterable[str | Reason] = (),
    factors: Mapping[str, Known] | None = None,
    started: datetime | None = None,
    last_sign: datetime | None = None,
    steps: int | None = None,
    total_steps: int | None = None,
    whole: bool = True,
) -> RunView:
    """The view of a foreign run: what its files cannot tell is None.

    `whole`: its losses are all there, so the lowest is its best.
    """
    finite = [loss.value for loss in foreign.val_losses if math.isfinite(loss.value)]
    good = [view for view in foreign.checkpoints or () if view.problem is None]
    losses = [view for view in good if view.val_loss is not None]
    return RunView(
        path=path.as_posix(),
        case=name,
        resolved=None,
        state=verdict[0],
        why=as_reason(verdict[1]),
        evidence=evidence,
        started=started,
        last_sign=last_sign,
        steps=steps,
        total_steps=total_steps,
        seconds_per_step=None,
        epochs=foreign.val_losses[-1].epoch + 1
        if foreign.val_losses and foreign.val_losses[-1].epoch is not None
        else None,
        train=None,
        validation=None,
        manifest_hash=None,
        train_hashes=[],
        trained_parts={},
        best_val_loss=min(finite, default=None) if whole else None,
        final_val_loss=foreign.val_losses[-1].value if foreign.val_losses else None,
        best=min(losses, key=lambda view: view.val_loss or 0.0, default=None),
        latest=good[-1] if good else None,
        offline=None,
        rollouts=None,
        conflicts=list(dict.fromkeys(map(as_reason, conflicts))),
        factors=dict(factors or {}),
        checkpoints=list(foreign.checkpoints or []),
        foreign=foreign,
    )
