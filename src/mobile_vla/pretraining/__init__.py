"""The small VLMs: how they are made."""
