"""The codes and both catalogues: the same entries, fit for every reason, and no refused word."""

import ast
import re
import string
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import msgspec
import pytest

import mobile_vla
from mobile_vla.analysis.casebook import Casebook
from mobile_vla.analysis.wording import FORBIDDEN
from mobile_vla.messages.catalogue import phrase, sentence, show
from mobile_vla.messages.formats import LANGUAGES
from mobile_vla.messages.particles import PAIRS
from mobile_vla.messages.reason import KINDS, Reason, codes, reason
from mobile_vla.study.load_study import find_study, load_study

INNER = Reason("run.left_no_checkpoint")
SAMPLES = {
    "text": "a/b.json", "level": "50 % left, 50 % right", "count": 3, "number": 0.012345,
    "exact": 0.012345678, "seconds": 700.0, "bytes": 6_900_000_000, "share": 0.25,
    "progress": [30, 80], "state": "unverified", "verdict": "not_comparable",
    "factor": "recipe.lora.r", "metric": "mae_linear_x", "series": "replay_by_step",
    "quantity": "val_loss", "direction": "left", "split": "train", "part": "vision",
    "factors": ["data_amount", "seed"], "texts": ["x", "y"], "directions": ["left", "right"],
    "counts": [1, 2], "frames": [3, 4, 9], "reason": INNER,
    "reasons": [INNER, INNER], "items": [INNER, INNER],
}  # fmt: skip
TERMS = {"quantity", "qualifier", "metric"}
"""Sections of terms, in which "best" is the name of a value, not a judgement."""
CODE = re.compile(r"[a-z]+\.[a-z0-9_]+")
SPAN = re.compile(r"`[^`]*`")
BRACES = re.compile(r"\{[^}]*\}")


def catalogue(language: str) -> dict[str, str]:
    text = resources.files("mobile_vla.messages").joinpath(f"{language}.toml").read_text("utf-8")
    return {
        f"{section}.{key}": value
        for section, entries in tomllib.loads(text).items()
        for key, value in entries.items()
    }


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_catalogues_have_the_same_entries() -> None:
    assert sorted(catalogue("en")) == sorted(catalogue("ko"))


def test_both_catalogues_have_the_same_placeholders() -> None:
    english, korean = catalogue("en"), catalogue("ko")
    differ = [key for key in english if placeholders(english[key]) != placeholders(korean[key])]
    assert differ == []


def test_every_code_has_a_template_that_shows_exactly_its_fields() -> None:
    english = catalogue("en")
    assert [code for code in codes() if code not in english] == []
    wrong = [code for code, kinds in codes().items() if placeholders(english[code]) != set(kinds)]
    assert wrong == []


def test_every_field_is_of_a_known_kind() -> None:
    assert SAMPLES.keys() == KINDS.keys()
    used = {kind for kinds in codes().values() for kind in kinds.values()}
    assert used <= KINDS.keys()


def test_plural_and_particle_specifications_are_known() -> None:
    for language in LANGUAGES:
        for key, text in catalogue(language).items():
            for _, _, spec, _ in string.Formatter().parse(text):
                known = not spec or spec == "capital" or spec in PAIRS or spec.isascii()
                assert known, f"{language} {key}: {spec}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_is_rendered(language: str) -> None:
    for code, kinds in codes().items():
        made = reason(code, **{name: SAMPLES[kind] for name, kind in kinds.items()})
        text = sentence(made, language)
        assert text and "{" not in text and "None" not in text, code
        assert msgspec.json.decode(msgspec.json.encode(made), type=Reason) == made


@pytest.mark.parametrize("language", LANGUAGES)
def test_refused_words_are_in_no_text(language: str) -> None:
    """Names between backticks are quotations of files and commands."""
    wrong = {
        key: text
        for key, text in catalogue(language).items()
        if key.partition(".")[0] not in TERMS and FORBIDDEN.search(SPAN.sub("", text))
    }
    assert wrong == {}


def test_korean_sentences_are_korean() -> None:
    """A Korean template with Latin letters beside its fields has Hangul too."""
    bare = {code: SPAN.sub("", BRACES.sub("", catalogue("ko")[code])) for code in codes()}
    latin = [code for code, text in bare.items() if re.search("[A-Za-z]", text)]
    assert [code for code in latin if not re.search("[가-힣]", bare[code])] == []


def calls() -> Iterator[tuple[str, int, str, list[str]]]:
    """Every call of `reason` with a literal code in the source: file, line, code, fields."""
    for file in sorted(Path(mobile_vla.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "reason":
                continue
            first = node.args[0] if node.args else None
            options = (first.body, first.orelse) if isinstance(first, ast.IfExp) else (first,)
            for code in options:
                if isinstance(code, ast.Constant) and CODE.fullmatch(str(code.value)):
                    names = [keyword.arg or "**" for keyword in node.keywords]
                    yield file.name, node.lineno, str(code.value), names


def test_every_reason_in_the_source_has_a_known_code_and_its_fields() -> None:
    wrong = [
        (file, line, code, names)
        for file, line, code, names in calls()
        if code not in codes() or ("**" not in names and set(names) != set(codes()[code]))
    ]
    assert wrong == []


def test_a_wrong_code_field_or_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no reason has the code"):
        reason("run.no_such_code")
    with pytest.raises(ValueError, match="takes the fields"):
        reason("run.alive")
    with pytest.raises(ValueError, match="of kind progress"):
        reason("run.alive", progress="3 of 4")
    with pytest.raises(ValueError, match="of kind count"):
        reason("run.in_future", line=True)


def test_a_code_of_a_later_version_is_shown_as_it_stands() -> None:
    assert sentence(Reason("run.of_tomorrow", {"n": 1}), "en") == "run.of_tomorrow {'n': 1}"


def test_an_unknown_phrase_is_an_error() -> None:
    with pytest.raises(KeyError):
        phrase("format.nothing", "en")


def test_nested_reasons_are_rendered_in_the_same_language() -> None:
    inner = reason("case.weights_at", name="robovlms", path="w.pt")
    outer = reason("case.weights_missing", weights=inner)
    assert sentence(outer, "en") == "its weights do not exist: robovlms at w.pt"
    assert sentence(outer, "ko") == "가중치가 없음: robovlms (w.pt)"


def test_every_reason_of_a_study_without_runs_is_korean(tmp_path: Path) -> None:
    book = Casebook(tmp_path, load_study(find_study("left_right")))
    reasons = [case.why for case in book.cases()]
    reasons += [why for comparison in book.comparisons() for why in comparison.reasons]
    plan = book.plan()
    reasons += [item.why for item in plan.items] + plan.next_steps
    assert len(reasons) > 20
    texts = [sentence(why, "ko") for why in reasons]
    assert [text for text in texts if not re.search("[가-힣]", text)] == []


@pytest.mark.parametrize("kind", ["count", "number", "exact", "seconds", "bytes", "share"])
def test_a_number_of_any_size_is_shown(kind: str) -> None:
    for value in (10**400, -(10**400)):
        assert show(kind, value, "en")
