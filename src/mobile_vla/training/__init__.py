"""Preflight, the training loop, checkpoints and resume; pretraining of the small VLMs."""
