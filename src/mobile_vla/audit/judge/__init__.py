"""Verdicts on claims, a module for each kind; `judge` chooses the module."""

from mobile_vla.audit.judge.judge import judge

__all__ = ["judge"]
