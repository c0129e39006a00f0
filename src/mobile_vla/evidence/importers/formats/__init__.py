"""Readers of single files that other programs write; nothing in a file is executed."""
