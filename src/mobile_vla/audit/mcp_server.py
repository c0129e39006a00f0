"""A server that answers assistants from evidence: each tool runs beside the others, bounded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from mobile_vla.analysis.casebook import Casebook
from mobile_vla.audit.audit_document import Proof
from mobile_vla.audit.mcp_tools import INSTRUCTIONS, Answer, Tools
from mobile_vla.messages.errors import UserError

if TYPE_CHECKING:
    from mcp.server import MCPServer

DEADLINE = 60.0
"""Seconds after which a call is answered with an error."""


def make_server(
    book: Casebook, proof: Callable[[], Proof], deadline: float = DEADLINE
) -> MCPServer[Any]:
    """A server of the tools. `proof` gives the evidence of the moment.

    Raises: UserError where the `mcp` extra is not installed.
    """
    try:
        from mcp.server import MCPServer
    except ImportError as error:
        raise UserError('The MCP server needs the SDK: pip install "mobile-vla[mcp]".') from error
    server: MCPServer[Any] = MCPServer("mobile-vla", instructions=INSTRUCTIONS)
    for tool in Tools(book, proof).all():
        server.add_tool(_answering(tool, deadline), structured_output=True)
    return server


def _answering(tool: Callable[..., Answer], deadline: float) -> Callable[..., Awaitable[Answer]]:
    """The tool in a thread of its own. A user error and a missed deadline are answers."""

    @wraps(tool)
    async def answer(*arguments: Any, **named: Any) -> Answer:
        import anyio

        try:
            with anyio.fail_after(deadline):
                call = partial(tool, *arguments, **named)
                return await anyio.to_thread.run_sync(call, abandon_on_cancel=True)
        except UserError as error:
            return {"error": str(error)}
        except TimeoutError:
            return {"error": f"No answer within {deadline:.0f} s: ask about a smaller part."}

    return answer
