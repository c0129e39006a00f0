"""The error that a server answers a request with."""

from __future__ import annotations

from mobile_vla.messages.catalogue import sentence
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.reason import Field, Reason, reason


class RequestError(UserError):
    """A request that gets no action; `why` is sent to the client as code, fields and sentence."""

    def __init__(self, code: str, **fields: Field) -> None:
        self.why: Reason = reason(f"serve.{code}", **fields)
        super().__init__(f"{sentence(self.why, 'en').rstrip('.')}.")


def as_request_error(error: UserError) -> RequestError:
    """An error of the policy, such as a word that its tokenizer does not know, as an answer."""
    return error if isinstance(error, RequestError) else RequestError("refused", why=str(error))
