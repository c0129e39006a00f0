"""Messages of a websocket, with a limit on how long a client may be silent."""

from __future__ import annotations

import asyncio

from starlette.websockets import WebSocket, WebSocketState

from mobile_vla.messages.catalogue import phrase

GOING_AWAY = 1001


async def receive_message(websocket: WebSocket, idle: float) -> bytes | None:
    """The next message as bytes; None where the client has gone, or was silent for `idle` s."""
    try:
        async with asyncio.timeout(idle):
            message = await websocket.receive()
    except TimeoutError:
        if websocket.application_state is WebSocketState.CONNECTED:
            reason = phrase("serve.session_idle", "en", seconds=f"{idle:g}")
            await websocket.close(GOING_AWAY, reason)
        return None
    if message["type"] == "websocket.disconnect":
        return None
    data = message.get("bytes")
    return data if data is not None else message["text"].encode()
