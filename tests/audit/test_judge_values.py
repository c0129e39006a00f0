"""Verdicts on values: the true and the false form of each kind."""

from __future__ import annotations

from typing import Any

import pytest

from made_claims import claim, context, known, run_view, speaking, terms
from mobile_vla.audit.judge import judge
from mobile_vla.audit.judge.verdict import Judged
from mobile_vla.claims.model import Claim
from mobile_vla.evidence.fact_table import Fact

FOUR_EPOCHS = [
    known("val_loss", 0.05, epoch=6, step=1e-4),
    known("val_loss", 0.04, epoch=7, step=1e-4),
    known("val_loss", 0.027, epoch=8, step=1e-4),
    known("val_loss", 0.0357, epoch=9, step=1e-4),
    known("val_loss", 0.027, epoch=8, qualifier="best", step=1e-4),
    known("val_loss", 0.0357, epoch=9, qualifier="final", step=1e-4),
    known("train_loss", 0.0123, epoch=9, step=1e-4),
    known("train_loss", 0.02, epoch=8, step=1e-4),
    known("best_epoch", 8),
    known("epochs", 10, qualifier="planned"),
    known("epochs", 10, qualifier="done"),
]
STOPPED = [
    known("epochs", 10, qualifier="planned"),
    known("epochs", 7, qualifier="done"),
    known("steps", 500, qualifier="planned"),
    known("steps", 350, qualifier="done"),
    known("state", "killed"),
]
GLOB = [
    known("episodes", 200, split="train"),
    known("episodes", 50, split="val"),
    known("episodes", 250),
    known("share", 0.8, split="train"),
    known("share", 0.2, split="val"),
    known("glob", "episode_20251*.h5", split="train"),
]
COUNTED = [
    known("episodes", 200, split="train"),
    known("episodes", 200, split="train", group="left"),
    known("episodes", 0, split="train", group="right"),
    known("direction", "left", split="train"),
]
LORA = [
    known("lora", "yes"),
    known("lora_r", 32),
    known("params", 55_800_000, step=1e5),
    known("trained_part", "no", group="backbone_setting"),
]
PARTS = [
    known("lora", "no"),
    known("params", 0, group="backbone"),
    known("params", 1000, group="head"),
    known("trained_part", "yes", group="head"),
    known("trained_part", "no", group="vision"),
]
DRIVES = [
    known("success", 39 / 40, trials=40),
    known("success", 20 / 20, group="left", trials=20),
    known("success", 19 / 20, group="right", trials=20),
    known("mae", 0.123456, unit="m/s", trials=40),
]
SET_UP = [
    known("learning_rate", 0.000233596350262616),
    known("weight_decay", 0.01),
    known("vlm", ".vlms/kosmos-2-patch14-224"),
    known("init", "none"),
    known("date", "2025-12-04"),
    known("size", 6_900_000_000, unit="B"),
    known("epoch_time", 375.0, step=22.5, unit="s"),
    known("checkpoint", "yes"),
    known("checkpoint_file", "epoch=08-val_loss=0.027.ckpt"),
]


def verdict(one: Claim, facts: list[Fact], page: list[Claim] | None = None) -> Judged:
    """The verdict on a claim of a run with these facts."""
    made = context(facts, page=[one, *(page or [])])
    return judge(one, speaking(made), made)


