"""Seals: signed statements of what a run's files are, and their verification."""
