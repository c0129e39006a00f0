"""openpi's websocket protocol: metadata, then observations in and action chunks out.

Arrays are msgpack maps with byte keys. An error is one text frame, and the connection stays open;
after an internal error it is closed with 1011. openpi's `reset()` sends nothing: an episode begins
with a new connection, another `prompt`, or `"reset": True` in an observation.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from starlette.websockets import WebSocket

from mobile_vla.serving.channel import receive_message
from mobile_vla.serving.inference import InferenceCore, PredictedChunk, Session, counted
from mobile_vla.serving.policy_input import (
    IMAGE,
    PROMPT,
    RESET,
    SEQUENCE,
    STATE,
    PolicyInput,
    check_input,
    refuse_unknown,
)
from mobile_vla.serving.request_error import RequestError
from mobile_vla.serving.wire import pack, unpack

KEYS = (IMAGE, STATE, PROMPT, RESET, SEQUENCE)


class OpenpiEndpoint:
    """Serves one connection after another; each has a history."""

    def __init__(self, core: InferenceCore, *, refuse_resize: bool) -> None:
        self._core, self._refuse_resize = core, refuse_resize
        self.metadata = {
            **core.metadata,
            "observation_keys": {
                IMAGE: "(H, W, 3) uint8 RGB",
                PROMPT: "text",
                STATE: "not used",
                RESET: "True begins an episode",
                SEQUENCE: "a number that the answer repeats",
            },
        }

    async def __call__(self, websocket: WebSocket) -> None:
        """Answer until the client goes or is idle too long."""
        await websocket.accept()
        await websocket.send_bytes(pack(self.metadata))
        session, previous = self._core.new_session(), None
        while (data := await receive_message(websocket, self._core.idle)) is not None:
            begin = time.monotonic()
            try:
                with counted(self._core):
                    reply = await self._reply(session, data, previous)
            except RequestError as error:
                await websocket.send_text(str(error))
                continue
            await websocket.send_bytes(reply)
            previous = time.monotonic() - begin

    async def _reply(self, session: Session, data: bytes, previous: float | None) -> bytes:
        begin = time.monotonic()
        values = refuse_unknown(unpack(data), KEYS)
        request = read_observation(values, self._core.served.side, self._refuse_resize)
        decoded = time.monotonic() - begin
        self._core.statistics.add("decode", decoded)
        answer = await self._core.infer(session, request)
        begin = time.monotonic()
        echo = {SEQUENCE: values[SEQUENCE]} if SEQUENCE in values else {}
        reply = pack({**_as_reply(answer, decoded, previous), **echo})
        self._core.statistics.add("encode", time.monotonic() - begin)
        return reply


def read_observation(values: Mapping[str, Any], side: int, refuse_resize: bool) -> PolicyInput:
    """An observation as openpi's client packs it.

    Raises:
        RequestError: a key is missing, or its value is not what it must be.
    """
    if type(values.get(SEQUENCE, 0)) is not int:
        raise RequestError("no_number", key=SEQUENCE)
    if STATE in values:
        _check_state(values[STATE])
    reset = values.get(RESET, False)
    if not isinstance(reset, bool):
        raise RequestError("reset_type", key=RESET)
    names = (IMAGE, PROMPT)
    return check_input(values, names, side, refuse_resize=refuse_resize, reset=reset)


def _check_state(state: Any) -> None:
    if not isinstance(state, np.ndarray) or state.dtype.kind not in "iuf":
        raise RequestError("no_array", key=STATE, kind=type(state).__name__)
    if not np.isfinite(state).all():
        raise RequestError("state_not_finite", key=STATE)


def _as_reply(answer: PredictedChunk, decoded: float, previous: float | None) -> dict[str, Any]:
    timing = {
        "decode_ms": decoded * 1000,
        "queue_ms": answer.queue_seconds * 1000,
        "infer_ms": answer.model_seconds * 1000,
    }
    if previous is not None:
        timing["prev_total_ms"] = previous * 1000
    return {"actions": answer.actions, "history": answer.history, "server_timing": timing}
