"""The robot's client of a policy server, by openpi's protocol."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError, reason_of
from mobile_vla.serving.policy_input import IMAGE, PROMPT, RESET, SEQUENCE
from mobile_vla.serving.request_error import RequestError
from mobile_vla.serving.wire import MAX_MESSAGE, pack, unpack

OPEN_TIMEOUT = 10.0


class PolicyClient:
    """Asks for an action and waits no longer than a timeout.

    An answer carries the number of its request, and one to an earlier request is dropped: it is
    never taken for the answer to a new one.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        """Connect and read the metadata. Raises a `UserError` where no policy server answers."""
        headers = {"Authorization": f"Bearer {token}"} if token else None
        try:
            self._socket: ClientConnection = connect(
                url, compression=None, max_size=MAX_MESSAGE,
                additional_headers=headers, open_timeout=OPEN_TIMEOUT,
            )  # fmt: skip
            self.metadata: dict[str, Any] = unpack(_as_bytes(self._socket.recv(OPEN_TIMEOUT)))
        except (OSError, ValueError, WebSocketException, UserError) as error:
            why = reason_of(error)
            raise UserError(phrase("serve.no_server", "en", url=url, why=why)) from error
        if SEQUENCE not in self.metadata.get("observation_keys", {}):
            raise UserError(phrase("serve.no_sequence", "en", url=url))
        self.number = 0
        self.late_answers = 0

    def infer(
        self, frame: np.ndarray, instruction: str, timeout: float, *, reset: bool = False
    ) -> np.ndarray | None:
        """The chunk (C, A) for a frame; None where no answer to it came in time.

        `reset`: an episode begins with this frame.

        Raises:
            RequestError: the server refuses the request.
            OSError: the connection is lost.
        """
        self.number += 1
        end = time.monotonic() + timeout
        request = {IMAGE: frame, PROMPT: instruction, SEQUENCE: self.number, RESET: reset}
        try:
            self._socket.send(pack(request))
            return self._answer(end)
        except ConnectionClosed as error:
            raise ConnectionError(str(error)) from error

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _answer(self, end: float) -> np.ndarray | None:
        while (left := end - time.monotonic()) > 0:
            try:
                message = self._socket.recv(left)
            except TimeoutError:
                return None
            answer = unpack(_as_bytes(message))
            if not isinstance(answer, dict):
                raise RequestError("no_map", kind=type(answer).__name__)
            if answer.get(SEQUENCE) == self.number:
                return _actions(answer)
            self.late_answers += 1
        return None


def _actions(answer: dict[str, Any]) -> np.ndarray:
    """The chunk (C, A) of an answer; anything else is refused."""
    actions = answer.get("actions")
    if not isinstance(actions, np.ndarray) or actions.ndim != 2 or not actions.size:
        raise RequestError("no_array", key="actions", kind=type(actions).__name__)
    return actions


def _as_bytes(message: str | bytes) -> bytes:
    """A binary message; a text message is the server's error."""
    if isinstance(message, str):
        raise RequestError("refused", why=message)
    return message
