"""Verdicts on words: state, cause of failure, checkpoint, date, VLM, initial weights, regime."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from mobile_vla.audit.corrections import dated
from mobile_vla.evidence.facts import CaseFacts, RunFacts
from mobile_vla.evidence.model import CheckpointView, Evidence, RunView
from mobile_vla.old_claims.fates import cause_of, causes_in_evidence, state_of
from mobile_vla.old_claims.model import Claim, ClaimVerdict, Judged, english, say
from mobile_vla.old_claims.prose import FROZEN, FULL, NO_LORA
from mobile_vla.old_claims.times import date_parts

ENDED = {"finished", "unverified", "failed", "killed"}
NOT_BEGUN = {"queued", "planned", "blocked"}
NOTHING = re.compile(
    r"^(null|none|없음|-|–|scratch|from scratch|처음부터|no|without)\b|^없", re.IGNORECASE
)
FAMILIES = re.compile(r"kosmos|paligemma|llava|openvla|qwen|smolvlm", re.IGNORECASE)


def judge_word(claim: Claim, facts: CaseFacts) -> Judged:
    """A claim without a number."""
    run = facts.speaking
    if run is None and claim.quantity == "status":
        return _without_run(claim, facts)
    if run is None:
        return say(
            claim, "unsupported", f"{facts.view.name} has no run ({english(facts.view.why)})"
        )
    if claim.quantity == "status":
        return _status(claim, facts, run)
    return JUDGES[claim.quantity](claim, run)


def _without_run(claim: Claim, facts: CaseFacts) -> Judged:
    state, why = state_of(claim.value), facts.view.why
    at = Evidence(file=f"runs/{facts.view.name}", where="no run folder")
    if state == "planned":
        return say(claim, "supported", why, "planned", evidence=at)
    verdict: ClaimVerdict = "contradicted" if state in ("finished", "running") else "unsupported"
    return say(claim, verdict, f"it has no run ({why})", facts.view.state, evidence=at)


def _status(claim: Claim, facts: CaseFacts, run: RunFacts) -> Judged:  # noqa: PLR0911 - a verdict a line
    said, state = state_of(claim.value), run.run.state
    at = run.run.evidence[0] if run.run.evidence else Evidence(file=run.run.path)
    if state == "unknown":
        return say(claim, "unsupported", run.run.why, "unknown", evidence=at)
    waits = state in NOT_BEGUN and (said == "planned" or claim.value == "⏳")
    if said == state or (said == "failed" and state == "killed") or waits:
        return say(claim, "supported", run.run.why, state, evidence=at)
    if said == "killed" and state == "failed":
        return say(claim, "ambiguous", run.run.why, state, evidence=at)
    if said == "running":
        return _was_running(claim, run, at)
    earlier = [one for one in facts.earlier if one.run.state == said]
    if said in ("failed", "killed") and earlier:
        before = earlier[-1].run
        told = f"{before.path} {said} ({english(before.why)}); a later run is {state}"
        return say(claim, "stale", told, state, evidence=at)
    if said == "planned":
        return say(claim, "stale", run.run.why, state, evidence=at)
    if said == "finished" and state == "unverified":
        return say(claim, "unsupported", run.run.why, "finished, unverified", evidence=at)
    return say(claim, "contradicted", run.run.why, state, evidence=at)


def _was_running(claim: Claim, run: RunFacts, at: Evidence) -> Judged:
    """ "In progress" of a run that has ended: stale where it once was, else false."""
    state, when = run.run.state, _moment(claim.time)
    trained = bool(run.run.steps) or state in ("finished", "unverified", "stalled")
    ended = (
        f"; by its log it ended about {run.alive[1]:%m-%d %H:%M}" if run.alive and trained else ""
    )
    if state not in ENDED | {"stalled"}:
        return say(claim, "contradicted", run.run.why, state, evidence=at)
    if not trained:
        told = f"it died before it trained: {english(run.run.why)}"
        return say(claim, "contradicted", told, state, evidence=at)
    if when and run.alive and claim.time and len(claim.time) > 10 and when > run.alive[1]:
        told = f"the document is of {claim.time}{ended}"
        return say(claim, "contradicted", told, state, evidence=at)
    return say(claim, "stale", f"{english(run.run.why)}{ended}", state, evidence=at)


def _reason(claim: Claim, run: RunFacts) -> Judged:
    cause = cause_of(claim.value, asked=True)
    at = run.run.evidence[0] if run.run.evidence else Evidence(file=run.run.path)
    if run.run.state not in ("failed", "killed"):
        return say(
            claim,
            "unsupported",
            f"it is {run.run.state}: {english(run.run.why)}",
            run.run.state,
            evidence=at,
        )
    proved = causes_in_evidence(english(run.run.why))
    if cause and cause[0] in proved:
        return say(claim, "supported", run.run.why, evidence=at)
    if not proved or cause is None:
        return say(claim, "unsupported", run.run.why, None, evidence=at)
    return say(claim, "contradicted", run.run.why, ", ".join(sorted(proved)), evidence=at)


def _checkpoint(claim: Claim, run: RunFacts) -> Judged:  # noqa: PLR0911 - a verdict a line
    views = [view for view in (run.run.best, run.run.latest, *run.run.checkpoints) if view]
    kept = next((view for view in views if view.problem is None), None)
    no = re.search(r"❌|없음|\bno(ne)?\b|없다|^0", claim.value, re.IGNORECASE)
    waiting = re.search(r"⏳|pending", claim.value, re.IGNORECASE)
    if kept is not None:
        if no or waiting:
            verdict: ClaimVerdict = "stale" if waiting else "contradicted"
            return say(claim, verdict, "", f"{kept.path} loads", evidence=kept.evidence)
        return say(claim, "supported", "", kept.path, evidence=kept.evidence)
    if views and any(view.bytes for view in views):  # there is a file, and it is not what it was
        return say(claim, "unsupported", _does_not_load(views[0]), None, evidence=views[0].evidence)
    foreign = run.run.foreign
    if foreign is not None and foreign.checkpoints is None:
        return _unscanned(claim, run.run, bool(no), bool(waiting))
    at = run.run.evidence[0] if run.run.evidence else None
    why = _does_not_load(views[0]) if views else "no checkpoint of it loads"
    if no:
        return say(claim, "supported", why, "none", evidence=at)
    if waiting and run.run.state in ("failed", "killed"):
        return say(claim, "stale", run.run.why, "none", evidence=at)
    if waiting:
        return say(claim, "supported", why, "none", evidence=at)
    return say(claim, "contradicted", why, "none", evidence=at)


def _does_not_load(view: CheckpointView) -> str:
    return f"no checkpoint of it loads: {view.path}: {english(view.problem or '')}"


def _unscanned(claim: Claim, run: RunView, no: bool, waiting: bool) -> Judged:
    """Its folder was not scanned: a run that never trained has written none all the same."""
    at = run.evidence[0] if run.evidence else None
    if run.state == "failed" and run.why.code == "run.ended_before_data":
        if no:
            return say(claim, "supported", run.why, "none", evidence=at)
        verdict: ClaimVerdict = "stale" if waiting else "contradicted"
        return say(claim, verdict, run.why, "none", evidence=at)
    if waiting and run.state in ENDED:
        return say(claim, "stale", run.why, run.state, evidence=at)
    return say(claim, "unsupported", "no folder of its checkpoints was scanned", None, evidence=at)


def _file(claim: Claim, run: RunFacts) -> Judged:
    views = [view for view in (run.run.best, run.run.latest) if view]
    scanned = run.run.foreign.checkpoints if run.run.foreign else views
    if scanned is None:
        return say(claim, "unsupported", "no folder of its checkpoints was scanned")
    for view in [*scanned, *views]:
        if view.path.rpartition("/")[2] == claim.value.rpartition("/")[2]:
            return say(claim, "supported", "", view.path, evidence=view.evidence)
    told = ", ".join(view.path for view in scanned[:3]) or "none"
    return say(claim, "contradicted", "its folder holds no such file", told)


def _date(claim: Claim, run: RunFacts) -> Judged:
    if not run.dates:
        return say(claim, "unsupported", f"no file of {run.run.case} tells its date")
    parts = date_parts(claim.value)
    for date, at in run.dates.items():
        if parts == [int(part) for part in date.split("-")][-len(parts) :]:
            return say(claim, "supported", "", date, evidence=at)
    date, at = next(iter(run.dates.items()))
    return say(claim, "contradicted", "", date, evidence=at, fixable=dated(claim, date))


def _vlm(claim: Claim, run: RunFacts) -> Judged:
    said = _family(claim.value)
    if said == "robovlms":
        return _init(claim, run)
    known = run.run.factors.get("vlm")
    if known is None or said is None:
        return say(claim, "unsupported", f"no file of {run.run.case} tells its VLM so")
    if _family(known.value) is None:
        return say(claim, "unsupported", f"no file of {run.run.case} tells its VLM so")
    if _same_model(claim.value, known.value):
        return say(claim, "supported", "", known.value, evidence=known.evidence)
    return say(claim, "contradicted", "", known.value, evidence=known.evidence)


def _init(claim: Claim, run: RunFacts) -> Judged:
    known, base = run.run.factors.get("initial_weights"), run.run.factors.get("vlm")
    said, nothing = _family(claim.value), bool(NOTHING.search(claim.value))
    file = re.search(r"[\w.-]+\.(?:pt|ckpt|safetensors|bin)\b", claim.value)
    if known is None or (said is None and not nothing and file is None):
        return say(claim, "unsupported", f"no file of {run.run.case} tells its weights so")
    at, started = known.evidence, known.value
    if file is not None:
        right = file[0] == started.rpartition("/")[2]
    elif nothing or said != "robovlms":
        same = nothing or base is None or _same_model(claim.value, base.value)
        right = started in ("none", "") and same and (nothing or "oxe" not in claim.value.lower())
    else:
        right = _family(started) == said
    if right and "/" in claim.value and said == "robovlms" and not _same_file(claim.value, started):
        return say(claim, "contradicted", "another path", started, evidence=at)
    shown = started if started not in ("none", "") or base is None else f"none beyond {base.value}"
    return say(claim, "supported" if right else "contradicted", "", shown, evidence=at)


def _regime(claim: Claim, run: RunFacts) -> Judged:
    """ "Frozen VLM + LoRA" by the configuration; "frozen" alone by what trained."""
    text = claim.value.lower()
    without = re.search(rf"{FULL}|{NO_LORA}", text)
    frozen, lora = bool(FROZEN.search(text)), "lora" in text and not without
    if not frozen and not lora and not without:
        return say(claim, "unsupported", "it names no regime that the files tell")
    enabled, count, at = _trained(run)
    if frozen and not lora and not without:
        return _frozen_alone(claim, run, enabled, count, at)
    if enabled is None:
        return say(claim, "unsupported", f"no file of {run.run.case} tells what trains")
    if lora != enabled:
        return say(claim, "contradicted", "", "LoRA" if enabled else "no LoRA", evidence=at)
    shown = f"LoRA; {count:,.0f} parameters train" if count else "LoRA"
    return say(claim, "supported", "", shown, evidence=at)


def _frozen_alone(
    claim: Claim, run: RunFacts, lora: bool | None, count: float | None, at: Evidence | None
) -> Judged:
    parts = run.run.trained_parts
    if parts:
        inside = {part: n for part, n in parts.items() if part in ("vision", "projection", "text")}
        total = sum(inside.values())
        shown = ", ".join(f"{part} {n:,}" for part, n in inside.items())
        return say(claim, "contradicted" if total else "supported", "", shown, evidence=at)
    if lora and count:
        told = f"its configuration says so, yet {count / 1e6:.1f} M parameters train by LoRA"
        return say(claim, "ambiguous", told, None, evidence=at)
    return say(
        claim, "unsupported", f"no file of {run.run.case} tells what trains", None, evidence=at
    )


def _part(claim: Claim, run: RunFacts) -> Judged:
    """ "The vision tower is frozen": by what trained."""
    parts, at = run.run.trained_parts, Evidence(file=f"{run.run.path}/load_report.json")
    if claim.qualifier.startswith("backbone"):
        return _backbone(claim, run)
    if not parts:
        return say(claim, "unsupported", f"no file of {run.run.case} tells which parts train")
    part, _, said = claim.qualifier.partition(" ")
    count = parts.get(part, 0)
    frozen = bool(FROZEN.search(claim.value.lower())) if not said else said == "frozen"
    shown = f"{count:,} parameters of {part} train" if count else "none of it trains"
    return say(
        claim, "supported" if frozen == (count == 0) else "contradicted", "", shown, evidence=at
    )


def _backbone(claim: Claim, run: RunFacts) -> Judged:
    """ "freeze_backbone: true", as a configuration writes it."""
    settings = run.run.foreign.settings if run.run.foreign else {}
    told = settings.get("train_setup.freeze_backbone") or settings.get("freeze_backbone")
    if told is None:
        return say(claim, "unsupported", f"no file of {run.run.case} tells which parts train")
    right = claim.qualifier.endswith("frozen") == (told.value == "True")
    return say(
        claim,
        "supported" if right else "contradicted",
        "",
        told.value.lower(),
        evidence=told.evidence,
    )


def _lora(claim: Claim, run: RunFacts) -> Judged:
    enabled, _, at = _trained(run)
    yes = bool(re.search(r"✅|enabled|\byes\b|사용|true|r\s*=", claim.value, re.IGNORECASE))
    no = bool(re.search(r"❌|disabled|\bno(ne)?\b|false|없음", claim.value, re.IGNORECASE))
    if enabled is None or yes == no:
        return say(claim, "unsupported", f"no file of {run.run.case} tells whether LoRA is on")
    shown = "LoRA" if enabled else "no LoRA"
    return say(claim, "supported" if yes == enabled else "contradicted", "", shown, evidence=at)


def _trained(run: RunFacts) -> tuple[bool | None, float | None, Evidence | None]:
    """Whether LoRA is on, how many parameters train, and where that stands."""
    settings = run.run.foreign.settings if run.run.foreign else {}
    told = settings.get("train_setup.lora_enable") or settings.get("lora_enable")
    count = run.numbers.get(("params", "", ""))
    rank = run.numbers.get(("lora_r", "", ""))
    at = told.evidence if told else rank.evidence if rank else None
    enabled = told.value == "True" if told else None
    if told is None and rank is not None:
        enabled = rank.number > 0
    return enabled, count.number if count else None, at


def _same_model(said: str, known: str) -> bool:
    """Whether two names are of one family, and of one generation where both tell it."""
    generation = _generation(said)
    return _family(said) == _family(known) and generation in (None, _generation(known))


def _generation(text: str) -> str | None:
    """The 2 of "Kosmos-2", None where none is told."""
    found = re.search(r"kosmos[- _]?(\d)", text.lower())
    return found[1] if found else None


def _family(text: str) -> str | None:
    lowered = text.lower()
    if re.search(r"robovlm|oxe[- _]?pretrain", lowered):
        return "robovlms"
    family = FAMILIES.search(lowered)
    return family[0] if family else None


def _same_file(said: str, known: str) -> bool:
    """Whether two paths may be one, "..." standing for what was left out."""
    path = re.search(r"[\w.~/-]*/[\w./~-]+", said)
    if path is None:
        return True
    if "..." in path[0]:
        pieces = [piece.strip("/") for piece in path[0].split("...")]
        return re.search(".*".join(map(re.escape, pieces)), known) is not None
    return known.strip("./").endswith(path[0].strip("./"))


def _moment(text: str | None) -> datetime | None:
    for form in ("%Y-%m-%d %H:%M", "%Y-%m-%d"):
        try:
            return datetime.strptime(text or "", form)
        except ValueError:
            continue
    return None


JUDGES: dict[str, Callable[[Claim, RunFacts], Judged]] = {
    "reason": _reason,
    "checkpoint": _checkpoint,
    "checkpoint_file": _file,
    "date": _date,
    "vlm": _vlm,
    "init": _init,
    "regime": _regime,
    "lora": _lora,
    "part": _part,
}
