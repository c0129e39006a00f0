"""Training curves: rows past a checkpoint are dropped when a run is resumed from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.runs.metrics_csv import COLUMNS, MetricsFile, read_metrics


def filled(path: Path, steps: int) -> MetricsFile:
    metrics = MetricsFile(path)
    for step in range(1, steps + 1):
        metrics.append(epoch=step // 4, step=step, train_loss=1 / step)
        if step % 4 == 0:
            metrics.append(epoch=step // 4, step=step, val_loss=2 / step)
    return metrics


def steps_of(path: Path) -> list[float]:
    return [value for _, value in read_metrics(path).get("step", [])]


def test_every_column_is_defined_with_a_unit() -> None:
    assert all(column.definition and column.unit for column in COLUMNS.values())


def test_numbers_come_back_with_their_lines(tmp_path: Path) -> None:
    filled(tmp_path / "m.csv", 4)
    curves = read_metrics(tmp_path / "m.csv")
    assert curves["train_loss"] == [(2, 1.0), (3, 0.5), (4, 0.333333), (5, 0.25)]
    assert curves["val_loss"] == [(6, 0.5)]
    assert "grad_norm" not in curves


@given(steps=st.integers(0, 12), keep=st.integers(0, 14), cut=st.integers(0, 60))
def test_resumed_it_holds_each_step_once(
    tmp_path_factory: pytest.TempPathFactory, steps: int, keep: int, cut: int
) -> None:
    """Whatever a kill left of the last rows."""
    file = tmp_path_factory.mktemp("resume") / "m.csv"
    filled(file, steps)
    whole = file.read_bytes()
    header = len(",".join(COLUMNS)) + 2
    file.write_bytes(whole[: max(header, len(whole) - cut)])
    before = steps_of(file)
    resumed = MetricsFile(file, keep_to_step=keep)
    kept = steps_of(file)
    assert kept == [step for step in before if step <= keep][: len(kept)]
    assert len(kept) >= len([step for step in before if step <= keep]) - 1  # a row cut short
    resumed.append(step=keep + 1)
    assert steps_of(file) == [*kept, keep + 1]


def test_a_new_run_starts_an_empty_file(tmp_path: Path) -> None:
    filled(tmp_path / "m.csv", 3)
    MetricsFile(tmp_path / "m.csv")
    assert (tmp_path / "m.csv").read_text().strip() == ",".join(COLUMNS)


def test_six_digits_and_whole_steps_are_kept(tmp_path: Path) -> None:
    MetricsFile(tmp_path / "m.csv").append(step=1234567, train_loss=0.000123456789)
    curves = read_metrics(tmp_path / "m.csv")
    assert curves["step"] == [(2, 1234567.0)]
    assert curves["train_loss"] == [(2, 0.000123457)]
