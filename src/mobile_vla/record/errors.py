"""The one exception that a user is meant to read."""

from __future__ import annotations


class UserError(Exception):
    """What is wrong, where, and what to do next, in one sentence.

    The command line prints it without a traceback and exits with `exit_code`:
    2 where the input was wrong, 1 where the answer is a negative finding.
    """

    def __init__(self, message: str, *, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code
