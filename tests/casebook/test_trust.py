"""Which offline number ranks the cases as driving does: against scipy and by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from mobile_vla.casebook.trust import _spearman, mmrv, trust
from mobile_vla.commands.trust import draw, sentence


def case(name: str, wins: int, mae: float, val_loss: float, follows: float) -> Any:
    """A case with ten drives of which `wins` succeeded."""
    drives = [SimpleNamespace(success=number < wins, direction="left") for number in range(10)]
    metric = SimpleNamespace(name="mae", value=mae)
    run = SimpleNamespace(
        rollouts=SimpleNamespace(rollouts=drives),
        offline=SimpleNamespace(
            policy=SimpleNamespace(metrics=[metric]),
            swap=SimpleNamespace(change=0.1, follows=follows),
        ),
        best_val_loss=val_loss,
    )
    return SimpleNamespace(name=name, run=run)


CASES = [
    case(f"case{wins}", wins, 1 - wins / 20, 0.01 * ((wins * 7) % 10), wins / 10)
    for wins in range(10)
]


def test_the_number_that_ranks_as_driving_does_is_trusted_and_the_loss_is_not() -> None:
    found = {one.metric: one for one in trust(CASES)}
    for name in ("mae", "swap_follows"):
        assert found[name].rank_correlation == pytest.approx(1)
        assert found[name].mmrv == 0
        assert found[name].trusted
        assert "may be used to choose" in sentence(found[name])
    assert not found["val_loss"].trusted
    assert found["val_loss"].mmrv > 0.3
    assert found["val_loss"].points["case3"] == (pytest.approx(0.01), 0.3)
    assert found["swap_change"].rank_correlation is None
    assert "the same in all 10 cases" in sentence(found["swap_change"])
    assert next(iter(found)) in ("mae", "swap_follows")


def test_few_cases_are_never_enough() -> None:
    assert not any(one.trusted for one in trust(CASES[:4]))
    assert trust(CASES[:1]) == []
    assert trust([SimpleNamespace(name="untrained", run=None)]) == []  # type: ignore[list-item]


def test_the_correlation_is_scipys_with_ties() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        a, b = rng.integers(0, 4, 8).astype(float), rng.integers(0, 4, 8).astype(float)
        assert _spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)


def test_mmrv_by_hand() -> None:
    """The first two are ranked wrongly: each costs .4; the third stands right."""
    assert mmrv([2, 1, 3], [0.1, 0.5, 0.6]) == pytest.approx((0.4 + 0.4 + 0) / 3)
    assert mmrv([1, 2, 3], [0.1, 0.5, 0.6]) == 0


def test_the_picture_has_a_panel_a_number(tmp_path: Any) -> None:
    draw(tmp_path / "trust.png", trust(CASES))
    assert (tmp_path / "trust.png").read_bytes().startswith(b"\x89PNG")
