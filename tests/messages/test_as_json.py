"""Reasons in JSON: the sentence at the key of today, code and fields beside it."""

from __future__ import annotations

import msgspec

from mobile_vla.messages.as_json import Joined, plain, with_reasons
from mobile_vla.messages.reason import Reason, reason

PREPARED = "its folder is prepared and no process has begun it"
INNER = reason("case.weights_at", name="a", path="b.pt")
NESTED = reason("case.weights_missing", weights=INNER)


class Answer(msgspec.Struct, frozen=True):
    why: Reason
    problem: Reason | None = None
    conflicts: list[Reason] = []
    name: str = "x"
    inner: list[Answer] = []


def test_a_reason_stands_beside_its_sentence() -> None:
    answer = plain(Answer(why=reason("run.prepared")))
    assert list(answer) == ["why", "why_reason", "problem", "problem_reason", "conflicts",
                            "conflicts_reasons", "name", "inner"]  # fmt: skip
    assert answer["why"] == PREPARED
    assert answer["why_reason"] == {"code": "run.prepared", "fields": {}}
    assert (answer["problem"], answer["problem_reason"]) == (None, None)
    assert (answer["conflicts"], answer["conflicts_reasons"]) == ([], [])


def test_reasons_within_structs_lists_and_reasons() -> None:
    within = Answer(why=NESTED, problem=INNER, conflicts=[INNER])
    answer = plain({"answers": [Answer(why=NESTED, inner=[within])]})["answers"][0]["inner"][0]
    assert answer["why"] == "its weights do not exist: a at b.pt"
    inner = {"code": "case.weights_at", "fields": {"name": "a", "path": "b.pt"}}
    encoded = msgspec.json.decode(msgspec.json.encode(answer))
    assert encoded["why_reason"] == {"code": NESTED.code, "fields": {"weights": inner}}
    assert (encoded["problem"], encoded["problem_reason"]) == ("a at b.pt", inner)
    assert (encoded["conflicts"], encoded["conflicts_reasons"]) == (["a at b.pt"], [inner])


def test_the_schema_has_the_same_keys() -> None:
    _, components = msgspec.json.schema_components([Answer])
    schema = with_reasons(components["Answer"])
    assert set(schema["properties"]) == set(plain(Answer(why=INNER)))
    assert schema["required"] == ["why", "why_reason"]
    assert schema["properties"]["conflicts"]["items"] == {"type": "string"}


class Shown(msgspec.Struct, frozen=True):
    parts: Joined


def test_joined_reasons_are_one_text() -> None:
    answer = plain(Shown([INNER, NESTED]))
    assert answer["parts"] == "a at b.pt; its weights do not exist: a at b.pt"
    assert [why["code"] for why in answer["parts_reasons"]] == [INNER.code, NESTED.code]
    (_,), components = msgspec.json.schema_components([Shown])
    schema = with_reasons(components["Shown"])
    assert schema["properties"]["parts"] == {"type": "string"}
    assert schema["required"] == ["parts", "parts_reasons"]