TABLE: list[tuple[list[Fact], str, str, dict[str, Any], str, str]] = [
    # best, final, and a value of no named epoch
    (FOUR_EPOCHS, "val_loss", "0.027", {"qualifier": "best"}, "supported", "agrees"),
    (FOUR_EPOCHS, "val_loss", "0.0357", {"qualifier": "best"}, "contradicted", "differs"),
    (FOUR_EPOCHS, "val_loss", "0.036", {"qualifier": "final"}, "supported", "agrees"),
    (FOUR_EPOCHS, "val_loss", "0.050", {}, "ambiguous", "of_another_epoch"),
    (FOUR_EPOCHS, "val_loss", "0.0123", {}, "ambiguous", "is_training_loss"),
    (FOUR_EPOCHS, "val_loss", "0.5", {}, "contradicted", "differs"),
    (FOUR_EPOCHS, "val_loss", "0.02701", {"qualifier": "best"}, "unsupported", "finer_than_file"),
    # values of one epoch together
    (FOUR_EPOCHS, "val_loss", "0.0357", {"epoch": 9}, "supported", "agrees"),
    (FOUR_EPOCHS, "val_loss", "0.027", {"epoch": 9}, "ambiguous", "epoch_by_other_count"),
    (FOUR_EPOCHS, "val_loss", "0.05", {"epoch": 9}, "contradicted", "value_of_other_epoch"),
    (FOUR_EPOCHS, "val_loss", "0.0357", {"epoch": 10}, "supported", "agrees"),
    (FOUR_EPOCHS, "val_loss", "0.0357", {"epoch": 9, "qualifier": "best"}, "contradicted",
     "not_the_best"),
    (FOUR_EPOCHS, "best_epoch", "8", {}, "supported", "agrees"),
    (FOUR_EPOCHS, "best_epoch", "9", {}, "ambiguous", "epoch_by_other_count"),
    (FOUR_EPOCHS, "best_epoch", "4", {}, "contradicted", "differs"),
    # planned and done
    (STOPPED, "epochs", "10", {"qualifier": "planned"}, "supported", "agrees"),
    (STOPPED, "epochs", "10", {"qualifier": "done"}, "contradicted", "planned_not_done"),
    (STOPPED, "epochs", "10", {}, "ambiguous", "planned_not_done"),
    (STOPPED, "epochs", "7", {}, "supported", "agrees"),
    (STOPPED, "epochs", "7", {"qualifier": "planned"}, "contradicted", "differs"),
    (STOPPED, "steps", "500", {"qualifier": "done"}, "contradicted", "planned_not_done"),
    (STOPPED, "steps", "400", {}, "contradicted", "differs"),
    (STOPPED[:1], "epochs", "5", {}, "ambiguous", "only_planned"),
    # counts, shares, directions, globs
    (GLOB, "episodes", "250", {}, "supported", "agrees"),
    (GLOB, "episodes", "200", {}, "ambiguous", "of_one_split"),
    (GLOB, "episodes", "50", {}, "ambiguous", "of_one_split"),
    (GLOB, "episodes", "300", {}, "contradicted", "differs"),
    (GLOB, "episodes", "250", {"group": "left"}, "unsupported", "glob_takes_all"),
    (GLOB, "episodes", "260", {"group": "left"}, "contradicted", "more_than_all"),
    (GLOB, "direction", "right", {}, "unsupported", "glob_takes_all"),
    (GLOB, "direction", "both", {}, "unsupported", "glob_takes_all"),
    (GLOB, "share", "0.8", {"split": "train"}, "supported", "agrees"),
    (GLOB, "share", "0.7", {"split": "train"}, "contradicted", "share_differs"),
    (GLOB, "glob", "episode_20251*.h5", {}, "supported", "agrees"),
    (GLOB, "glob", "episode_*_right_*.h5", {}, "contradicted", "differs"),
    (COUNTED, "direction", "left", {}, "supported", "agrees"),
    (COUNTED, "direction", "both", {}, "contradicted", "direction_differs"),
    (COUNTED, "episodes", "200", {"group": "left", "split": "train"}, "supported", "agrees"),
    (COUNTED, "episodes", "100", {"group": "right", "split": "train"}, "contradicted", "differs"),
    # what trains
    (LORA, "regime", "frozen", {}, "contradicted", "lora_trains"),
    (LORA, "regime", "frozen", {"quote": "frozen VLM + LoRA"}, "supported", "frozen_with_lora"),
    (LORA, "regime", "no_lora", {}, "contradicted", "lora_on"),
    (LORA, "regime", "lora", {}, "supported", "lora_on"),
    (LORA, "regime", "full", {}, "contradicted", "lora_on"),
    (LORA, "params", "55.8e6", {}, "supported", "agrees"),
    (LORA, "params", "55.83e6", {}, "unsupported", "finer_than_file"),
    (LORA, "params", "5.5e6", {}, "contradicted", "differs"),
    (PARTS, "regime", "frozen", {}, "supported", "backbone_parameters"),
    (PARTS, "regime", "lora", {}, "contradicted", "lora_off"),
    (PARTS, "regime", "full", {}, "contradicted", "backbone_parameters"),
    (PARTS, "trained_part", "head", {}, "supported", "part_trains"),
    (PARTS, "trained_part", "vision", {}, "contradicted", "part_frozen"),
    # overfitting, at one checkpoint
    (FOUR_EPOCHS, "overfitting", "no", {}, "contradicted", "losses_at_epoch"),
    (FOUR_EPOCHS, "overfitting", "yes", {}, "supported", "losses_at_epoch"),
    ([FOUR_EPOCHS[3]], "overfitting", "no", {}, "unsupported", "no_pair_of_losses"),
    # settings, to the digits given
    (FOUR_EPOCHS, "checkpoint_file", "epoch_epoch=09-val_loss=val_loss=0.027.ckpt", {},
     "contradicted", "differs"),
    (FOUR_EPOCHS, "checkpoint_file", "epoch_epoch=08-val_loss=val_loss=0.027.ckpt", {},
     "unsupported", "checkpoints_not_scanned"),
    (FOUR_EPOCHS, "checkpoint_file", "epoch=09-train_loss=0.027.ckpt", {},
     "unsupported", "checkpoints_not_scanned"),
    (SET_UP, "started", "2025-12-03 10:00", {"word": "2025-12-03T10:00"}, "contradicted",
     "differs"),
    (SET_UP, "started", "2025-12-04 10:00", {"word": "2025-12-04T10:00"}, "unsupported",
     "no_file_gives"),
    (SET_UP, "started", "2025-12-04", {"word": "2025-12-04"}, "supported", "agrees"),
    (LORA, "regime", "true", {"word": "frozen"}, "supported", "backbone_frozen"),
    (LORA, "regime", "false", {"word": "full"}, "contradicted", "backbone_frozen"),
    (SET_UP, "learning_rate", "2.3e-4", {}, "supported", "agrees"),
    (SET_UP, "learning_rate", "2.5e-4", {}, "contradicted", "differs"),
    (SET_UP, "weight_decay", "0.01", {}, "supported", "agrees"),
    (SET_UP, "weight_decay", "0.014", {}, "contradicted", "differs"),
    # words, files, dates, sizes, times
    (SET_UP, "vlm", "kosmos-2", {}, "supported", "agrees"),
    (SET_UP, "vlm", "kosmos-1", {}, "contradicted", "differs"),
    (SET_UP, "vlm", "paligemma", {}, "contradicted", "differs"),
    (SET_UP, "init", "none", {}, "supported", "agrees"),
    (SET_UP, "init", "robovlms", {}, "contradicted", "differs"),
    (SET_UP, "date", "2025-12-04", {}, "supported", "agrees"),
    (SET_UP, "date", "12-05", {}, "contradicted", "differs"),
    (SET_UP, "size", "6.9e9", {}, "supported", "agrees"),
    (SET_UP, "size", "1.8e9", {}, "contradicted", "differs"),
    (SET_UP, "epoch_time", "370", {}, "supported", "agrees"),
    (SET_UP, "epoch_time", "420", {}, "ambiguous", "only_roughly"),
    (SET_UP, "epoch_time", "3600", {}, "contradicted", "differs"),
    (SET_UP, "checkpoint", "yes", {}, "supported", "agrees"),
    (SET_UP, "checkpoint", "no", {}, "contradicted", "checkpoint_there"),
    (SET_UP, "checkpoint_file", "epoch=08-val_loss=0.027.ckpt", {}, "supported", "agrees"),
    (SET_UP, "checkpoint_file", "epoch=09-val_loss=0.013.ckpt", {}, "contradicted",
     "no_such_file"),
    (SET_UP, "val_loss", "0.027", {}, "unsupported", "no_file_gives"),
    # results
    (DRIVES, "success", "39", {"terms": terms("39", "40")}, "supported", "agrees"),
    (DRIVES, "success", "12", {"terms": terms("12", "20")}, "contradicted", "count_differs"),
    (DRIVES, "success", "20", {"terms": terms("20", "20")}, "ambiguous", "of_one_direction"),
    (DRIVES, "success", "0.95", {"group": "right"}, "supported", "agrees"),
    (DRIVES, "success", "0.5", {"group": "right"}, "contradicted", "count_differs"),
    (DRIVES, "mae", "0.123", {}, "supported", "agrees"),
    (DRIVES, "mae", "0.2", {}, "contradicted", "differs"),
    # states and causes
    (STOPPED, "state", "killed", {}, "supported", "state_agrees"),
    (STOPPED, "state", "finished", {}, "contradicted", "state_differs"),
    (STOPPED, "state", "running", {}, "stale", "state_differs"),
    (STOPPED, "cause", "CUDA out of memory", {"word": ""}, "unsupported", "cause_unknown"),
    ([*STOPPED, known("cause", "path")], "cause", "FileNotFoundError", {"word": ""}, "supported",
     "agrees"),
    ([*STOPPED, known("cause", "path")], "cause", "CUDA out of memory", {"word": ""},
     "contradicted", "differs"),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "quantity", "value", "fields", "expected", "code"), TABLE)
