"""Runs that mobile-vla did not make: one reader a kind of file, content with less.

Nothing in these files is executed; what they do not tell is unknown, and what cannot be read is
said.
"""
