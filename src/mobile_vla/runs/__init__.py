"""The run folder: one definition of its files.

The making wing writes them, the truth wing reads them, and neither imports the other.
"""
