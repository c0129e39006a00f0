"""Validation losses: a row each, under the names that trainers give them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import foreign_material as make
from foreign_material import only_run
from in_english import all_en
from mobile_vla.cli.main import main
from mobile_vla.cli.scan_table import _epochs, _loss
from mobile_vla.evidence.importers.scan_folders import scan
from mobile_vla.evidence.model import RunView
from run_folders import Maker

QUARTERS = "epoch,step,val_loss\n0,24,0.5\n0,49,0.1\n0,74,0.3\n1,124,0.35\n1,199,0.32\n"


def rows(run: RunView) -> list[tuple[int | None, int | None, float]]:
    assert run.foreign is not None
    return [(loss.epoch, loss.step, round(loss.value, 4)) for loss in run.foreign.val_losses]


def epochs(run: RunView) -> str:
    assert run.foreign is not None
    return _epochs(run, run.foreign)


def scalars(folder: Path, values: dict[int, float], tag: str = "val_loss") -> None:
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for step, value in values.items():
            writer.add_scalar(tag, value, step)


def test_several_validations_an_epoch_are_several(tmp_path: Path) -> None:
    make.write(tmp_path / "version_0/metrics.csv", QUARTERS)
    make.checkpoint(tmp_path / "version_0/checkpoints/epoch=0-val_loss=0.1000.ckpt", 0)
    run = only_run(tmp_path)
    assert len(rows(run)) == 5 and (run.best_val_loss, run.final_val_loss) == (0.1, 0.32)
    assert _loss(run) == "best 0.1 (epoch 0, step 49), final 0.32 (epoch 1, step 199)"
    assert run.conflicts == []
    assert run.best is not None and run.best.val_loss == 0.1


@pytest.mark.parametrize(
    "name",
    ["valid_loss", "val_loss_epoch", "val/total_loss", "loss/val", "eval_loss", "eval/loss",
     "validation_loss", "Val_Loss", "dev_loss", "avg_val_loss", "Loss/validation"],
)  # fmt: skip
def test_a_usual_name_is_read(tmp_path: Path, name: str) -> None:
    make.write(tmp_path / "a/metrics.csv", f"epoch,step,{name}\n0,9,0.5\n1,19,0.25\n")
    assert rows(only_run(tmp_path)) == [(0, 9, 0.5), (1, 19, 0.25)]


@pytest.mark.parametrize("name", ["val_action_mse", "val_loss_step", "val_loss_arm", "val_acc"])
def test_another_name_is_named_and_not_read(tmp_path: Path, name: str) -> None:
    make.write(tmp_path / "a/metrics.csv", f"epoch,step,{name}\n0,9,0.5\n")
    run = only_run(tmp_path)
    assert rows(run) == [] and any(name in note for note in all_en(run.conflicts))


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffepoch,step,val_loss\n0,9,0.5\n1,19,0.3\n",
        '"epoch","step","val_loss"\n"0","9","0.5"\n"1","19","0.3"\n',
        "epoch, step, val_loss\n0, 9, 0.5\n1, 19, 0.3\n",
        "epoch;step;val_loss\n0;9;0,5\n1;19;0,3\n",
        "epoch\tstep\tval_loss\n0\t9\t0.5\n1\t19\t0.3\n",
        "epoch,step,val_loss\n0,9,0.5\nepoch,step,val_loss\n1,19,0.3\n",
        "epoch,step,train_loss\n0,3,1\nepoch,step,train_loss,val_loss\n0,9,,0.5\n1,19,,0.3\n",
    ],
    ids=["byte-order mark", "quoted", "blanks", "semicolon", "tab", "head twice", "longer head"],
)
def test_heads_as_programs_write_them(tmp_path: Path, text: str) -> None:
    make.write(tmp_path / "a/metrics.csv", text)
    assert rows(only_run(tmp_path)) == [(0, 9, 0.5), (1, 19, 0.3)]


def test_no_epoch_column_is_unknown_and_never_zero(tmp_path: Path) -> None:
    make.write(tmp_path / "a/metrics.csv", "step,val_loss\n9,0.5\n19,0.3\n")
    run = only_run(tmp_path)
    assert rows(run) == [(None, 9, 0.5), (None, 19, 0.3)] and run.epochs is None
    assert epochs(run) == "? of ?"
    assert _loss(run) == "best 0.3 (step 19), final 0.3 (step 19)"


def test_epochs_without_a_validation_loss_are_counted(tmp_path: Path) -> None:
    text = "epoch,step,train_loss\n" + "".join(f"{e},{e},0.1\n" for e in range(30))
    make.write(tmp_path / "a/metrics.csv", text)
    assert epochs(only_run(tmp_path)) == "30 of ?"


def test_tensorboard_without_epochs_invents_none(tmp_path: Path) -> None:
    scalars(tmp_path / "x", {25: 0.5, 50: 0.1, 75: 0.3})
    run = only_run(tmp_path)
    assert rows(run) == [(None, 25, 0.5), (None, 50, 0.1), (None, 75, 0.3)]
    assert run.epochs is None and run.foreign is not None and run.foreign.maker == "unknown"


def test_a_resumed_tensorboard_folder_keeps_the_later_value_of_a_step(tmp_path: Path) -> None:
    scalars(tmp_path / "x", {100: 0.5, 200: 0.4, 300: 0.3})
    (first,) = (tmp_path / "x").iterdir()
    first.rename(tmp_path / "x/events.out.tfevents.1.a")
    scalars(tmp_path / "x", {300: 0.29, 400: 0.2})
    assert rows(only_run(tmp_path)) == [
        (None, 100, 0.5), (None, 200, 0.4), (None, 300, 0.29), (None, 400, 0.2)]  # fmt: skip


@pytest.mark.parametrize(("tag", "maker"), [("eval/loss", "unknown"), ("epoch_loss", "Keras")])
def test_tags_of_other_programs(tmp_path: Path, tag: str, maker: str) -> None:
    scalars(tmp_path / "x/validation", {0: 0.5, 1: 0.4}, tag)
    run = only_run(tmp_path)
    assert (run.case, run.final_val_loss) == ("x/validation", pytest.approx(0.4))
    assert run.foreign is not None and run.foreign.maker == maker


def test_a_reached_line_gives_the_loss_with_its_digits(tmp_path: Path) -> None:
    line = ("Epoch {0}, global step {1}: 'val_loss' reached {2} (best {2}), saving model to "
            "'/x/epoch={0}.ckpt' as top 1\n")  # fmt: skip
    text = make.bar(0, 40, 40, 0.4) + line.format(0, 40, 0.41234)
    text += make.bar(1, 40, 40, 0.412) + line.format(1, 80, 0.21234)
    make.write(tmp_path / "train.log", text)
    assert rows(only_run(tmp_path)) == [(0, 40, 0.4123), (1, 80, 0.2123)]


def test_a_bar_and_its_reached_line_are_one_validation(tmp_path: Path) -> None:
    text = make.log("case_1", [0.412], ending="\n")
    text += "Epoch 0, global step 50: 'val_loss' reached 0.41234 (best 0.41234), saving\n"
    make.write(tmp_path / "a.log", text)
    assert rows(only_run(tmp_path)) == [(0, 50, 0.4123)]


def test_printed_epochs_that_count_from_one(tmp_path: Path) -> None:
    text = "".join(f"Epoch {e}/3 | train loss: 1.0 | val loss: {0.6 / e:.2f}\n" for e in (1, 2, 3))
    make.write(tmp_path / "my_run/train.log", text + "Training complete!\n")
    run = only_run(tmp_path)
    assert rows(run) == [(0, None, 0.6), (1, None, 0.3), (2, None, 0.2)]
    assert (run.case, run.state, run.epochs) == ("my_run", "finished", 3)


def test_keras_console(tmp_path: Path) -> None:
    text = "".join(
        f"Epoch {e}/2\n10/10 ━━━━━━━━━━ 1s 2ms/step - loss: 0.9 - val_loss: {0.4 / e}\n"
        for e in (1, 2)
    )
    make.write(tmp_path / "k/train.log", text)
    run = only_run(tmp_path)
    assert rows(run) == [(0, None, 0.4), (1, None, 0.2)]
    assert run.foreign is not None and run.foreign.maker == "Keras"


@pytest.mark.parametrize(
    "content",
    [
        {"loss": [1.0, 0.5], "val_loss": [0.4, 0.2]},
        {"history": {"loss": [1.0, 0.5], "val_loss": [0.4, 0.2]}},
        [{"epoch": 0, "val_loss": 0.4}, {"epoch": 1, "val_loss": 0.2}],
        [{"epoch": 1, "eval_loss": 0.4}, {"epoch": 2, "eval_loss": 0.2}],
    ],
)
def test_histories(tmp_path: Path, content: object) -> None:
    make.write(tmp_path / "k/history.json", json.dumps(content))
    assert rows(only_run(tmp_path)) == [(0, None, 0.4), (1, None, 0.2)]


def test_an_rmse_that_is_the_root_of_a_loss_is_named_as_such(tmp_path: Path) -> None:
    bar = make.bar(0, 40, 40, 0.0225)[:-1] + ", val_loss_act=0.0225, val_rmse_act=0.150]"
    make.write(tmp_path / "a.log", bar + "\n")
    notes = all_en(only_run(tmp_path).conflicts)
    assert any("val_rmse_act" in n and "square root of val_loss_act" in n for n in notes)
    other = make.bar(0, 40, 40, 0.0225)[:-1] + ", val_loss_act=0.0225, val_rmse_act=0.4]"
    make.write(tmp_path / "a.log", other + "\n")
    assert not any("square root" in note for note in all_en(only_run(tmp_path).conflicts))


def test_a_console_of_an_unknown_form_is_seen_and_not_read(tmp_path: Path) -> None:
    line = "Epoch: [{}]  [  0/100]  eta: 0:01:00  lr: 0.0001  loss: 0.5\n"
    make.write(tmp_path / "u/train.log", line.format(0) + line.format(1))
    scanned = scan([tmp_path])
    assert scanned.runs == [] and [why.code for why in scanned.unread] == ["import.seen_console"]


@pytest.mark.parametrize("kind", ["csv", "tensorboard"])
def test_a_metric_that_is_named_is_the_validation_loss(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "exp_1"
    if kind == "csv":
        make.write(folder / "metrics.csv", "epoch,step,val_action_mse\n0,9,0.5\n1,19,0.25\n")
    else:
        scalars(folder, {9: 0.5, 19: 0.25}, "val_action_mse")
    (unnamed,) = scan([tmp_path]).runs
    assert unnamed.best_val_loss is None
    assert "`mvla scan --loss`" in " ".join(all_en(unnamed.conflicts))
    (named,) = scan([tmp_path], losses=["val_action_mse"]).runs
    assert (named.best_val_loss, named.conflicts) == (0.25, [])
    assert scan([tmp_path]).runs == [unnamed], "a name of one scan lives on in the next"


def test_a_study_names_it_for_status_and_audit(
    tmp_path: Path, maker: Maker, capsys: pytest.CaptureFixture[str]
) -> None:
    make.write(tmp_path / "logs/exp_1/metrics.csv", "epoch,step,val_action_mse\n0,9,0.25\n")
    maker.path.write_text(maker.path.read_text() + "validation_losses: [val_action_mse]\n")
    page = tmp_path / "page.md"
    page.write_text("| Run | Best validation loss |\n| --- | --- |\n| exp_1 | 0.25 |\n")
    where = ["--study", str(maker.path), "--evidence", str(tmp_path / "logs")]
    assert main(["audit", str(page), *where, "--all"]) == 0
    assert "supported" in capsys.readouterr().out
    page.write_text(page.read_text().replace("0.25", "0.31"))
    assert main(["audit", str(page), *where]) == 1
