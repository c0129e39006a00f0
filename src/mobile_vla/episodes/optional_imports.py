"""Packages that only some formats need."""

from __future__ import annotations

import importlib
from typing import Any

from mobile_vla.messages.errors import UserError


def need(module: str, extra: str) -> Any:
    """Import an optional module.

    Raises:
        UserError: it is not installed; the sentence names the extra that brings it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f"This needs {module.partition('.')[0]}, which is not installed: "
            f"run `pip install 'mobile-vla[{extra}]'`."
        ) from error
