"""What an assistant may ask: status, evidence, comparison, plan, and "check this paragraph".

Every answer is read from files when it is asked for, and names them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import msgspec

from mobile_vla.analysis.casebook import Casebook
from mobile_vla.audit.audit_document import Proof, audit_text
from mobile_vla.audit.audit_messages import message
from mobile_vla.messages.as_json import plain
from mobile_vla.messages.catalogue import sentence
from mobile_vla.messages.errors import UserError

if TYPE_CHECKING:
    from mcp.server import MCPServer

INSTRUCTIONS = (
    "Facts about training runs, read from their files. Before you write a number, a state or a "
    "comparison of a run, ask here; check every paragraph you wrote with check_paragraph, and "
    "write nothing that it calls contradicted, stale, ambiguous or unsupported."
)
LIMIT = 200_000
Answer = dict[str, Any]


def make_server(book: Casebook, proof: Callable[[], Proof]) -> MCPServer[Any]:
    """A server of five tools. `proof` gives the evidence as it stands at the asking.

    Errors: `UserError` where the `mcp` extra is not installed.
    """
    try:
        from mcp.server import MCPServer
    except ImportError as error:
        raise UserError('The MCP server needs the SDK: pip install "mobile-vla[mcp]".') from error
    server: MCPServer[Any] = MCPServer("mobile-vla", instructions=INSTRUCTIONS)
    tools = Tools(book, proof)
    for tool in (tools.status, tools.evidence, tools.compare, tools.plan, tools.check_paragraph):
        server.add_tool(_answering(tool), structured_output=True)
    return server


class Tools:
    """The tools, as plain functions."""

    def __init__(self, book: Casebook, proof: Callable[[], Proof]) -> None:
        self.book, self.proof = book, proof

    def status(self) -> Answer:
        """Which training cases and runs really exist, and the state of each with its reason."""
        cases = [
            {"case": case.name, "label": case.label, "state": case.state,
             "why": sentence(case.why, "en"),
             "runs": [{"path": run.path, "state": run.state} for run in case.runs]}
            for case in self.proof().cases
        ]  # fmt: skip
        return {"cases": cases}

    def evidence(self, case: str) -> Answer:
        """Everything that the files of one case's runs tell, each fact with its file and place."""
        for found in self.proof().cases:
            if case in (found.name, found.label):
                return {"case": _plain(found)}
        known = [found.name for found in self.proof().cases]
        return {"error": f"There is no case {case!r}.", "cases": known}

    def compare(self, a: str, b: str, factor: str | None = None) -> Answer:
        """Whether two cases can be compared, for a factor or question if one is named, and why."""
        proof = self.proof()
        names = {**{case.name: case.name for case in proof.cases}, **proof.labels()}
        unknown = [name for name in (a, b) if name not in names]
        if unknown:
            return {"error": f"There is no case {unknown[0]!r}.", "cases": sorted(names)}
        asked = {
            one.name: one.factor for one in (self.book.study.questions if self.book.study else ())
        }
        found = proof.compare(names[a], names[b], asked.get(factor or "", factor))
        return {"comparison": _plain(found)}

    def plan(self) -> Answer:
        """What is done, running, to do and blocked, and the next steps in their order."""
        return {"plan": _plain(self.book.plan())}

    def check_paragraph(self, text: str) -> Answer:
        """Check Markdown, Korean or English: every claim in it with what the evidence says."""
        if len(text) > LIMIT:
            return {"error": f"The text is longer than {LIMIT} characters: check it in parts."}
        found = audit_text(text, self.proof())
        claims = [
            {"line": one.claim.line, "value": one.claim.value, "verdict": one.verdict,
             "evidence": one.expected, "says": message(one, found.language)}
            for one in found.claims
        ]  # fmt: skip
        unread = [{"line": line.line, "text": line.text} for line in found.unread]
        return {"claims": claims, "counts": found.counts(), "unread": unread}


def _answering(tool: Callable[..., Answer]) -> Callable[..., Answer]:
    """A tool whose user errors are answers: a sentence, and no traceback."""

    @wraps(tool)
    def answer(*arguments: Any, **named: Any) -> Answer:
        try:
            return tool(*arguments, **named)
        except UserError as error:
            return {"error": str(error)}

    return answer


def _plain(value: object) -> Answer:
    answer: Answer = msgspec.json.decode(msgspec.json.encode(plain(value)))
    return answer
