"""Verdicts on words: state, cause of failure, checkpoint, files, dates, VLM, initial weights."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from mobile_vla.audit.judge.context import CaseRecord
from mobile_vla.audit.judge.verdict import (
    ClaimVerdict,
    Judged,
    as_is,
    unsupported,
    verdict_by_fact,
    verdict_by_files,
)
from mobile_vla.claims.model import Claim
from mobile_vla.evidence.fact_table import FactKey, FactTable
from mobile_vla.evidence.importers.lightning_checkpoints import named_loss
from mobile_vla.evidence.model import Evidence
from mobile_vla.evidence.run_facts import causes_of

ENDED = frozenset({"finished", "unverified", "failed", "killed"})
BY_STATES: dict[tuple[str, str], ClaimVerdict] = {
    ("failed", "killed"): "supported",
    ("killed", "failed"): "ambiguous",
    ("finished", "unverified"): "unsupported",
}
"""Verdicts by claimed state and state of the evidence, where two words may mean one state."""
WAITING = frozenset({"planned", "queued", "blocked"})
FAMILIES = re.compile(r"kosmos|paligemma|llava|openvla|qwen|smolvlm")
NO_WEIGHTS = frozenset({"none", ""})


def judge_state(claim: Claim, record: CaseRecord) -> Judged:
    """A state, of the attempt that stands for the case; "first" of the first attempt."""
    if record.speaking is None:
        return _state_without_run(claim, record)
    attempt = record.attempts[0] if claim.qualifier == "initial" else record.speaking
    fact = attempt.table[FactKey("state")]
    state = str(fact.value)
    if state == "unknown":
        return verdict_by_fact(claim, "unsupported", fact, "state_unknown")
    earlier = [a for a in record.others if a.table[FactKey("state")].value == claim.word]
    verdict = _state_verdict(claim.word, state, trained=_trained(attempt.table))
    if verdict == "supported":
        return verdict_by_fact(claim, verdict, fact, "state_agrees")
    if earlier and claim.qualifier != "initial":
        path = earlier[-1].run.path
        return verdict_by_fact(claim, "stale", fact, "state_of_attempt", run=path, state=state)
    return verdict_by_fact(claim, verdict, fact, "state_differs", state=state)


def _state_verdict(word: str, state: str, *, trained: bool) -> ClaimVerdict:
    if word == state or (word in WAITING and state in WAITING):
        return "supported"
    if (word, state) in BY_STATES:
        return BY_STATES[word, state]
    if word in WAITING or (word == "running" and trained and state in ENDED | {"stalled"}):
        return "stale"
    return "contradicted"


def _trained(table: FactTable) -> bool:
    done = table.get(FactKey("epochs", "done")) or table.get(FactKey("steps", "done"))
    return done is not None and bool(done.value)


def _state_without_run(claim: Claim, record: CaseRecord) -> Judged:
    at = Evidence(file=f"runs/{record.view.name}", where="no run folder")
    if claim.word in WAITING:
        return verdict_by_files(claim, "supported", [at], "no_run", case=record.view.name)
    verdict: ClaimVerdict = (
        "contradicted" if claim.word in ("finished", "running") else "unsupported"
    )
    return verdict_by_files(claim, verdict, [at], "no_run", case=record.view.name)


def judge_cause(claim: Claim, table: FactTable) -> Judged:
    """A cause of failure, by what the program printed of its end."""
    state = table.get(FactKey("state"))
    proved = list(table.of("cause"))
    if state is None or state.value not in ("failed", "killed"):
        return unsupported(claim, "no_file_gives", quantity=claim.quantity)
    named = {claim.word} if claim.word else causes_of(claim.value)
    if not proved or not named:
        return verdict_by_fact(claim, "unsupported", state, "cause_unknown")
    for fact in proved:
        if fact.value in named:
            return verdict_by_fact(claim, "supported", fact, "agrees")
    return verdict_by_fact(claim, "contradicted", proved[0], "differs", value=as_is(proved[0]))


def judge_checkpoint(claim: Claim, table: FactTable) -> Judged:
    """Whether a checkpoint exists that loads."""
    fact = table.get(FactKey("checkpoint"))
    if fact is None:
        return unsupported(claim, "checkpoints_not_scanned")
    if fact.value == claim.word:
        return verdict_by_fact(claim, "supported", fact, "agrees")
    code = "checkpoint_there" if fact.value == "yes" else "checkpoint_missing"
    return verdict_by_fact(claim, "contradicted", fact, code)


def judge_checkpoint_file(claim: Claim, table: FactTable) -> Judged:
    """A checkpoint's file by its name, whatever its folder."""
    facts = list(table.of("checkpoint_file"))
    name = claim.value.strip("`'\" ").rstrip("/").rpartition("/")[2]
    for fact in facts:
        if fact.value == name:
            return verdict_by_fact(claim, "supported", fact, "agrees")
    if not facts:
        return _by_name_of_file(claim, name, table)
    return verdict_by_fact(claim, "contradicted", facts[0], "no_such_file", value=as_is(facts[0]))


