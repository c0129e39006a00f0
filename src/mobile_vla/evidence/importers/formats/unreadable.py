"""The exception of a file that cannot be read, with its reason."""

from __future__ import annotations

from mobile_vla.messages.errors import reason_of
from mobile_vla.messages.reason import Field, Reason, reason


class UnreadableFile(ValueError):
    """A file that its reader refuses. `why`: a reason of the section `import`."""

    def __init__(self, code: str, **fields: Field) -> None:
        self.why = reason(f"import.{code}", **fields)
        super().__init__(code)


def failure(error: BaseException) -> Reason:
    """Why a reader failed: the reason that it gives, else the error's own words, quoted."""
    if isinstance(error, UnreadableFile):
        return error.why
    return reason("import.system_error", text=reason_of(error)[:300])


def unreadable(file: str, error: BaseException) -> Reason:
    """The finding for a file whose reader failed."""
    return reason("import.unreadable", file=file, why=failure(error))
