"""The table of facts of a run: ours and scanned ones."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from made_claims import run_view
from mobile_vla.evidence.fact_table import FactKey, FactTable, digit_worth
from mobile_vla.evidence.importers.scan_folders import scan
from mobile_vla.evidence.model import Evidence
from mobile_vla.evidence.result_facts import rollout_facts
from mobile_vla.evidence.run_facts import run_table
from mobile_vla.evidence.setup_facts import glob_direction
from mobile_vla.runs.results import Rollout, Rollouts

LOG = """\
{'exp_name': 'exp_a', 'learning_rate': 0.0001, 'batch_size': 1, 'fwd_pred_next_n': 10, \
'trainer': {'max_epochs': 3, 'accumulate_grad_batches': 8}, \
'train_setup': {'freeze_backbone': True, 'lora_enable': True, 'lora_r': 32}}
MobileVLAH5Dataset initialized:
  episode_pattern: episode_20251*.h5
  num_episodes: 40
  total_frames: 720
  is_training: True
MobileVLAH5Dataset initialized:
  episode_pattern: episode_20251*.h5
  num_episodes: 10
  is_training: False
55.8 M    Trainable params
"""
BAR = (
    "Epoch {e}: 100%|##| 40/40 [01:40<00:00, 1.1it/s, train_loss={t}, train_rmse_v=0.5, "
    "val_loss={v}, val_rmse_v=0.17]\n"
)


@pytest.fixture
def table(tmp_path):
    """The facts of a scanned run that stopped after two of three epochs."""
    text = LOG
    for epoch, train, val in ((0, 0.5, 0.4), (1, 0.2, 0.289)):
        text += "Validation DataLoader 0: 100%|##| 10/10 [00:01<00:00]\n"
        text += BAR.format(e=epoch, t=train, v=val)
    (tmp_path / "exp_a_20251203_225647.txt").write_text(text)
    (run,) = scan([tmp_path]).runs
    return run_table(run, Path())


def test_planned_epochs_are_apart_from_those_that_were_done(table):
    assert table[FactKey("epochs", "planned")].value == 3
    assert table[FactKey("epochs", "done")].value == 2


def test_losses_stand_under_their_epoch_with_line_and_hash(table):
    fact = table[FactKey("val_loss", epoch=1)]
    assert (fact.value, fact.digits, fact.source.where) == (0.289, "0.289", "line 15")
    assert len(fact.source.blake3) == 64
    assert table[FactKey("train_loss", epoch=1)].value == 0.2
    assert table[FactKey("rmse", split="val", epoch=0)].value == 0.17


def test_the_best_of_a_cut_log_is_not_known(table):
    assert table.get(FactKey("val_loss", "best")) is None


def test_counts_settings_and_glob(table):
    assert table[FactKey("episodes", split="train")].value == 40
    assert table[FactKey("episodes")].value == 50
    assert table[FactKey("share", split="val")].value == pytest.approx(0.2)
    assert table[FactKey("glob", split="train")].value == "episode_20251*.h5"
    assert table.get(FactKey("direction", split="train")) is None
    assert table[FactKey("params")].step == 1e5
    assert table[FactKey("regime")].value == "lora"
    assert table[FactKey("epoch_time")].value == 100


def test_the_curves_of_a_run_of_ours_and_a_loss_that_is_no_number(tmp_path):
    folder = tmp_path / "runs/a"
    folder.mkdir(parents=True)
    rows = "epoch,step,train_loss,val_loss\n0,1,0.5,0.4\n1,2,0.25,nan\n2,3,0.2,0.3\n"
    (folder / "metrics.csv").write_text(rows)
    table = run_table(run_view("a", epochs=2), tmp_path)
    assert table[FactKey("val_loss", epoch=2)].source.where == "line 4"
    assert table.get(FactKey("val_loss", epoch=1)) is None
    assert table[FactKey("train_loss", epoch=1)].value == 0.25
    assert table[FactKey("val_loss", "best", epoch=2)].value == 0.3


def test_results_are_facts():
    at = Evidence(file="rollouts.json")
    drives = [
        Rollout(scene=scene, direction=side, success=scene > 0, collision=scene == 0, side=side,
                path_length=2.0, steps=9, path=[])
        for scene in (0, 1) for side in ("left", "right")
    ]  # fmt: skip
    rollouts = Rollouts(time=datetime.now(UTC), checkpoint="c", checkpoint_blake3="0",
                        simulator="s", max_steps=9, rollouts=drives)  # fmt: skip
    table = FactTable(rollout_facts(rollouts, at))
    assert (table[FactKey("success")].value, table[FactKey("success")].trials) == (0.5, 4)
    assert table[FactKey("collisions", group="left")].value == 0.5
    assert table[FactKey("path_length")].value == 2.0


def test_a_glob_tells_a_direction_only_by_its_word():
    assert glob_direction("episode_*_right_*.h5") == "right"
    assert glob_direction("episode_*_{left,right}_*.h5") == ""
    assert glob_direction("bright_*.h5") == ""


def test_the_worth_of_a_last_digit():
    assert digit_worth(0.0357) == 1e-4
    assert digit_worth(0.5) == 1e-3
    assert digit_worth(0.0) == 0.0
