"""The MCP server, asked with the SDK's own client."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from mobile_vla.analysis.casebook import Casebook
from mobile_vla.audit.mcp_server import make_server
from mobile_vla.audit.mcp_tools import LARGE, LIMIT, part_of

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.audit_evidence import make_proof

pytest.importorskip("mcp")
RUN = "nav_left_20251203"
TEXT = f"# {RUN}\n\n- Val loss: 0.027\n\nThe group took a rate of 0.5 for it.\n"


def client_of(server: Any) -> Any:
    """Calls a tool of the server; None lists the tools."""
    from mcp import Client

    def ask(tool: str | None, **arguments: Any) -> Any:
        async def talk() -> Any:
            async with Client(server) as client:
                if tool is None:
                    return [entry.name for entry in (await client.list_tools()).tools]
                result = await client.call_tool(tool, arguments)
                assert not result.is_error
                return result.structured_content

        return asyncio.run(talk())

    return ask


@pytest.fixture
def ask(tmp_path: Path) -> Any:
    proof = make_proof(tmp_path / "logs")
    return client_of(make_server(Casebook(tmp_path), lambda: proof))


def test_it_offers_what_an_assistant_must_ask(ask: Any) -> None:
    assert set(ask(None)) == {
        "status", "evidence", "compare", "plan", "check_paragraph", "bind", "propose_claims",
        "check_claims",
    }  # fmt: skip


def test_status_and_evidence_name_files_and_are_bounded(ask: Any) -> None:
    states = {case["case"]: case["state"] for case in ask("status")["cases"]}
    assert states["nav_robovlms_20251204"] == "failed"
    summary = ask("evidence", case=RUN)
    assert len(json.dumps(summary)) < 2 * LARGE
    run = ask("evidence", case=RUN, part="case.run")["value"]
    assert run["case"] == RUN
    assert "line" in json.dumps(ask("evidence", case=RUN, part="case.run.evidence"))
    assert "parts" in ask("evidence", case=RUN, part="case.nope")
    assert RUN in ask("evidence", case="nope")["cases"]


def test_a_large_part_is_paged() -> None:
    answer = {"case": {"name": "a", "rows": [{"n": n, "text": "x" * 100} for n in range(1000)]}}
    assert part_of(answer, "case")["value"]["rows"]["part"] == "case.rows"
    first = part_of(answer, "case.rows")
    assert first["total"] == 1000
    second = part_of(answer, "case.rows", first["next_offset"])
    assert second["items"][0]["n"] == first["next_offset"]
    assert len(json.dumps(first)) < 2 * LARGE


def test_compare_says_what_confounds(ask: Any) -> None:
    other = "nav_leftright_20251204"
    comparison = ask("compare", a=RUN, b=other, factor="data_amount")["comparison"]
    assert comparison["verdict"] == "confounded"
    assert "optimiser_steps" in json.dumps(comparison["confounds"])
    assert "no case" in ask("compare", a="x", b=RUN)["error"]


def test_a_paragraph_is_checked_before_it_is_written(ask: Any) -> None:
    (claim,) = ask("check_paragraph", text=TEXT)["claims"]
    assert claim["verdict"] == "contradicted"
    assert "0.0131" in claim["says"]
    assert "longer than" in ask("check_paragraph", text="x" * (LIMIT + 1))["error"]


def test_names_are_bound_in_the_open_and_confirmed_by_the_user(ask: Any) -> None:
    text = "# Case 2\n\n- Learning rate: 0.5\n"
    answer = ask("bind", text=text)
    assert answer["open"] == {"Case 2": 1}
    assert "learning_rate" in answer["quantities"]
    assert ask("check_paragraph", text=text)["claims"][0]["verdict"] == "unbound"
    checked = ask("check_paragraph", text=text, bindings={"Case 2": RUN})
    assert checked["claims"][0]["verdict"] == "contradicted"
    assert ask("bind", text=text)["open"] == {"Case 2": 1}


def test_proposals_are_refused_or_judged_by_evidence_alone(ask: Any) -> None:
    right = {
        "quote": "a rate of 0.5 for it",
        "value": "0.5",
        "quantity": "learning_rate",
        "name": RUN,
    }
    wrong = {**right, "quote": "a rate of 0.6 for it", "value": "0.6"}
    verdict = {**right, "verdict": "supported"}
    answer = ask("propose_claims", text=TEXT, claims=[right, wrong, verdict])
    assert [claim["value"] for claim in answer["accepted"]] == ["0.5"]
    assert len(answer["refused"]) == 2
    verdicts = {claim["value"]: claim["verdict"]
                for claim in ask("check_claims", text=TEXT, claims=[right])["claims"]}  # fmt: skip
    assert verdicts == {"0.5": "contradicted", "0.027": "contradicted"}


def test_the_plan_is_read_from_the_workspace(ask: Any) -> None:
    assert ask("plan")["plan"]["items"] == []


def test_a_slow_call_is_answered_at_its_deadline_and_blocks_no_other(tmp_path: Path) -> None:
    from mcp import Client

    gate, proof = threading.Event(), make_proof(tmp_path / "logs")
    calls = iter([True])

    def slow_once() -> Any:
        if next(calls, False):
            gate.wait(30)
        return proof

    server = make_server(Casebook(tmp_path), slow_once, deadline=0.5)

    async def talk() -> list[Any]:
        async with Client(server) as client:
            slow = asyncio.create_task(client.call_tool("check_paragraph", {"text": TEXT}))
            await asyncio.sleep(0)
            other = await client.call_tool("plan", {})
            return [other.structured_content, (await slow).structured_content]

    other, slow = asyncio.run(talk())
    gate.set()
    assert "plan" in other
    assert "No answer within" in slow["error"]
