"""Readers and writers of recordings, one module a format."""
