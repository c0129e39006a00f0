"""What is read of tables, keys with values, headings, items, code and sentences."""

from __future__ import annotations

import pytest
from tests.claims_evidence import facts_of, one, read


def test_a_table_with_a_run_a_row() -> None:
    reading = read(
        "| Run | Data | Episodes | Status | Best val loss |\n|---|---|---|---|---|\n"
        "| nav_left_20260503 | left only | 250 | ✅ done | **0.0138** |\n"
    )
    assert {(c.quantity, c.value, c.run, c.whole) for c in reading.claims} == {
        ("direction", "left only", "nav_left_20260503", True),
        ("episodes", "250", "nav_left_20260503", True),
        ("state", "done", "nav_left_20260503", True),
        ("val_loss", "0.0138", "nav_left_20260503", True),
    }
    assert [c.qualifier for c in reading.claims if c.quantity == "val_loss"] == ["best"]


def test_a_table_with_a_run_a_column() -> None:
    reading = read(
        "| 항목 | baseline | nav_left_20260503 |\n|---|---|---|\n| 학습률 | 1e-4 | 3e-4 |\n"
    )
    assert [(c.owner, c.number) for c in reading.claims] == [
        ("baseline", 1e-4), ("nav_left_20260503", 3e-4),
    ]  # fmt: skip


def test_a_table_with_a_setting_a_row_belongs_to_its_section() -> None:
    reading = read(
        "## baseline\n\n### Settings\n\n| Item | Value |\n|---|---|\n| LoRA | ✅ (r=32, alpha=16) |\n"  # noqa: E501
    )
    assert facts_of(reading) == {("regime", "lora"), ("lora_r", "32"), ("lora_alpha", "16")}
    assert {c.run for c in reading.claims} == {"baseline"}


def test_a_table_with_an_epoch_a_row() -> None:
    reading = read(
        "## baseline\n\n| Epoch | Train loss | Val loss |\n|---|---|---|\n| 1 | 0.4 | 0.22 |\n"
    )
    assert [(c.quantity, c.epoch, c.number) for c in reading.claims] == [
        ("train_loss", 1, 0.4), ("val_loss", 1, 0.22),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "quantity", "expected"),
    [
        ("- baseline: val loss 0.19", "val_loss", 0.19),
        ("baseline의 검증 손실은 0.19이다.", "val_loss", 0.19),
        ("The best val loss of baseline was 0.19.", "val_loss", 0.19),
        ("baseline trained for 10 epochs.", "epochs", 10),
        ("## baseline\n\n- Batch size: 8", "batch", 8),
        ("## baseline\n\n```yaml\nlearning_rate: 1e-4\n```", "learning_rate", 1e-4),
        ("## baseline\n\nData: 250 left episodes", "episodes", 250),
        ("- baseline:\n  - seed: 7", "seed", 7),
        ("**baseline**\n\n- 시드: 7", "seed", 7),
        ("## baseline\n\n- 소요 시간: 25분", "duration", 1500),
        ("## baseline\n\n- Checkpoint size: 6.9 GB", "size", 6.9e9),
        ("## baseline\n\n- Trainable params: 55.83M", "params", 55.83e6),
        ("- Mon: baseline val loss 0.19", "val_loss", 0.19),
        ("- 월: baseline 검증 손실 0.19", "val_loss", 0.19),
        ("baseline went as we wanted it to, val loss 0.19.", "val_loss", 0.19),
        ("We saw baseline.\n\nIt reached a val loss of 0.19.", "val_loss", 0.19),
        ("baseline trained for ten epochs.", "epochs", 10),
        ("baseline은 10 epoch을 모두 돌았다.", "epochs", 10),
        ("가장 최근 것은 `baseline`이며 시드는 7입니다.", "seed", 7),
        ("## baseline\n\n- max_epochs: 10", "epochs", 10),
        ("```\n# baseline\nseed: 7\n```", "seed", 7),
        ("## baseline\n\n- Data: 250", "episodes", 250),
        ("## baseline\n\n- 데이터: 250개", "episodes", 250),
        ("| Run | Progress |\n| --- | --- |\n| baseline | 7/10 |", "epochs", 7),
        ("| 실험 | 비고 |\n| --- | --- |\n| baseline | 검증 손실 0.19 |", "val_loss", 0.19),
    ],
)
def test_one_value(text: str, quantity: str, expected: float) -> None:
    claim = one(text)
    assert (claim.quantity, claim.number, claim.run) == (
        quantity,
        pytest.approx(expected),
        "baseline",
    )


