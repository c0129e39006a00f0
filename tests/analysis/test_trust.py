"""Which offline number ranks checkpoints as driving does: against scipy and by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from mobile_vla.analysis.offline_vs_rollout import (
    EvaluatedCheckpoint,
    _spearman,
    evaluated_checkpoints,
    mmrv,
    trust,
)
from mobile_vla.analysis.wording_trust import trust_lines, trust_sentence
from mobile_vla.cli.evaluate_all import draw
from mobile_vla.report.markdown_report import report_markdown
from mobile_vla.report.write_report import view_of


def point(case: int, success: float, step: int = 8, **numbers: float) -> EvaluatedCheckpoint:
    return EvaluatedCheckpoint(
        case=f"case{case}", checkpoint=f"step-{step:06d}", numbers=numbers, success=success
    )


CASES = [
    point(
        wins, wins / 10, mae=1 - wins / 20, swap_follows=wins / 10, swap_change=0.1,
        val_loss=0.01 * ((wins * 7) % 10),
    )
    for wins in range(10)
]  # fmt: skip


def test_the_number_that_ranks_as_driving_does_is_trusted_and_the_loss_is_not() -> None:
    found = {one.metric: one for one in trust(CASES)}
    for name in ("mae", "swap_follows"):
        assert found[name].rank_correlation == pytest.approx(1)
        assert found[name].mmrv == 0
        assert found[name].trusted
        assert not found[name].trusted_within  # one checkpoint a case tells nothing of that
    assert not found["val_loss"].trusted
    assert found["val_loss"].mmrv > 0.3
    assert found["val_loss"].points["case3 step-000008"] == (pytest.approx(0.01), 0.3)
    assert found["swap_change"].rank_correlation is None
    assert "the same in all 10 checkpoints" in trust_sentence(found["swap_change"], "en")
    assert next(iter(found)) in ("mae", "swap_follows")
    first, second, *_ = trust_lines(trust(CASES), "en")
    assert first.endswith("these rank as driving does: MAE and follows the other instruction.")
    assert "no offline number may be trusted yet" in second


def test_within_cases_the_number_that_picks_the_checkpoint_is_found() -> None:
    """`mae` ranks the checkpoints of each case rightly and the cases wrongly; the loss neither."""
    rng = np.random.default_rng(1)
    points = [
        point(case, case / 10 + step / 20, step, mae=case - step / 9, val_loss=float(rng.random()))
        for case in range(6)
        for step in range(4)
    ]
    found = {one.metric: one for one in trust(points)}
    assert (found["mae"].right, found["mae"].pairs) == (36, 36)
    assert found["mae"].trusted_within
    assert not found["mae"].trusted
    assert not found["val_loss"].trusted_within
    second = list(trust_lines(trust(points), "ko"))[1]
    assert second == "한 케이스의 체크포인트를 고를 때 믿을 수 있는 수치: MAE."


def test_checkpoints_of_one_case_are_no_independent_evidence() -> None:
    """Twenty checkpoints of two cases, ranked perfectly between the cases, are two points."""
    points = [point(case, case / 2, step, mae=-case) for case in range(2) for step in range(10)]
    (found,) = trust(points)
    assert found.rank_correlation == pytest.approx(1)
    assert found.p_adjusted is not None and found.p_adjusted > 0.3


def test_few_cases_are_never_enough() -> None:
    assert not any(one.trusted for one in trust(CASES[:4]))
    assert trust(CASES[:1]) == []
    assert trust([]) == []


def test_the_correlation_is_scipys_with_ties_and_with_repeated_points() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        a, b = rng.integers(0, 4, 8).astype(float), rng.integers(0, 4, 8).astype(float)
        times = rng.integers(0, 3, 8)
        even, repeated = _spearman(a, b, np.array([np.ones(8), times]))
        assert even == pytest.approx(spearmanr(a, b).statistic)
        a, b = a.repeat(times), b.repeat(times)
        expected = spearmanr(a, b).statistic if len({*a}) > 1 < len({*b}) else np.nan
        assert repeated == pytest.approx(expected, nan_ok=True)


def test_mmrv_by_hand() -> None:
    """The first two are ranked wrongly: each costs .4; the third stands right."""
    assert mmrv([2, 1, 3], [0.1, 0.5, 0.6]) == pytest.approx((0.4 + 0.4 + 0) / 3)
    assert mmrv([1, 2, 3], [0.1, 0.5, 0.6]) == 0


def test_the_picture_has_a_panel_a_number(tmp_path: Path) -> None:
    draw(tmp_path / "trust.png", trust(CASES))
    assert (tmp_path / "trust.png").read_bytes().startswith(b"\x89PNG")


def test_every_evaluated_checkpoint_of_a_run_counts_once(maker: Any) -> None:
    """One whose hash is not the evaluated one's, or that was not driven, does not."""
    run = maker.finish("left_10")
    run.checkpoint(60, 5, 0.25)
    run.folder.best.unlink()
    run.folder.best.symlink_to("step-000040")
    further = run.folder.evaluation / "step-000060"
    further.mkdir()
    for file in (run.folder.offline, run.folder.rollouts):
        shutil.copy(file, further)
    found = evaluated_checkpoints(maker.book().cases(), maker.workspace)
    assert [one.name for one in found] == ["left_10 step-000040"]
    assert found[0].numbers["val_loss"] == pytest.approx(0.1)
    for name in ("offline.json", "rollouts.json"):
        result = json.loads((further / name).read_text())
        (further / name).write_text(json.dumps({**result, "checkpoint_blake3": run.hash}))
    found = evaluated_checkpoints(maker.book().cases(), maker.workspace)
    assert [one.name for one in found] == ["left_10 step-000040", "left_10 step-000060"]
    assert found[1].numbers["val_loss"] == pytest.approx(0.25)
    (further / "rollouts.json").unlink()
    assert len(evaluated_checkpoints(maker.book().cases(), maker.workspace)) == 1


def test_the_report_ends_with_what_may_be_trusted(whole_study: Any) -> None:
    view = view_of(whole_study.book())
    for language, title in (("en", "From loss to driving"), ("ko", "손실에서 주행까지")):
        page = report_markdown(view, language)
        part = page[page.index(f"### {title}") :]
        for line in trust_lines(trust(evaluated_checkpoints(view.cases, view.workspace)), language):
            assert line in part


def test_few_cases_are_permuted_exactly() -> None:
    """Three cases in the same order by number and by success: one of six orders is as good."""
    points = [point(case, case / 4, mae=-case) for case in range(3)]
    (ranking,) = trust(points)
    assert ranking.p_adjusted == pytest.approx(1 / 6)
