"""The run folder: one definition of its files.

The training side writes them, the evidence side reads them, and neither imports the other.
"""