@pytest.mark.parametrize(
    ("text", "quantity", "word"),
    [
        ("baseline failed.", "state", "failed"),
        ("baseline: 학습 완료", "state", "finished"),
        ("## baseline\n\n- 과적합: 없음", "overfitting", "no"),
        ("## baseline\n\n- No overfitting", "overfitting", "no"),
        ("## baseline\n\n- freeze_backbone: true", "regime", "frozen"),
        ("## baseline\n\n- LoRA: ❌", "regime", "no_lora"),
        ("## baseline\n\n- Episode pattern: `*right*.h5`", "glob", "*right*.h5"),
        ("## baseline\n\n- Data: right only", "direction", "right"),
        ("## baseline\n\n- 데이터: 오른쪽 전용", "direction", "right"),
        ("## baseline\n\n- Vision encoder: frozen", "trained_part", "no"),
        ("## baseline\n\n- 비전 인코더: 동결", "trained_part", "no"),
        ("## baseline\n\n- train_vision: true", "trained_part", "yes"),
        ("baseline은 과적합이 전혀 없음.", "overfitting", "no"),
    ],
)
def test_one_word(text: str, quantity: str, word: str) -> None:
    claim = one(text)
    assert (claim.quantity, claim.word) == (quantity, word)


def test_epoch_split_and_group_stand_with_the_value() -> None:
    reading = read(
        "## baseline\n\n- Best val loss: 0.19 (epoch 2)\n- Val RMSE: 0.17\n- Train episodes: 200\n"
    )
    loss, rmse, episodes = reading.claims
    assert (loss.qualifier, loss.epoch) == ("best", 2)
    assert (rmse.split, episodes.split) == ("val", "train")
    drives = one("baseline succeeded in 12 of 20 drives under the right instruction.")
    assert (drives.quantity, drives.group, drives.number) == ("success", "right", 0.6)
    assert [term.number for term in drives.terms] == [12, 20]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("baseline failed under the right instruction.", "claim.other_subject"),
        ("- Val loss: 0.19", "claim.no_owner"),
        ("## baseline\n\n- Wobble: 0.19", "claim.unknown_key"),
        ("baseline has a val loss of 0.19 thanks to magic.", "claim.no_quantity"),
        ("baseline and nav_left_20260503: val loss 0.19", "claim.several_runs"),
        ("## baseline\n\n- Val loss: 19 %", "claim.wrong_unit"),
        ("## baseline\n\n- Val loss: 0.19 or 0.2", "claim.several_values"),
        ("> baseline: val loss 0.19", "claim.quoted"),
        ("- [ ] baseline: val loss 0.19", "claim.planned"),
        ("## Next steps\n\n- baseline: val loss 0.19", "claim.planned"),
    ],
)
def test_what_is_not_sure_is_told_as_unread(text: str, code: str) -> None:
    reading = read(text)
    assert reading.claims == []
    assert [unread.why.code for unread in reading.unread] == [code]


@pytest.mark.parametrize(
    "text",
    [
        "baseline did not reach a val loss of 0.19.",
        "Is the val loss of baseline 0.19?",
        "If the val loss of baseline is 0.19, we stop.",
        "The val loss of baseline will be 0.19.",
        "The expected val loss of baseline is 0.19.",
        "According to them, the val loss of baseline is 0.19.",
        "The val loss of baseline in the paper is 0.19.",
        "~~The val loss of baseline is 0.19.~~",
        "baseline의 검증 손실은 0.19가 아니다.",
        "baseline의 예상 검증 손실은 0.19이다.",
        "baseline의 검증 손실이 0.19인가?",
        "Date: 2026-05-03",
        "baseline: issue 12 is done",
        "## baseline\n\n```python\nx = y[..., :6]\n```",
        "| File | Test | State |\n|---|---|---|\n| a.py | t1 | ✅ |",
    ],
)
def test_what_asserts_nothing_is_no_claim(text: str) -> None:
    assert read(text).claims == []


@pytest.mark.parametrize(
    ("text", "kind", "comparator"),
    [
        ("The val loss of nav_left_20260503 is lower than baseline.", "comparison", "lower"),
        ("nav_left_20260503 is the best.", "comparison", "best"),
        ("The val loss of nav_left_20260503 is 3× lower than baseline.", "comparison", "times"),
        ("The loss of nav_left_20260503 is 2x that of baseline.", "comparison", "times"),
        ("nav_left_20260503의 손실은 baseline보다 2배 높음.", "comparison", "times"),
        ("nav_left_20260503과 baseline은 학습률만 다르다.", "difference", "only_differs"),
        ("nav_left_20260503 vs baseline: only the data differs", "difference", "only_differs"),
        ("### nav_left_20260503 vs baseline: fair comparison", "comparison", "comparable"),
        ("- nav_left_20260503 vs baseline: 비교 불가", "comparison", "not_comparable"),
    ],
)
def test_comparisons(text: str, kind: str, comparator: str) -> None:
    claim = one(text)
    assert (claim.kind, claim.comparator, claim.owner) == (kind, comparator, "nav_left_20260503")
    assert claim.other_run == ("baseline" if "baseline" in text else None)


