"""vla-eval's model-server protocol, version 1: msgpack messages with a type and a number.

The first action of each chunk is answered, as `mvla evaluate` executes it. An answer carries the
number of its observation.
"""

from __future__ import annotations

import time
from typing import Any

from starlette.websockets import WebSocket

from mobile_vla import __version__
from mobile_vla.serving.channel import receive_message
from mobile_vla.serving.inference import InferenceCore, Session, counted
from mobile_vla.serving.policy_input import check_input
from mobile_vla.serving.request_error import RequestError
from mobile_vla.serving.wire import pack, unpack

PROTOCOL_VERSION = 1
TEXT = "task_description"


class VlaEvalEndpoint:
    """Serves vla-eval's runner; each connection has a history, each episode a new one."""

    def __init__(self, core: InferenceCore, *, refuse_resize: bool) -> None:
        self._core, self._refuse_resize = core, refuse_resize

    async def __call__(self, websocket: WebSocket) -> None:
        """Answer until the client goes or is idle too long."""
        await websocket.accept()
        session = self._core.new_session()
        while (data := await receive_message(websocket, self._core.idle)) is not None:
            sequence = 0
            try:
                with counted(self._core):
                    message = _checked(unpack(data))
                    sequence = message["seq"]
                    reply = await self._reply(session, message)
            except RequestError as error:
                reply = ("error", {"error": str(error)})
            if reply is not None:
                await websocket.send_bytes(_message(*reply, sequence))

    async def _reply(
        self, session: Session, message: dict[str, Any]
    ) -> tuple[str, dict[str, Any]] | None:
        if message["type"] == "hello":
            return "hello", self._hello()
        if message["type"] in ("episode_start", "episode_end"):
            session.reset()
        if message["type"] != "observation":
            return None
        return "action", await self._act(session, message["payload"])

    async def _act(self, session: Session, payload: dict[str, Any]) -> dict[str, Any]:
        images = payload.get("images")
        if not isinstance(images, dict) or len(images) != 1:
            cameras = ", ".join(map(str, images)) if isinstance(images, dict) else ""
            raise RequestError("one_camera", cameras=cameras or "none")
        (image,) = images
        values = {image: images[image], **{k: v for k, v in payload.items() if k == TEXT}}
        request = check_input(
            values, (image, TEXT), self._core.served.side, refuse_resize=self._refuse_resize
        )
        answer = await self._core.infer(session, request)
        return {"actions": answer.actions[0]}

    def _hello(self) -> dict[str, Any]:
        dims = len(self._core.metadata["action"]["names"])
        velocity = {"name": "velocity", "dims": dims, "format": "m_s_ahead_left"}
        image = {"name": "image", "dims": 0, "format": "rgb_hwc_uint8"}
        language = {"name": "language", "dims": 0, "format": "language"}
        return {
            "harness_version": f"mobile_vla {__version__}",
            "protocol_version": PROTOCOL_VERSION,
            "model_server": "mobile_vla",
            "capabilities": {},
            "action_spec": {"velocity": velocity},
            "observation_spec": {"image": image, "language": language},
        }


def _checked(message: Any) -> dict[str, Any]:
    kinds = {"type": str, "payload": dict, "seq": int}
    if not isinstance(message, dict):
        raise RequestError("no_map", kind=type(message).__name__)
    for key, kind in kinds.items():
        if not isinstance(message.get(key), kind):
            raise RequestError("missing_key", key=key, keys=", ".join(map(str, message)) or "none")
    return message


def _message(kind: str, payload: dict[str, Any], sequence: int) -> bytes:
    message = {"type": kind, "payload": payload, "seq": sequence, "timestamp": time.time()}
    return pack(message, byte_keys=False)
