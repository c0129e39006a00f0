"""Verdicts on what trained (frozen, LoRA, parts) and on overfitting."""

from __future__ import annotations

from mobile_vla.audit.judge.context import Context
from mobile_vla.audit.judge.verdict import (
    Judged,
    as_is,
    number_of,
    true_or_false,
    unsupported,
    verdict_by_fact,
)
from mobile_vla.claims.model import Claim
from mobile_vla.evidence.fact_table import Fact, FactKey, FactTable

PARTS = {"projector": "projection"}
"""Names of parts on pages, where the load report has another."""
OVERFIT_GAP = 1.5
"""Validation over training loss at one checkpoint from which on a run overfits."""
NO_GAP = 1.1
RISE = 1.1
"""Final over best validation loss from which on a run overfits, while its training loss falls."""


def judge_regime(claim: Claim, table: FactTable, context: Context) -> Judged:
    """Frozen, full, LoRA or no LoRA: by settings and by counted parameters."""
    word = claim.word
    lora = table.get(FactKey("lora"))
    if claim.quantity == "lora":
        word = "lora" if word in ("yes", "lora") else "no_lora"
    if word in ("lora", "no_lora"):
        if lora is None:
            return unsupported(claim, "no_file_gives", quantity="lora")
        enabled = lora.value == "yes"
        verdict = true_or_false(enabled == (word == "lora"))
        return verdict_by_fact(claim, verdict, lora, "lora_on" if enabled else "lora_off")
    if word == "frozen" and lora and lora.value == "yes" and _mentions_lora(claim, context):
        return verdict_by_fact(claim, "supported", lora, "frozen_with_lora")
    setting = table.get(FactKey("trained_part", group="backbone_setting"))
    if setting is not None and claim.value.lower() in ("true", "false"):  # the setting's own words
        holds = (setting.value == "no") == (word == "frozen")
        code = "backbone_frozen" if setting.value == "no" else "backbone_trains"
        return verdict_by_fact(claim, true_or_false(holds), setting, code)
    inside = table.get(FactKey("params", group="backbone"))
    if inside is not None:
        return _by_parameters(claim, word, inside, lora)
    return _by_settings(claim, word, table)


def _by_parameters(claim: Claim, word: str, inside: Fact, lora: Fact | None) -> Judged:
    count = int(number_of(inside))
    if word == "frozen":
        verdict = true_or_false(not count)
    else:
        by_lora = lora is not None and lora.value == "yes"
        verdict = true_or_false(bool(count) and not by_lora)
    return verdict_by_fact(claim, verdict, inside, "backbone_parameters", parameters=count)


def _by_settings(claim: Claim, word: str, table: FactTable) -> Judged:
    setting = table.get(FactKey("trained_part", group="backbone_setting"))
    lora, params = table.get(FactKey("lora")), table.get(FactKey("params"))
    if lora is not None and lora.value == "yes":
        if word == "frozen" and params is not None and params.value:
            count = as_is(params)
            return verdict_by_fact(claim, "contradicted", params, "lora_trains", parameters=count)
        return verdict_by_fact(
            claim, "ambiguous" if word == "frozen" else "contradicted", lora, "lora_on"
        )
    if setting is None:
        return unsupported(claim, "no_file_gives", quantity="regime")
    frozen = setting.value == "no"
    code = "backbone_frozen" if frozen else "backbone_trains"
    return verdict_by_fact(claim, true_or_false(frozen == (word == "frozen")), setting, code)


def _mentions_lora(claim: Claim, context: Context) -> bool:
    """Whether the page says of the run that LoRA trains, beside calling its VLM frozen."""
    return "lora" in claim.quote.lower() or any(
        other.word == "lora" or (other.quantity in ("lora_r", "lora_alpha") and other.number)
        or (other.quantity == "lora" and other.word == "yes")
        for other in context.of_run(claim.run)
    )  # fmt: skip


def judge_trained_part(claim: Claim, table: FactTable) -> Judged:
    """A part that trains, or that does not, by counted parameters."""
    answer = claim.word if claim.word in ("yes", "no") else "yes"
    part = claim.group if claim.word in ("yes", "no") else claim.word or claim.group
    fact = table.get(FactKey("trained_part", group=PARTS.get(part, part)))
    if fact is None and part in ("backbone", "vlm"):
        fact = table.get(FactKey("trained_part", group="backbone_setting"))
    if fact is None and table.get(FactKey("params", group="backbone")) is None:
        return unsupported(claim, "no_file_gives", quantity="trained_part")
    if fact is None:
        fact = table[FactKey("params", group="backbone")]
        verdict = true_or_false(answer == "no")
        return verdict_by_fact(claim, verdict, fact, "part_frozen", part=part)
    trains = fact.value == "yes"
    verdict = "supported" if trains == (answer == "yes") else "contradicted"
    return verdict_by_fact(
        claim, verdict, fact, "part_trains" if trains else "part_frozen", part=part
    )


def judge_overfitting(claim: Claim, table: FactTable) -> Judged:
    """Overfitting, by training and validation loss at one checkpoint."""
    pairs = _pairs(table)
    if not pairs:
        return unsupported(claim, "no_pair_of_losses")
    train, val = pairs[-1]
    gap = number_of(val) / number_of(train) if number_of(train) else float("inf")
    rises = _rises(pairs)
    if gap >= OVERFIT_GAP or rises:
        overfits: bool | None = True
    else:
        overfits = False if gap <= NO_GAP else None
    fields = {"train": as_is(train), "val": as_is(val), "epoch": val.key.epoch or 0}
    if overfits is None:
        return verdict_by_fact(claim, "ambiguous", val, "losses_at_epoch", **fields)
    verdict = true_or_false(overfits == (claim.word == "yes"))
    return verdict_by_fact(claim, verdict, val, "losses_at_epoch", **fields)


def _pairs(table: FactTable) -> list[tuple[Fact, Fact]]:
    """Training and validation loss of each epoch that has both, in order."""
    train = {f.key.epoch: f for f in table.of("train_loss") if not f.key.qualifier}
    val = {f.key.epoch: f for f in table.of("val_loss") if not f.key.qualifier}
    epochs = sorted(epoch for epoch in train.keys() & val.keys() if epoch is not None)
    return [(train[epoch], val[epoch]) for epoch in epochs]


def _rises(pairs: list[tuple[Fact, Fact]]) -> bool:
    best_train, best_val = min(pairs, key=lambda pair: number_of(pair[1]))
    train, val = pairs[-1]
    falls = number_of(train) < number_of(best_train)
    return falls and number_of(val) >= RISE * number_of(best_val)