def test_values(facts, quantity, value, fields, expected, code):
    judged = verdict(claim(quantity, value, **fields), facts)
    assert (judged.verdict, judged.reason.code) == (expected, f"judge.{code}")


def test_another_value_of_the_page_fixes_from_where_it_counts():
    one = claim("val_loss", "0.027", epoch=9)
    from_one = claim("val_loss", "0.04", epoch=8)
    assert verdict(one, FOUR_EPOCHS, [from_one]).verdict == "supported"
    from_zero = claim("val_loss", "0.04", epoch=7)
    judged = verdict(one, FOUR_EPOCHS, [from_zero])
    assert (judged.verdict, judged.reason.code) == ("contradicted", "judge.value_of_other_epoch")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("episode_20251106_*_left_*.h5", "contradicted"),
        ("episode_20251106_*_right_*.h5", "unsupported"),
        ("episode_2024_*_left_*.h5", "unsupported"),
        ("episode_20251106_*.h5", "unsupported"),
    ],
)
def test_a_glob_takes_what_a_narrower_one_of_another_run_selects(pattern, expected):
    narrower = (run_view("b"), [known("glob", pattern, split="train")])
    made = context(GLOB, others={"b": narrower})
    judged = judge(claim("direction", "right"), speaking(made), made)
    assert (judged.verdict, judged.reason.code) == (expected, "judge.glob_takes_all")


