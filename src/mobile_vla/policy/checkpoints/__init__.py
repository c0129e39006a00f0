"""Checkpoints: read, held against a model, merged and reported."""