def _by_name_of_file(claim: Claim, name: str, table: FactTable) -> Judged:
    """A file that nothing lists: its name states an epoch and a loss that the log may exclude."""
    epoch, stated = named_loss(name)
    losses = [fact for fact in table.of("val_loss") if fact.key.epoch == epoch]
    if epoch is None or stated is None or not losses:
        return unsupported(claim, "checkpoints_not_scanned")
    half = 0.5 * 10.0 ** -len(stated.partition(".")[2]) * 1.000001
    if any(abs(float(fact.value) - float(stated)) <= half for fact in losses):
        return unsupported(claim, "checkpoints_not_scanned")
    return verdict_by_fact(claim, "contradicted", losses[0], "differs", value=as_is(losses[0]))


def judge_date(claim: Claim, table: FactTable) -> Judged:
    """A date, whole or without its year."""
    facts = list(table.of("date"))
    if not facts:
        return unsupported(claim, "no_file_gives", quantity=claim.quantity)
    written = [int(part) for part in re.findall(r"\d+", claim.word or claim.value)[:3]]
    for fact in facts:
        date = [int(part) for part in str(fact.value).split("-")]
        if len(written) >= 2 and written == date[-len(written) :]:
            return verdict_by_fact(claim, "supported", fact, "agrees")
    if len(written) < 2:
        return verdict_by_fact(claim, "unsupported", facts[0], "differs", value=as_is(facts[0]))
    return verdict_by_fact(claim, "contradicted", facts[0], "differs", value=as_is(facts[0]))


def judge_vlm(claim: Claim, table: FactTable) -> Judged:
    """The VLM by family and, where both give it, generation."""
    word = (claim.word or claim.value).lower()
    if "robovlm" in word:
        return judge_init(claim, table)
    fact = table.get(FactKey("vlm"))
    family = _family(word)
    if fact is None or family is None or _family(str(fact.value)) is None:
        return unsupported(claim, "no_file_gives", quantity=claim.quantity)
    if is_same_model(word, str(fact.value)):
        return verdict_by_fact(claim, "supported", fact, "agrees")
    return verdict_by_fact(claim, "contradicted", fact, "differs", value=as_is(fact))


def judge_init(claim: Claim, table: FactTable) -> Judged:
    """Initial weights: none beyond the VLM's own, RoboVLMs', or a file."""
    fact, vlm = table.get(FactKey("init")), table.get(FactKey("vlm"))
    word = (claim.word or claim.value).lower()
    if fact is None:
        return unsupported(claim, "no_file_gives", quantity=claim.quantity)
    loaded = str(fact.value).lower()
    file = re.search(r"[\w.-]+\.(?:pt|ckpt|safetensors|bin)\b", claim.value)
    if file is not None:
        right = file[0].lower() == loaded.rpartition("/")[2]
    elif word in NO_WEIGHTS:
        right = loaded in NO_WEIGHTS
    elif "robovlm" in word:
        right = "robovlm" in loaded or "oxe" in loaded
    elif _family(word) is not None:
        right = loaded in NO_WEIGHTS and vlm is not None and is_same_model(word, str(vlm.value))
    else:
        return unsupported(claim, "no_file_gives", quantity=claim.quantity)
    if right:
        return verdict_by_fact(claim, "supported", fact, "agrees")
    return verdict_by_fact(claim, "contradicted", fact, "differs", value=as_is(fact))


def is_same_model(a: str, b: str) -> bool:
    """Whether two names are of one family, and of one generation where both give it."""
    generations = _generation(a), _generation(b)
    same = None in generations or generations[0] == generations[1]
    return _family(a) == _family(b) and same


def _family(name: str) -> str | None:
    match = FAMILIES.search(name.lower())
    return match[0] if match else None


def _generation(name: str) -> str | None:
    match = re.search(r"kosmos[- _]?(\d)", name.lower())
    return match[1] if match else None


def judge_start(claim: Claim, table: FactTable) -> Judged:
    """When a run began, written with its day: another day excludes it, the same proves no hour."""
    if claim.word[:2] == "20":  # a day with its year, not a time of day alone
        judged = judge_date(msgspec.structs.replace(claim, word=claim.word[:10]), table)
        if judged.verdict == "contradicted" or "T" not in claim.word:
            return msgspec.structs.replace(judged, claim=claim)
    return unsupported(claim, "no_file_gives", quantity=claim.quantity)


JUDGES: dict[str, Callable[[Claim, FactTable], Judged]] = {
    "cause": judge_cause,
    "checkpoint": judge_checkpoint,
    "checkpoint_file": judge_checkpoint_file,
    "date": judge_date,
    "vlm": judge_vlm,
    "init": judge_init,
}
