"""The MCP server, asked with the SDK's own client."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from mobile_vla.analysis.casebook import Casebook
from mobile_vla.old_audit.mcp_server import LIMIT, make_server

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.audit_evidence import make_proof

pytest.importorskip("mcp")


@pytest.fixture
def ask(tmp_path: Path) -> Any:
    from mcp import Client

    proof = make_proof(tmp_path / "logs")
    server = make_server(Casebook(tmp_path), lambda: proof)

    def asked(tool: str | None, **arguments: Any) -> Any:
        async def talk() -> Any:
            async with Client(server) as client:
                if tool is None:
                    return [found.name for found in (await client.list_tools()).tools]
                result = await client.call_tool(tool, arguments)
                assert not result.is_error
                return result.structured_content

        return asyncio.run(talk())

    return asked


def test_it_offers_what_an_assistant_must_ask(ask: Any) -> None:
    assert set(ask(None)) == {"status", "evidence", "compare", "plan", "check_paragraph"}


def test_status_and_evidence_name_files(ask: Any) -> None:
    states = {case["case"]: case["state"] for case in ask("status")["cases"]}
    assert states["nav_robovlms_20251204"] == "failed"
    assert states["sim_live_20261004"] == "running"
    run = ask("evidence", case="nav_left_20251203")["case"]["run"]
    assert run["evidence"][0]["file"].endswith("train_20251203_225647.txt")
    assert "nav_left_20251203" in ask("evidence", case="nope")["cases"]


def test_compare_says_what_confounds(ask: Any) -> None:
    found = ask("compare", a="nav_left_20251203", b="nav_leftright_20251204", factor="data_amount")
    assert found["comparison"]["verdict"] == "confounded"
    assert "optimiser_steps" in found["comparison"]["confounds"]
    assert "no case" in ask("compare", a="x", b="nav_left_20251203")["error"]
    told = ask("compare", a="nav_left_20251203", b="nav_leftright_20251204", factor="data_amont")
    assert "no factor 'data_amont': did you mean" in told["error"]


def test_a_paragraph_is_checked_before_it_is_written(ask: Any) -> None:
    text = "nav_left_20251203 finished with a val loss of 0.027. There are 3 cats."
    found = ask("check_paragraph", text=text)
    assert [claim["verdict"] for claim in found["claims"]] == ["supported", "contradicted"]
    assert "0.0131" in found["claims"][1]["says"]
    assert "error" in ask("check_paragraph", text="x" * (LIMIT + 1))


def test_the_plan_is_read_from_the_workspace(ask: Any) -> None:
    assert ask("plan")["plan"]["items"] == []
