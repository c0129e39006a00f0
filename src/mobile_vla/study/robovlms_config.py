"""A RoboVLMs configuration, key by key: what a case takes, what has no effect, what is missing.

`robovlms_keys.toml` holds the treatment of every key. Nothing here knows a key by its name.
"""

from __future__ import annotations

import difflib
import fnmatch
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import msgspec

from mobile_vla.messages.errors import UserError, reason_of
from mobile_vla.messages.formats import CONTROLS
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.messages.record import Record
from mobile_vla.runs.outside_files import decode_json, read_regular
from mobile_vla.study.models import Recipe

MOST_BYTES = 4 << 20
DEPTH = 8
MOST_TEXT = 80
MARKS = ("robovlm_name", "act_head", "fwd_pred_next_n")
"""Keys of which every RoboVLMs configuration has one."""
OUTSIDE_RECIPE = ("vlm", "init", "warmup_epochs")
"""Where a value goes that is no key of the recipe."""
Outcome = Literal["taken", "no_effect", "not_supported", "unknown"]


class Treatment(Record, frozen=True, kw_only=True):
    """What becomes of a key; `robovlms_keys.toml` explains each field."""

    take: str | None = None
    values: dict[str, Any] = {}
    minus: int = 0
    also: dict[str, dict[str, Any]] = {}
    default: Any = None
    same: tuple[str, ...] = ()
    idle: str | None = None
    over: str | None = None
    only_if: dict[str, tuple[str, ...]] = msgspec.field(name="if", default={})
    why: str = "value"
    blocks: bool = False


class KeyOutcome(Record, frozen=True, kw_only=True):
    """What became of one key. `implied`: it is missing, and RoboVLMs would take `value`.

    `blocks`: the model would be another one, and nobody said to leave the key out.
    """

    key: str
    value: str
    outcome: Outcome
    why: Reason
    implied: bool = False
    blocks: bool = False


class ImportedConfig(Record, frozen=True, kw_only=True):
    """A configuration's keys, and the recipe, weights and warm-up that it gives.

    `recipe`: nested keys of a recipe. `vlm`, `init`: paths as the configuration has them.
    `warmup_epochs`: the warm-up besides the recipe's steps.
    """

    outcomes: tuple[KeyOutcome, ...]
    recipe: dict[str, Any]
    vlm: str | None
    init: str | None
    warmup_epochs: float

    @property
    def blocking(self) -> list[KeyOutcome]:
        """The keys because of which no study can be written."""
        return [outcome for outcome in self.outcomes if outcome.blocks]


def import_config(path: Path, leave_out: Sequence[str] = ()) -> ImportedConfig:
    """Read a configuration and decide on each of its keys.

    `leave_out`: keys (`*` for any part of one) that shall neither be taken nor block.

    Raises:
        UserError: the file is no RoboVLMs configuration, or `leave_out` names none of its keys.
    """
    config = _read(path)
    leaves = dict(_leaves(config))
    for pattern in leave_out:
        _require_match(pattern, leaves)
    return _Import(leaves, leave_out).all()