def test_a_run_named_in_a_row_of_a_comparison_does_not_own_the_row() -> None:
    reading = read(
        "| Comparison | A | B | Possible |\n|---|---|---|---|\n"
        "| data | nav_left_20260503 (0.0138) | baseline | ✅ |\n"
    )
    (claim,) = reading.claims
    assert (claim.kind, claim.run, claim.other_run) == (
        "comparison",
        "nav_left_20260503",
        "baseline",
    )


def test_sums_and_shares_of_the_pages_own_numbers() -> None:
    total = next(
        c for c in read("## baseline\n\n- 250 + 251 = 500").claims if c.kind == "arithmetic"
    )
    assert (total.comparator, total.number, [t.number for t in total.terms]) == (
        "sum",
        500,
        [250, 251],
    )
    shares = read(
        "| Side | Count | Share |\n|---|---|---|\n| left | 250 | 99.2% |\n| right | 3 | 1.2% |\n"
    )
    assert [(c.comparator, c.number, c.terms[0].number) for c in shares.claims] == [
        ("share", pytest.approx(0.992), 250), ("share", pytest.approx(0.012), 3),
    ]  # fmt: skip


def test_train_and_validation_counts_in_one_column() -> None:
    reading = read("| Run | Train / val |\n|---|---|\n| baseline | 200 / 50 |\n")
    assert [(c.quantity, c.split, c.number) for c in reading.claims] == [
        ("episodes", "train", 200), ("episodes", "val", 50),
    ]  # fmt: skip


def test_a_column_of_a_run_in_a_table_of_epochs_has_the_quantity_of_the_caption() -> None:
    reading = read(
        "## Val loss by epoch\n\n| Epoch | baseline | Wobble |\n|---|---|---|\n| 1 | 0.22 | 7 |\n"
    )
    assert [(c.quantity, c.epoch, c.run) for c in reading.claims] == [("val_loss", 1, "baseline")]


def test_an_ordinal_is_no_count() -> None:
    assert facts_of(read("## baseline\n\ntext\n1) left only\n")) == {("direction", "left")}


def test_the_last_epoch_is_not_epoch_nought() -> None:
    claim = one("baseline의 train loss는 마지막 epoch에서 0.0123")
    assert (claim.quantity, claim.qualifier, claim.epoch) == ("train_loss", "final", None)


def test_a_split_that_is_also_a_filler_stays_with_its_count() -> None:
    assert one("## baseline\n\n- 학습 에피소드 200개").split == "train"


def test_an_r_beside_an_l_is_the_right_side_and_no_rank():
    head = "| run | train L | train R | seed |\n| - | - | - | - |\n"
    assert facts_of(read(f"{head}| baseline | 80 | 0 | 7 |\n")) == {("seed", "7")}
    assert facts_of(read("| run | r |\n| - | - |\n| baseline | 8 |\n")) == {("lora_r", "8")}


def test_a_label_beside_its_runs_name_owns_a_row():
    text = "| run | seed |\n| - | - |\n| Case 1: baseline | 7 |\n| Case 2 vs baseline | 8 |\n"
    claims = read(text).claims
    assert [(claim.value, claim.run) for claim in claims] == [("7", "baseline")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- Train episodes: 384, val 96", [("train", 384), ("val", 96)]),
        ("- 학습 에피소드: 384개, 검증 96개", [("train", 384), ("val", 96)]),
        ("- Episodes: 384 train / 96 val", [("train", 384), ("val", 96)]),
        ("- Data: 480 (train 384 / val 96)", [("", 480), ("train", 384), ("val", 96)]),
    ],
)
def test_counts_of_a_key_with_their_splits(text: str, expected: list[tuple[str, int]]) -> None:
    claims = read(f"## baseline\n\n{text}").claims
    assert [(claim.split, claim.number) for claim in claims] == expected
    assert {claim.quantity for claim in claims} == {"episodes"}


def test_the_epoch_of_a_checkpoint_stands_with_its_loss() -> None:
    claim = one("## baseline\n\n- Best checkpoint: epoch 8, val loss 0.19")
    assert (claim.quantity, claim.epoch, claim.number) == ("val_loss", 8, 0.19)


@pytest.mark.parametrize(
    "text",
    [
        "baseline is smaller than OpenVLA, 7B params.",
        "baseline: yes, the 0.19 in the slides",
        "baseline is more than five times better than run-3.",
        "- baseline: val 96",
        "We saw baseline and run-3.\n\nIt reached a val loss of 0.19.",
    ],
)
def test_what_may_be_of_another_is_not_read(text: str) -> None:
    assert read(text).claims == []