def test_the_claim_itself_does_not_fix_from_where_the_page_counts():
    one = claim("val_loss", "0.027", epoch=9)
    again = claim("val_loss", "0.027", epoch=9)
    assert verdict(one, FOUR_EPOCHS, [again]).verdict == "ambiguous"


def test_a_printed_rmse_is_read_with_its_definition():
    facts = [known("rmse", 0.114, split="train", epoch=9, step=1e-3),
             known("rmse", 0.114, split="train", epoch=9, qualifier="final", step=1e-3),
             known("train_loss", 0.0131, epoch=9, step=1e-4)]  # fmt: skip
    judged = verdict(claim("rmse", "0.114", split="train"), facts)
    assert (judged.verdict, judged.reason.code) == ("ambiguous", "judge.root_of_loss")
    measured = [known("rmse", 0.114, unit="m/s", qualifier="final")]
    assert verdict(claim("rmse", "0.114"), measured).verdict == "supported"


@pytest.mark.parametrize("sure", ["candidate", "none"])
def test_a_claim_whose_run_is_not_sure_is_unbound(sure):
    judged = verdict(claim("val_loss", "0.5", sure=sure), FOUR_EPOCHS)
    assert judged.verdict == "unbound"


def test_a_failed_retry_does_not_make_a_loss_that_never_was():
    failed = run_view("a", "failed", path="runs/a/2")
    facts = [known("state", "failed"), known("epochs", 0, qualifier="done")]
    first = run_view("a", path="runs/a/1")
    made = context(facts, own=failed, earlier=[(first, FOUR_EPOCHS)])
    held = judge(claim("val_loss", "0.027", qualifier="best"), speaking(made), made)
    assert held.verdict == "supported"
    made = context(facts, own=failed)
    missing = judge(claim("val_loss", "0.027", qualifier="best"), speaking(made), made)
    assert missing.verdict == "unsupported"


def test_a_first_attempts_state_is_that_attempts():
    first = run_view("a", "failed", path="runs/a/1")
    made = context([known("state", "finished")], own=run_view("a", path="runs/a/2"),
                   earlier=[(first, [known("state", "failed")])])  # fmt: skip
    of_first = judge(claim("state", "failed", qualifier="initial"), speaking(made), made)
    of_case = judge(claim("state", "failed"), speaking(made), made)
    assert of_first.verdict == "supported"
    assert (of_case.verdict, of_case.reason.code) == ("stale", "judge.state_of_attempt")


def test_no_evidence_is_never_a_pass():
    assert verdict(claim("seed", "123"), []).verdict == "unsupported"
    made = context([])
    assert judge(claim("seed", "123", run="b"), None, made).verdict == "unsupported"