class _Import:
    """Decides on the keys of one configuration, and collects what is taken."""

    def __init__(self, leaves: Mapping[str, Any], leave_out: Sequence[str]) -> None:
        self.leaves, self.leave_out = leaves, leave_out
        self.recipe: dict[str, Any] = {}
        self.outside: dict[str, Any] = {}

    def all(self) -> ImportedConfig:
        """Every key of the file in its order, then what missing keys imply."""
        outcomes = [self.outcome(key, value) for key, value in self.leaves.items()]
        outcomes += [outcome for key in _required() if (outcome := self.missing(key))]
        vlm, init = self.outside.get("vlm"), self.outside.get("init")
        return ImportedConfig(
            outcomes=tuple(outcomes),
            recipe=self.recipe,
            vlm=vlm if isinstance(vlm, str) else None,
            init=init if isinstance(init, str) else None,
            warmup_epochs=float(self.outside.get("warmup_epochs") or 0),
        )

    def missing(self, key: str) -> KeyOutcome | None:
        """What RoboVLMs does without this key, where that matters here."""
        if key in self.leaves or not self._is_read(_treatment(key)):
            return None
        return self.outcome(key, None, implied=True)

    def outcome(self, key: str, value: Any, *, implied: bool = False) -> KeyOutcome:
        """Decide on one key."""
        treatment = _treatment(key)
        left_out = any(fnmatch.fnmatchcase(key, pattern) for pattern in self.leave_out)
        if left_out:
            outcome, why = self._left_out(treatment)
        elif treatment is None:
            outcome, why = "unknown", reason("robovlms.unknown")
        else:
            outcome, why = self._treated(treatment, value)
        may_block = treatment is None or treatment.blocks or treatment.take is not None
        shown = value if value is not None or treatment is None else treatment.default
        return KeyOutcome(
            key=_clean(key),
            value=_clean(text_of(shown))[:MOST_TEXT],
            outcome=outcome,
            why=why,
            implied=implied,
            blocks=may_block and not left_out and outcome in ("not_supported", "unknown"),
        )

    def _left_out(self, treatment: Treatment | None) -> tuple[Outcome, Reason]:
        known: Outcome = "unknown" if treatment is None else "not_supported"
        return known, reason("robovlms.left_out")

    def _treated(self, treatment: Treatment, value: Any) -> tuple[Outcome, Reason]:
        if not self._is_read(treatment):
            key, values = next(iter(treatment.only_if.items()))
            return "no_effect", reason("robovlms.only_with", key=key, values=list(values))
        if treatment.over:
            return "no_effect", reason("robovlms.overwritten", key=treatment.over)
        if treatment.idle:
            return "no_effect", reason(f"robovlms.{treatment.idle}")
        if treatment.take:
            return self._take(treatment, treatment.take, value)
        if text_of(value) in treatment.same:
            return "taken", reason("robovlms.as_here")
        return "not_supported", reason(f"robovlms.{treatment.why}")

    def _take(self, treatment: Treatment, to: str, value: Any) -> tuple[Outcome, Reason]:
        value = treatment.default if value is None else value
        if value is None:
            if treatment.blocks:
                return "not_supported", reason("robovlms.missing")
            return "no_effect", reason("robovlms.null")
        text = text_of(value)
        if treatment.values and text not in treatment.values and treatment.why != "value":
            return "not_supported", reason(f"robovlms.{treatment.why}")
        taken = treatment.values.get(text, value)
        if treatment.minus and type(taken) is int:
            taken -= treatment.minus
        keys = {to: taken, **treatment.also.get(text, {})}
        if not all(self._accepts(key, inner) for key, inner in keys.items()):
            return "not_supported", reason(f"robovlms.{treatment.why}")
        for key, inner in keys.items():
            self._keep(key, inner)
        return "taken", reason("robovlms.taken", key=to, value=_clean(text_of(taken))[:MOST_TEXT])

    def _accepts(self, key: str, value: Any) -> bool:
        kind = {"vlm": str, "init": str, "warmup_epochs": float}.get(key)
        try:
            if kind is None:
                msgspec.convert(_nested(key, value), Recipe)
            else:
                msgspec.convert(value, kind)
        except (msgspec.ValidationError, OverflowError):
            return False
        return True

    def _keep(self, key: str, value: Any) -> None:
        if key in OUTSIDE_RECIPE:
            self.outside[key] = value
            return
        above, _, name = key.rpartition(".")
        (self.recipe.setdefault(above, {}) if above else self.recipe)[name] = value

    def _is_read(self, treatment: Treatment | None) -> bool:
        """Whether RoboVLMs reads the key, by the values of others."""
        conditions = treatment.only_if.items() if treatment else ()
        return all(self._value(key) in values for key, values in conditions)

    def _value(self, key: str) -> str:
        value, treatment = self.leaves.get(key), _treatment(key)
        return text_of(treatment.default if value is None and treatment else value)


def text_of(value: Any) -> str:
    """A value as it is compared and shown: a text as it stands, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


@cache
def treatments() -> dict[str, Treatment]:
    """The treatment of every known key."""
    file = resources.files(__package__).joinpath("robovlms_keys.toml")
    return msgspec.convert(tomllib.loads(file.read_text("utf-8")), dict[str, Treatment])


def _treatment(key: str) -> Treatment | None:
    known = treatments()
    if key in known:
        return known[key]
    patterns = (name for name in known if name.endswith("*"))
    return next((known[name] for name in patterns if fnmatch.fnmatchcase(key, name)), None)


def _required() -> list[str]:
    """Keys that matter where they are missing: RoboVLMs has a default, or cannot do without."""
    return [
        key for key, treatment in treatments().items()
        if treatment.take and (treatment.default is not None or treatment.blocks)
    ]  # fmt: skip


def _nested(key: str, value: Any) -> dict[str, Any]:
    above, _, name = key.rpartition(".")
    return {above: {name: value}} if above else {name: value}


def _leaves(
    config: Mapping[str, Any], above: str = "", depth: int = 0
) -> Iterator[tuple[str, Any]]:
    """Keys joined by dots with their values; lists, and what is nested past all use, stay whole."""
    for key, value in config.items():
        if isinstance(value, dict) and value and depth < DEPTH:
            yield from _leaves(value, f"{above}{key}.", depth + 1)
        else:
            yield f"{above}{key}", value


def _clean(text: str) -> str:
    return CONTROLS.sub(" ", text)


def _require_match(pattern: str, leaves: Mapping[str, Any]) -> None:
    names = [*leaves, *_required()]
    if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
        near = difflib.get_close_matches(pattern, names, n=1)
        advice = f"did you mean {near[0]}?" if near else "name a key that the list shows."
        raise UserError(f"The configuration has no key {pattern}: {advice}")


def _read(path: Path) -> dict[str, Any]:
    try:
        config = decode_json(read_regular(path, MOST_BYTES), dict[str, Any])
    except OSError as error:
        raise UserError(f"{path} cannot be read ({reason_of(error)}): check the path.") from error
    except ValueError as error:
        raise UserError(
            f"{path} is no JSON object ({str(error).splitlines()[0]}): give a configuration of "
            "RoboVLMs."
        ) from error
    if not any(mark in config for mark in MARKS):
        raise UserError(
            f"{path} has none of the keys {', '.join(MARKS)}: give a configuration of RoboVLMs."
        )
    return config
