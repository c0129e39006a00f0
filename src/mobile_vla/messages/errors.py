"""The one exception that a user is meant to read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Found = TypeVar("Found")


class UserError(Exception):
    """What is wrong, where, and what to do next, in one sentence; or several such `faults`.

    The command line prints a fault a line, without a traceback, and exits with `exit_code`:
    2 where the input was wrong, 1 where the answer is a negative finding.
    """

    def __init__(self, *faults: str, exit_code: int = 2) -> None:
        super().__init__(" ".join(faults))
        self.faults = faults
        self.exit_code = exit_code


def reason_of(error: BaseException) -> str:
    """What the system says of an error, else its own words, else its name."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class Faults:
    """Checks that do not depend on each other: what all of them find wrong is said at once."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def of(self, check: Callable[..., Found], *arguments: Any) -> Found | None:
        """What `check` returns; None where it raised a `UserError`, which is kept."""
        try:
            return check(*arguments)
        except UserError as error:
            self.sentences += error.faults
            return None

    def refuse(self) -> None:
        """A `UserError` of every sentence kept; nothing where there is none."""
        if self.sentences:
            raise UserError(*self.sentences)
